//! String functions: Soundex, URLs, hashes, regular expressions, printf.

use std::{fmt::Write, sync::Arc};

use datafusion::{
    arrow::{
        array::{Array, ArrayRef, StringArray},
        util::display::{ArrayFormatter, FormatOptions},
    },
    common::{Result, exec_datafusion_err, exec_err},
    logical_expr::{ColumnarValue, ScalarUDF},
};
use md5::{Digest, Md5};
use regex::Regex;
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512};

use super::{
    simple::{function, text},
    text::{strings, values},
};

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let printf: Vec<usize> = (1..=32).collect();
    vec![
        function("soundex", &[1], text, |args, rows| each(args, rows, |text| Ok(Some(soundex(text))))),
        function("url_encode", &[1], text, |args, rows| each(args, rows, |text| Ok(Some(url_encode(text))))),
        function("url_decode", &[1], text, |args, rows| each(args, rows, |text| url_decode(text).map(Some))),
        function("md5", &[1], text, |args, rows| each(args, rows, |text| Ok(Some(hex(&Md5::digest(text)))))),
        function("sha1", &[1], text, |args, rows| {
            each(args, rows, |text| Ok(Some(hex(&Sha1::digest(text)))))
        }),
        function("sha", &[1], text, |args, rows| each(args, rows, |text| Ok(Some(hex(&Sha1::digest(text)))))),
        function("sha2", &[2], text, sha2),
        function("regexp_extract", &[3], text, regexp_extract),
        function("format_string", &printf, text, format_string),
    ]
}

/// Applies a function to each string.
fn each(
    args: &[ColumnarValue],
    rows: usize,
    of: impl Fn(&str) -> Result<Option<String>>,
) -> Result<ArrayRef> {
    let texts = strings(&args[0], rows)?;
    let all = texts.iter().map(|text| text.map_or(Ok(None), &of)).collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(StringArray::from(all)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// `sha2(text, bits)`
fn sha2(args: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
    let texts = strings(&args[0], rows)?;
    let bits = values::<datafusion::arrow::datatypes::Int64Type>(&args[1], rows)?;
    let one = |(text, bits): (Option<&str>, Option<i64>)| {
        let text = text?;
        match bits? {
            0 | 256 => Some(hex(&Sha256::digest(text))),
            224 => Some(hex(&Sha224::digest(text))),
            384 => Some(hex(&Sha384::digest(text))),
            512 => Some(hex(&Sha512::digest(text))),
            _ => None,
        }
    };
    Ok(Arc::new(texts.iter().zip(bits.iter()).map(one).collect::<StringArray>()))
}

fn soundex(text: &str) -> String {
    let code = |letter: char| match letter.to_ascii_uppercase() {
        'B' | 'F' | 'P' | 'V' => '1',
        'C' | 'G' | 'J' | 'K' | 'Q' | 'S' | 'X' | 'Z' => '2',
        'D' | 'T' => '3',
        'L' => '4',
        'M' | 'N' => '5',
        'R' => '6',
        'H' | 'W' => '-',
        _ => '0',
    };
    let Some(first) = text.chars().next().filter(char::is_ascii_alphabetic) else { return text.to_owned() };
    let (mut sound, mut last) = (first.to_ascii_uppercase().to_string(), code(first));
    for letter in text.chars().skip(1).filter(char::is_ascii_alphabetic) {
        let next = code(letter);
        if ('1'..='6').contains(&next) && next != last {
            sound.push(next);
        }
        // H and W do not separate equal sounds.
        if next != '-' {
            last = next;
        }
        if sound.len() == 4 {
            break;
        }
    }
    format!("{sound:0<4}")
}

fn url_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'*' | b'_' => encoded.push(byte.into()),
            b' ' => encoded.push('+'),
            _ => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}

fn url_decode(text: &str) -> Result<String> {
    let wrong = || exec_datafusion_err!("url_decode(): '{text}' is not encoded text");
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.bytes());
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
                let (Some(high), Some(low)) = (digit(rest.next()), digit(rest.next())) else {
                    return Err(wrong());
                };
                (high * 16 + low) as u8
            }
            plain => plain,
        });
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

/// `regexp_extract(text, pattern, group)`: empty if nothing matches.
fn regexp_extract(args: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
    let (texts, patterns) = (strings(&args[0], rows)?, strings(&args[1], rows)?);
    let groups = values::<datafusion::arrow::datatypes::Int64Type>(&args[2], rows)?;
    let mut compiled: Option<(String, Regex)> = None;
    let mut found = Vec::with_capacity(rows);
    for row in 0..rows {
        if texts.is_null(row) || patterns.is_null(row) || groups.is_null(row) {
            found.push(None);
            continue;
        }
        let pattern = patterns.value(row);
        if compiled.as_ref().is_none_or(|(own, _)| own != pattern) {
            let regex = Regex::new(pattern).map_err(|_| {
                exec_datafusion_err!("regexp_extract(): '{pattern}' is not a regular expression")
            })?;
            compiled = Some((pattern.to_owned(), regex));
        }
        let Some((_, regex)) = &compiled else { continue };
        let group = usize::try_from(groups.value(row)).unwrap_or(usize::MAX);
        if group >= regex.captures_len() {
            return exec_err!("regexp_extract(): '{pattern}' has no group {group}");
        }
        let captures = regex.captures(texts.value(row));
        let value = captures.and_then(|captures| captures.get(group).map(|value| value.as_str().to_owned()));
        found.push(Some(value.unwrap_or_default()));
    }
    Ok(Arc::new(StringArray::from(found)))
}

/// printf: `%s`, `%d`, `%f`, `%.2f`, `%x`, `%5d`, `%-5s`, `%05d`, `%%`.
fn format_string(args: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
    let formats = strings(&args[0], rows)?;
    let columns = args[1..].iter().map(|arg| arg.to_array(rows)).collect::<Result<Vec<_>>>()?;
    let options = FormatOptions::default().with_null("null");
    let shown = columns.iter().map(|column| ArrayFormatter::try_new(column, &options));
    let shown = shown.collect::<Result<Vec<_>, _>>()?;
    let mut lines = Vec::with_capacity(rows);
    for row in 0..rows {
        let arguments: Vec<String> = shown.iter().map(|column| column.value(row).to_string()).collect();
        lines.push(if formats.is_null(row) { None } else { Some(printf(formats.value(row), &arguments)?) });
    }
    Ok(Arc::new(StringArray::from(lines)))
}

fn printf(format: &str, arguments: &[String]) -> Result<String> {
    let (mut line, mut rest, mut next) = (String::new(), format.chars().peekable(), arguments.iter());
    while let Some(sign) = rest.next() {
        if sign != '%' {
            line.push(sign);
            continue;
        }
        let mut spec = String::new();
        while let Some(sign) = rest.next_if(|sign| sign.is_ascii_digit() || "-+.,0".contains(*sign)) {
            spec.push(sign);
        }
        let kind = rest.next().unwrap_or('%');
        if kind == '%' {
            line.push('%');
            continue;
        }
        let Some(argument) = next.next() else {
            return exec_err!("format '{format}' needs more than {} arguments", arguments.len());
        };
        let (width, digits) = spec.split_once('.').unwrap_or((&spec, ""));
        let wide: usize = width.trim_start_matches(['-', '+', '0', ',']).parse().unwrap_or(0).min(1000);
        let value = match kind {
            'd' | 's' => argument.clone(),
            'f' => match argument.parse::<f64>() {
                Ok(number) => format!("{number:.*}", digits.parse::<usize>().unwrap_or(6).min(100)),
                Err(_) => argument.clone(),
            },
            'x' => argument.parse::<i64>().map_or_else(|_| argument.clone(), |number| format!("{number:x}")),
            other => return exec_err!("format '{format}': %{other} is not supported"),
        };
        let missing = wide.saturating_sub(value.chars().count());
        match () {
            () if width.starts_with('-') => line.push_str(&format!("{value}{}", " ".repeat(missing))),
            () if width.starts_with('0') && value.starts_with('-') => {
                line.push_str(&format!("-{}{}", "0".repeat(missing), &value[1..]));
            }
            () if width.starts_with('0') => line.push_str(&format!("{}{value}", "0".repeat(missing))),
            () => line.push_str(&format!("{}{value}", " ".repeat(missing))),
        }
    }
    Ok(line)
}
