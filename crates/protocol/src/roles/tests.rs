use prost::Message;

use super::*;
use crate::{Protocol, pb};

/// Rewrites a request of this method: ids become `ID`, secrets go.
fn rewritten(method: &str, message: &[u8]) -> Result<Vec<u8>, grpc::Malformed> {
    let protocol = Protocol::default();
    let roles = protocol.roles().method(&format!("/QueryEngineService/{method}")).unwrap();
    let mut to = Vec::new();
    roles.request.rewrite(message, &mut to, &mut |role, _| match role {
        Role::Secret => Edit::Drop,
        Role::Session | Role::Query => Edit::Replace("ID".into()),
        _ => Edit::Keep,
    })?;
    Ok(to)
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
    let rewrite = |depth| roles.request.rewrite(&nested(depth), &mut Vec::new(), &mut |_, _| Edit::Keep);
    assert!(rewrite(100).is_ok() && rewrite(102).is_err());
}
