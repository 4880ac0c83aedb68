use std::{borrow::Cow, sync::LazyLock};

use prost::Message;

use super::*;
use crate::{Protocol, pb};

/// Rewrites a request of this method: ids become `ID`, secrets go.
fn rewritten(method: &str, message: &[u8]) -> Result<Vec<u8>, grpc::Malformed> {
    let protocol = Protocol::default();
    let roles = protocol.roles().method(&format!("/QueryEngineService/{method}")).unwrap();
    let rewritten = roles.request.rewrite(message, &mut |role, _| match role {
        Role::Secret => Edit::Drop,
        Role::Session | Role::Query => Edit::Replace("ID".into()),
        _ => Edit::Keep,
    });
    rewritten.map(Cow::into_owned)
}

#[test]
fn secrets_go_and_ids_are_replaced() {
    let request = pb::AuthenticateRequest {
        user: "me".to_owned(),
        password: "p4ss".to_owned(),
        custom_identity_claim: Some("claim".to_owned()),
        ..Default::default()
    };
    let without = pb::AuthenticateRequest { user: "me".to_owned(), ..Default::default() };
    assert_eq!(rewritten("authenticate", &request.encode_to_vec()).unwrap(), without.encode_to_vec());

    let existing = |id: &str| Some(pb::ExistingQuery { query_id: id.to_owned(), elapsed_time_millis: 5 });
    let request = |session: &str, query: &str| pb::PrepareStatementV2Request {
        session_id: session.to_owned(),
        query_string: "SELECT 1".to_owned(),
        quoting: "x".repeat(300),
        existing_query: existing(query),
        ..Default::default()
    };
    let sent = request(&"s".repeat(200), "q").encode_to_vec();
    assert_eq!(rewritten("prepareStatementV2", &sent).unwrap(), request("ID", "ID").encode_to_vec());
    let users = pb::UpdateUsersRequest { users: b"secret".to_vec() }.encode_to_vec();
    assert_eq!(rewritten("updateUsers", &users).unwrap(), b"");
}

#[test]
fn a_message_without_edits_is_not_copied() {
    let request = pb::PrepareStatementV2Request { query_string: "SELECT 1".to_owned(), ..Default::default() };
    let (protocol, message) = (Protocol::default(), request.encode_to_vec());
    let roles = &protocol.roles().method("/QueryEngineService/prepareStatementV2").unwrap().request;
    let rewritten = roles.rewrite(&message, &mut |_, _| Edit::Keep).unwrap();
    assert!(matches!(rewritten, Cow::Borrowed(same) if same == message));
}

#[test]
fn a_secret_of_another_type_goes_too() {
    // password = 2, as a number.
    assert_eq!(rewritten("authenticate", b"\x0a\x01m\x10\x07").unwrap(), b"\x0a\x01m");
}

#[test]
fn malformed_messages_are_refused() {
    for message in
        [&b"\x0a\x05ab"[..], b"\x0a", b"\x80", b"\x0b", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"]
    {
        assert!(rewritten("authenticate", message).is_err(), "{message:?}");
    }
}

#[test]
fn messages_without_end_are_refused() {
    use prost_types::{
        FieldDescriptorProto, FileDescriptorProto, MethodDescriptorProto, ServiceDescriptorProto,
    };
    let field = FieldDescriptorProto {
        name: Some("inner".into()),
        number: Some(1),
        r#type: Some(Type::Message.into()),
        type_name: Some(".Deep".into()),
        ..Default::default()
    };
    let method = MethodDescriptorProto {
        name: Some("m".into()),
        input_type: Some(".Deep".into()),
        output_type: Some(".Unknown".into()),
        ..Default::default()
    };
    let file = FileDescriptorProto {
        message_type: vec![DescriptorProto {
            name: Some("Deep".into()),
            field: vec![field],
            ..Default::default()
        }],
        service: vec![ServiceDescriptorProto {
            name: Some("S".into()),
            method: vec![method],
            ..Default::default()
        }],
        ..Default::default()
    };
    let mut roles = Roles::default();
    roles.add(&FileDescriptorSet { file: vec![file] });
    let roles = roles.method("/S/m").unwrap();
    assert!(roles.request.is_known() && !roles.response.is_known());
    let nested = |depth: usize| {
        let mut message = Vec::new();
        for _ in 0..depth {
            let mut outer = Vec::new();
            prost::encoding::bytes::encode(1, &message, &mut outer);
            message = outer;
        }
        message
    };
    let is_read = |depth| roles.request.rewrite(&nested(depth), &mut |_, _| Edit::Keep).is_ok();
    assert!(is_read(100) && !is_read(102));
}

/// Rewrites a message of this method as far as it is known, without sessions and secrets.
fn known(method: &str, message: &[u8], is_cut: bool) -> Result<Vec<u8>, grpc::Malformed> {
    static PROTOCOL: LazyLock<Protocol> = LazyLock::new(Protocol::default);
    let roles = PROTOCOL.roles().method(&format!("/QueryEngineService/{method}")).unwrap();
    let rewritten = roles.request.rewrite_known(message, is_cut, &mut |role, _| match role {
        Role::Secret => Edit::Drop,
        Role::Session => Edit::Replace("ID".into()),
        _ => Edit::Keep,
    });
    rewritten.map(Cow::into_owned)
}

#[test]
fn a_cut_message_stays_without_its_secrets() {
    let login = pb::AuthenticateRequest {
        user: "é".repeat(3),
        password: "p4ssw0rd".to_owned(),
        ..Default::default()
    };
    let sent = login.encode_to_vec();
    for len in 0..=sent.len() {
        let kept = known("authenticate", &sent[..len], true).unwrap();
        let kept = pb::AuthenticateRequest::decode(&*kept).unwrap();
        assert!(kept.password.is_empty() && login.user.starts_with(&kept.user), "{len}: {kept:?}");
        assert_eq!(kept.user.chars().count(), len.saturating_sub(2).min(6) / 2, "{len}");
    }
    let query = pb::PrepareStatementV2Request {
        session_id: "5e551011".to_owned(),
        query_string: "SELECT 1".to_owned(),
        existing_query: Some(pb::ExistingQuery { query_id: "q-1".to_owned(), elapsed_time_millis: 5 }),
        ..Default::default()
    };
    let sent = query.encode_to_vec();
    for len in 0..=sent.len() {
        let kept = known("prepareStatementV2", &sent[..len], true).unwrap();
        let kept = pb::PrepareStatementV2Request::decode(&*kept).unwrap();
        assert!(["", "ID"].contains(&&*kept.session_id), "{len}: {kept:?}");
        assert!(query.query_string.starts_with(&kept.query_string), "{len}: {kept:?}");
    }
    assert!(known("authenticate", &login.encode_to_vec()[..5], false).is_err(), "only if it was cut");
    assert!(known("authenticate", b"\x0b", true).is_err());
}

#[test]
fn fields_without_a_descriptor_are_dropped() {
    // Fields 1 (user) and 99.
    let message = b"\x0a\x01m\x9a\x06\x06secret\x0a\x01n";
    assert_eq!(known("authenticate", message, false).unwrap(), b"\x0a\x01m\x0a\x01n");
    assert_eq!(known("authenticate", &message[..9], true).unwrap(), b"\x0a\x01m");
    let kept = rewritten("authenticate", message).unwrap();
    assert_eq!(kept, message, "recordings are played again");
}

#[test]
fn what_is_kept_of_anything_is_a_message() {
    let query = pb::PrepareStatementV2Request {
        session_id: "5e551011".to_owned(),
        query_string: "SELECT 'é'".to_owned(),
        existing_query: Some(pb::ExistingQuery { query_id: "q-1".to_owned(), elapsed_time_millis: 5 }),
        ..Default::default()
    };
    let sent = query.encode_to_vec();
    let mut kept_at_all = 0;
    for at in 0..sent.len() {
        for byte in 0..=u8::MAX {
            let mut message = sent.clone();
            message[at] = byte;
            for len in [message.len(), at + 1] {
                let Ok(kept) = known("prepareStatementV2", &message[..len], true) else { continue };
                assert!(known("prepareStatementV2", &kept, false).is_ok(), "{message:?} {len}");
                kept_at_all += 1;
            }
        }
    }
    assert!(kept_at_all > 1000, "{kept_at_all}");
}

#[test]
fn a_message_of_any_type_is_not_kept() {
    use prost_types::{
        FieldDescriptorProto, FileDescriptorProto, MethodDescriptorProto, ServiceDescriptorProto,
    };
    let field = |name: &str, number, kind: Type| FieldDescriptorProto {
        name: Some(name.into()),
        number: Some(number),
        r#type: Some(kind.into()),
        ..Default::default()
    };
    let any = DescriptorProto {
        name: Some("Any".into()),
        field: vec![field("type_url", 1, Type::String), field("value", 2, Type::Bytes)],
        ..Default::default()
    };
    let method = MethodDescriptorProto {
        name: Some("m".into()),
        input_type: Some(".google.protobuf.Any".into()),
        output_type: Some(".google.protobuf.Any".into()),
        ..Default::default()
    };
    let file = FileDescriptorProto {
        package: Some("google.protobuf".into()),
        message_type: vec![any],
        service: vec![ServiceDescriptorProto {
            name: Some("S".into()),
            method: vec![method],
            ..Default::default()
        }],
        ..Default::default()
    };
    let mut roles = Roles::default();
    roles.add(&FileDescriptorSet { file: vec![file] });
    let roles = &roles.method("/google.protobuf.S/m").unwrap().request;
    let kept = roles.rewrite_known(b"\x0a\x01t\x12\x06secret", false, &mut |_, _| Edit::Keep);
    assert_eq!(*kept.unwrap(), *b"\x0a\x01t");
}
