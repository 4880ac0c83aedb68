use std::{fs, time::Duration};

use binlog::{Encoder, Head, Metadata, Trailer};
use serde_json::Value;
use std::time::SystemTime;

use super::*;

/// A log of a call that succeeds and one that is rejected, of which the second has no beginning if it is cut.
fn log() -> Vec<u8> {
    let at = |millis: u64| SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_000 + millis);
    let mut log = Vec::new();
    for call in [1, 2] {
        let mut encoder = Encoder::new(call);
        let metadata = &[("strategy", b"blue")].into_iter().collect();
        let peer = Some("10.0.0.1:99".parse::<std::net::SocketAddr>().unwrap().into());
        encoder.client_header(
            &mut log,
            at(0),
            Head { method: "/a.B/c", authority: "", timeout: None, peer, metadata },
        );
        encoder.message(&mut log, at(1), true, 30, false, b"");
        let rejected = [("expected-strategy", b"green")].into_iter().collect();
        let trailer = match call {
            1 => Trailer { code: 0, message: "", details: b"", metadata: Metadata::NONE },
            _ => Trailer { code: 2, message: "status: 456", details: b"", metadata: &rejected },
        };
        encoder.trailer(&mut log, at(250), trailer);
    }
    log
}

/// Prints a file with these bytes. Returns what is printed, and what is warned of or refused.
fn print(bytes: &[u8], is_table: bool) -> (Vec<String>, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls");
    fs::write(&path, bytes).unwrap();
    let (mut out, mut warnings) = (Vec::new(), Vec::new());
    if let Err(Failure::Refused { why, .. }) = print_calls(&path, is_table, &mut out, &mut warnings) {
        warnings.extend_from_slice(why.as_bytes());
    }
    let warnings = String::from_utf8(warnings).unwrap().replace(&path.display().to_string(), "FILE");
    (String::from_utf8(out).unwrap().lines().map(str::to_owned).collect(), warnings)
}

#[test]
fn calls_are_printed_as_json_lines_and_table() {
    let (lines, warnings) = print(&log(), false);
    let lines: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let expected = json!({
        "id": 1, "time": "2023-11-14T22:13:20.000Z", "method": "a.B/c", "peer": "10.0.0.1:99", "asked": "blue",
        "outcome": "ok", "status": "OK", "message": null, "request_bytes": 30, "response_bytes": 0,
        "first_byte_seconds": 0.25, "seconds": 0.25,
    });
    assert_eq!((&lines[0], lines.len(), warnings.as_str()), (&expected, 2, ""));
    assert_eq!((&lines[1]["outcome"], &lines[1]["status"]), (&json!("rejected"), &json!("UNKNOWN")));
    let (rows, _) = print(&log(), true);
    assert!(
        rows[0].starts_with("time ") && rows[1].contains("a.B/c") && rows[2].contains(" 456 "),
        "{rows:?}"
    );
}

#[test]
fn bad_files_are_named_with_offset_and_reason() {
    let log = log();
    let cut = &log[..log.len() - 1];
    let (lines, warnings) = print(cut, false);
    assert_eq!(lines.len(), 2, "a call without its end is shown too");
    assert!(
        warnings.starts_with("teal: FILE: at byte ") && warnings.contains("ends within an entry"),
        "{warnings}"
    );
    let (lines, why) = print(b"", false);
    assert_eq!((lines.len(), why.as_str()), (0, "FILE: at byte 0: the file is empty"));
    let (_, why) = print(b"SELECT 1", false);
    assert_eq!(why, "FILE: at byte 0: expected a binary log of gRPC, found another format");
    let corrupt = [&log[..], &[0, 0, 0, 1, 0]].concat();
    let (lines, why) = print(&corrupt, false);
    assert!(
        lines.len() == 2 && why.starts_with(&format!("FILE: at byte {}: the entry is corrupt", log.len())),
        "{why}"
    );
}
