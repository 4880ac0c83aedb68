//! Plans for answers, from their heads alone.

use protocol::Strategy::{Blue, Green};
use switch::Notice;

use super::{
    super::plan::{Circumstances, Plan, Rest},
    *,
};

/// The plan for an answer of that method whose notice of green is due, as a line.
fn plan(method: &str, response_override: Option<ResponseOverride>, response: Response<Frames>) -> String {
    let protocol = Protocol::default();
    let (head, body) = response.into_parts();
    let circumstances = Circumstances {
        method: protocol.method(&format!("/QueryEngineService/{method}")),
        due: Some(Notice { strategy: Green, announcement: 2 }),
        response_override,
        is_trailers_only: body.is_end_stream(),
        reads_session: true,
    };
    let (notice, rest) = match Plan::new(&head, circumstances) {
        Plan::Reject => return "456".into(),
        Plan::Pass { notice, rest } => (notice, rest),
    };
    let notice = notice.map_or("nothing".into(), |notice| {
        let twice = if notice.is_doubled { " twice" } else { "" };
        let due = if notice.is_due { "due" } else { "made up" };
        format!("{}{twice} ({due})", notice.notice.strategy)
    });
    let rest = match rest {
        Rest::End { is_success } => format!("ends, success: {is_success}"),
        Rest::Passing => "passes".into(),
        Rest::Held(held) => {
            let read = [("query", held.query_id), ("session", held.session)];
            let read: Vec<_> = read.iter().filter_map(|(name, field)| field.map(|_| *name)).collect();
            format!("reads {read:?}, appends {} bytes", held.notice.map_or(0, |field| field.len()))
        }
    };
    format!("{notice}; {rest}")
}

#[test]
fn plans_follow_from_the_answers_head() {
    let whole = || grpc(Frames::data([framed(0, b"")]).status("0"));
    let status = |status| {
        let mut response = grpc(Frames::default());
        response.headers_mut().insert(grpc::header::GRPC_STATUS, HeaderValue::from_static(status));
        response
    };
    let early = || {
        let mut response = whole();
        response.headers_mut().insert(grpc::header::GRPC_STATUS, HeaderValue::from_static("0"));
        response
    };
    for (method, order, response, expected) in [
        ("authenticate", None, whole(), "green (due); reads [\"session\"], appends 7 bytes"),
        ("prepareStatement", None, whole(), "green (due); reads [\"query\"], appends 7 bytes"),
        ("getNextResultBatch", None, whole(), "green (due); reads [], appends 7 bytes"),
        ("unheardOf", None, whole(), "green (due); passes"),
        ("prepareStatement", None, status("0"), "green (due); ends, success: true"),
        ("prepareStatement", None, status("5"), "nothing; ends, success: false"),
        ("prepareStatement", None, early(), "green (due); passes"),
        ("authenticate", Some(ResponseOverride::Mismatch), whole(), "456"),
        (
            "getNextResultBatch",
            Some(ResponseOverride::Notice(Blue)),
            whole(),
            "blue (made up); reads [], appends 6 bytes",
        ),
        (
            "getNextResultBatch",
            Some(ResponseOverride::DuplicateNotice),
            whole(),
            "green twice (due); reads [], appends 14 bytes",
        ),
    ] {
        assert_eq!(plan(method, order, response), expected, "{method}, {order:?}");
    }
}
