use prost_types::{
    FieldDescriptorProto, FileDescriptorProto, MethodDescriptorProto, ServiceDescriptorProto,
    field_descriptor_proto::Label,
};

use super::*;

/// The kind of a method, and the field that names its query.
fn kind(method: &str) -> (CallKind, Option<u32>) {
    let protocol = Protocol::default();
    let method = protocol.method(&format!("/QueryEngineService/{method}"));
    (method.kind, method.query_id)
}

#[test]
fn each_named_method_is_in_the_descriptors() {
    for name in BEGINS {
        let (kind, query_id) = kind(name);
        assert_eq!((kind, query_id.is_some()), (CallKind::Begin, name != "identifyPlanner"), "{name}");
    }
    for name in CONTINUES {
        assert!(matches!(kind(name), (CallKind::Continue, Some(_))), "{name}");
    }
    for name in ENDS {
        assert_eq!(kind(name), (CallKind::End, Some(3)), "{name}");
    }
    assert_eq!(kind("authenticate"), (CallKind::LogIn, None));
    assert_eq!(kind("prepareStatementV2"), (CallKind::Begin, Some(2)));
    assert_eq!(kind("createDataFrame"), (CallKind::Begin, Some(1)));
    assert_eq!(kind("limitOnDataFrame"), (CallKind::Continue, Some(1)));
    assert_eq!(kind("getNextRemoteCachedChunk"), (CallKind::Continue, Some(1)));
}

#[test]
fn other_calls_are_neutral_and_unknown_ones_begin() {
    for name in [
        "getSchemaNames",
        "syncSchemas",
        "setProps",
        "dryRun",
        "analyzeQuery",
        "healthCheck",
        "dropUserContext",
    ] {
        assert_eq!(kind(name), (CallKind::Neutral, None), "{name}");
    }
    let protocol = Protocol::default();
    for path in [
        "/ClusterService/status",
        "/grpc.health.v1.Health/Check",
        "/grpc.reflection.v1alpha.ServerReflection/X",
    ] {
        assert_eq!(protocol.method(path).kind, CallKind::Neutral, "{path}");
    }
    for path in ["/QueryEngineService/new", "/other.Service/clear", "", "/"] {
        assert_eq!(protocol.method(path).kind, CallKind::Begin, "{path}");
    }
}

#[test]
fn the_notice_has_the_number_of_each_message() {
    let protocol = Protocol::default();
    for (method, number) in [
        ("authenticate", Some(2)),
        ("prepareStatement", Some(4)),
        ("executeStatement", Some(2)),
        ("getResultMetadata", Some(3)),
        ("getNextResultRow", Some(3)),
        ("getNextResultBatch", Some(4)),
        ("getNextResultBatchV2", Some(3)),
        ("explainAnalyze", Some(6)),
        ("status", Some(5)),
        ("clearOrCancelQuery", Some(2)),
        ("dryRun", Some(2)),
        ("healthCheck", None),
        ("createDataFrame", None),
    ] {
        let method_ = protocol.method(&format!("/QueryEngineService/{method}"));
        let expected = number.map(|number| string_field(number, "green"));
        assert_eq!(method_.notice(Strategy::Green), expected.as_ref(), "{method}");
    }
}

/// `package shop; service Till { rpc Pay(Sum) returns (Receipt); }` and a streaming twin.
fn shop(notice: FieldDescriptorProto) -> Vec<u8> {
    let pay = |name: &str, streams| MethodDescriptorProto {
        name: Some(name.into()),
        input_type: Some(".shop.Sum".into()),
        output_type: Some(".shop.Receipt".into()),
        server_streaming: Some(streams),
        ..MethodDescriptorProto::default()
    };
    let message =
        |name: &str, field| DescriptorProto { name: Some(name.into()), field, ..DescriptorProto::default() };
    let file = FileDescriptorProto {
        package: Some("shop".into()),
        message_type: vec![message("Sum", vec![]), message("Receipt", vec![notice])],
        service: vec![ServiceDescriptorProto {
            name: Some("Till".into()),
            method: vec![pay("Pay", false), pay("Watch", true)],
            ..ServiceDescriptorProto::default()
        }],
        ..FileDescriptorProto::default()
    };
    FileDescriptorSet { file: vec![file] }.encode_to_vec()
}

fn notice_field(r#type: Type, label: Label) -> FieldDescriptorProto {
    FieldDescriptorProto {
        name: Some("new_strategy".into()),
        number: Some(77),
        r#type: Some(r#type.into()),
        label: Some(label.into()),
        ..FieldDescriptorProto::default()
    }
}

#[test]
fn other_services_with_the_field_get_notices() {
    let mut protocol = Protocol::default();
    protocol.extend(&shop(notice_field(Type::String, Label::Optional))).unwrap();
    let pay = protocol.method("/shop.Till/Pay");
    assert_eq!(pay.kind, CallKind::Begin);
    assert_eq!(pay.notice(Strategy::Blue), Some(&string_field(77, "blue")));
    let watch = protocol.method("/shop.Till/Watch");
    assert_eq!((watch.kind, watch.notice(Strategy::Blue)), (CallKind::Begin, None), "it streams");
    let labels = [pay, watch].map(|method| protocol.labels()[method.label].as_str());
    assert_eq!(labels, ["shop.Till/Pay", "shop.Till/Watch"]);
    for (r#type, label) in [(Type::Bytes, Label::Optional), (Type::String, Label::Repeated)] {
        let mut protocol = Protocol::default();
        protocol.extend(&shop(notice_field(r#type, label))).unwrap();
        assert_eq!(protocol.method("/shop.Till/Pay").notice(Strategy::Blue), None);
    }
    assert!(protocol.extend(b"no descriptors").is_err());
}

#[test]
fn services_of_grpc_stay_neutral() {
    let mut set = FileDescriptorSet::decode(&*shop(notice_field(Type::String, Label::Optional))).unwrap();
    set.file[0].package = Some("grpc.health.v1".into());
    let mut protocol = Protocol::default();
    let labels = protocol.labels().len();
    protocol.extend(&set.encode_to_vec()).unwrap();
    assert_eq!(protocol.method("/grpc.health.v1.Till/Pay").kind, CallKind::Neutral);
    assert_eq!(protocol.labels().len(), labels);
}
