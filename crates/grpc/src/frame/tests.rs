use proptest::prelude::*;

use super::*;

fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    Prefix { flag, len: message.len() as u32 }.write(&mut bytes);
    bytes.extend_from_slice(message);
    bytes
}

/// Pushes `bytes` in chunks, cut at `cuts`, and returns the whole output.
fn push(appender: &mut Appender, bytes: &[u8], cuts: &[usize]) -> Vec<u8> {
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    let mut out = Vec::new();
    for pair in cuts.windows(2) {
        out.extend_from_slice(&appender.push(Bytes::copy_from_slice(&bytes[pair[0]..pair[1]])));
    }
    out.extend_from_slice(&appender.finish());
    out
}

#[test]
fn appends_to_empty_message() {
    let mut appender = Appender::new(string_field(4, "green"));
    let sent = push(&mut appender, &framed(0, b""), &[]);
    assert_eq!(sent, framed(0, b"\x22\x05green"));
}

#[test]
fn leaves_a_compressed_message_alone() {
    let mut appender = Appender::new(string_field(4, "green"));
    assert_eq!(push(&mut appender, &framed(1, b"abc"), &[2]), framed(1, b"abc"));
}

#[test]
fn point_27_messages_near_the_limit_are_unchanged() {
    let mut appender = Appender::new(string_field(4, "green"));
    let bytes = [0, 0xff, 0xff, 0xff, 0xfe, 1, 2, 3];
    assert_eq!(push(&mut appender, &bytes, &[]), bytes);
}

#[test]
fn the_last_value_of_a_field_counts() {
    let mut message = string_field(2, "first").to_vec();
    message.extend_from_slice(&string_field(3, "other"));
    message.extend_from_slice(&string_field(2, "last"));
    assert_eq!(read_string(&message, 2), Ok(Some("last")));
    assert_eq!(read_string(&message[..message.len() - 1], 2), Ok(Some("first")));
    assert_eq!(read_string(&message, 4), Ok(None));
    assert_eq!(read_string(b"\x0f\x01", 1), Err(Malformed));
    assert_eq!(read_string(b"\x0a\x02\xff\xfe", 1), Err(Malformed));
}

proptest! {
    #[test]
    fn point_11_chunk_boundaries_do_not_matter(
        message in prop_oneof![0..40_usize, SHORT - 40..SHORT + 40]
            .prop_flat_map(|len| prop::collection::vec(any::<u8>(), len)),
        behind in prop::collection::vec(any::<u8>(), 0..20),
        cuts in prop::collection::vec(any::<usize>(), 0..8),
        number in 1u32..600,
    ) {
        let field = string_field(number, "blue");
        let grown = [message.clone(), field.to_vec()].concat();
        let sent = push(&mut Appender::new(field), &[framed(0, &message), behind.clone()].concat(), &cuts);
        prop_assert_eq!(sent, [framed(0, &grown), behind].concat());
    }

    #[test]
    fn point_05_a_cut_message_gets_no_field(
        message in prop::collection::vec(any::<u8>(), 1..40),
        cut in any::<usize>(),
        cuts in prop::collection::vec(any::<usize>(), 0..8),
    ) {
        let bytes = framed(0, &message);
        let cut = cut % bytes.len();
        let field = string_field(3, "blue");
        let sent = push(&mut Appender::new(field), &bytes[..cut], &cuts);
        prop_assert_eq!(sent.len(), cut);
        prop_assert_eq!(sent.get(PREFIX_LEN..), bytes[..cut].get(PREFIX_LEN..));
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), number in 1u32..20) {
        let _ = read_string(&bytes, number);
    }
}
