//! The outcome of each fault for each gRPC library equals the table of `docs/faults.md`.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

use grpc::string_field;
use prost::Message;
use protocol::pb;
use proxy::fault::rule::KEYS;
use serde::Deserialize;
use tonic::{Code, metadata::MetadataMap};

use crate::support::{Connector, Running, Server, call, engine, go, java, node, python, teal};

/// The deadline of a call that is never answered.
const DEADLINE: Duration = Duration::from_secs(2);
/// The deadline of other calls.
const SOON: Duration = Duration::from_secs(60);

const SCHEMAS: &str = "getSchemaNames";
const BATCH: &str = "getNextResultBatch";

/// The field of the notice in the response to [`SCHEMAS`].
const NOTICE: u32 = 3;

/// A rule, the method to call, and the least duration in milliseconds.
const EFFECTS: [(&str, &str, u64); 25] = [
    ("delay=200ms", SCHEMAS, 200),
    ("delay=100ms..300ms,at=answer", SCHEMAS, 100),
    ("delay=200ms+-50ms,at=message,seed=1", SCHEMAS, 50),
    ("slow-batches=100ms", BATCH, 100),
    ("status=NOT_FOUND,message=no such thing,details=why", SCHEMAS, 0),
    ("status=UNAVAILABLE,message=busy,http-status=503", SCHEMAS, 0),
    ("http-status=502", SCHEMAS, 0),
    ("access-denied", SCHEMAS, 0),
    ("suspended", SCHEMAS, 0),
    ("mismatch", SCHEMAS, 0),
    ("notice=green", SCHEMAS, 0),
    (DUE, SCHEMAS, 0),
    ("reset=CANCEL", SCHEMAS, 0),
    ("reset=REFUSED_STREAM", SCHEMAS, 0),
    ("reset=ENHANCE_YOUR_CALM", SCHEMAS, 0),
    ("goaway=NO_ERROR", SCHEMAS, 0),
    ("goaway=ENHANCE_YOUR_CALM", SCHEMAS, 0),
    ("disconnect", SCHEMAS, 0),
    ("hang", SCHEMAS, 0),
    ("truncate=3B", SCHEMAS, 0),
    ("truncate=20B", SCHEMAS, 0),
    ("truncate=0batches", BATCH, 0),
    ("throttle=100B/s", SCHEMAS, 200),
    ("corrupt=4,seed=1", BATCH, 0),
    ("empty-batch", BATCH, 0),
];

/// It needs a notice that is due.
const DUE: &str = "duplicate-notice";

/// Rules after which a library may not see the response metadata.
const MUTE: [&str; 6] =
    ["http-status", "reset", "goaway=ENHANCE_YOUR_CALM", "disconnect", "hang", "truncate=3B"];

/// The result of a call.
#[derive(Debug, Deserialize, PartialEq, Eq)]
struct Seen {
    code: String,
    text: String,
    /// In hexadecimal digits.
    message: String,
    /// What the metadata `teal-fault` names.
    fault: Option<String>,
    millis: u64,
}

impl Seen {
    /// The cell in the table; `plain` is the result without a fault.
    fn cell(&self, plain: &Self, least: u64) -> String {
        let notices =
            |count: usize| plain.message.clone() + &hex(&string_field(NOTICE, "green")).repeat(count);
        let differ = |(one, other): (&[u8], &[u8])| one != other;
        match (self.code.as_str(), self.message.as_str()) {
            ("OK", message) if message == plain.message => {
                if least > 0 { "OK, later" } else { "OK" }.to_owned()
            }
            ("OK", "") => "OK, an empty message".to_owned(),
            ("OK", message) if message == notices(1) => "OK, and the notice".to_owned(),
            ("OK", message) if message == notices(2) => "OK, and the notice twice".to_owned(),
            ("OK", message) if message.len() == plain.message.len() => {
                let pairs = message.as_bytes().chunks(2).zip(plain.message.as_bytes().chunks(2));
                format!("OK, {} bytes are others", pairs.filter(|pair| differ(*pair)).count())
            }
            ("OK", message) => format!("OK, another message: {message}"),
            (code, _) => {
                // Ports and times differ from run to run.
                let mut text = self.text.split(['\n', '|']).next().unwrap_or_default().to_owned();
                for cut in ["ipv4:", " Last error", "after ", "{", " (", ": h2 protocol"] {
                    text.truncate(text.find(cut).unwrap_or(text.len()));
                }
                let text = text.trim();
                if text.is_empty() { code.to_owned() } else { format!("{code} `{text}`") }
            }
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A call with a rule, or without one.
struct Call<'a> {
    at: SocketAddr,
    rule: &'a str,
    method: &'a str,
    request: Vec<u8>,
}

impl Call<'_> {
    fn deadline(&self) -> Duration {
        if self.rule == "hang" { DEADLINE } else { SOON }
    }

    /// Sends it by tonic.
    fn send(&self) -> Result<tonic::Response<bytes::Bytes>, tonic::Status> {
        let mut metadata = vec![("authorization", "Bearer someone"), ("strategy", "blue")];
        if !self.rule.is_empty() {
            metadata.push(("teal-fault", self.rule));
        }
        call(self.at, self.method, &metadata, self.request.clone(), self.deadline())
    }
}

/// A teal without switches that accepts rules from calls, and one that has announced green.
struct Servers {
    still: Server,
    announced: Server,
}

impl Servers {
    /// With what stands behind both.
    fn run(backend: Option<SocketAddr>) -> Self {
        let run = || {
            let server = teal().admin().switch_every("0").with("--announce-timeout", "0").notice("1h");
            let server = server.with("--fault-header", "on");
            backend.into_iter().fold(server, |server, engine| server.upstream(engine)).run()
        };
        let (still, announced) = (run(), run());
        announced.operate(&["switch"]).done();
        Self { still, announced }
    }

    /// Calls each method without a rule, and then with each effect.
    fn each(&self, mut see: impl FnMut(Call<'_>) -> Seen) -> Vec<Seen> {
        let plain = [("", SCHEMAS, 0), ("", BATCH, 0)].into_iter();
        plain
            .chain(EFFECTS)
            .map(|(rule, method, _)| {
                let server = if rule == DUE { &self.announced } else { &self.still };
                let request = if method == BATCH { batch(server.address) } else { Vec::new() };
                see(Call { at: server.address, rule, method, request })
            })
            .collect()
    }
}

/// Fetches the only batch of a new query.
fn batch(at: SocketAddr) -> Vec<u8> {
    let plain = |method, request| {
        let answered = Call { at, rule: "", method, request }.send();
        answered.expect("it is answered").into_inner()
    };
    let prepare = pb::PrepareStatementRequest {
        query_string: "SELECT value FROM generate_series(1, 1000)".to_owned(),
        schema: "sales".to_owned(),
        ..Default::default()
    };
    let prepared = plain("prepareStatement", prepare.encode_to_vec());
    let query_id = pb::PrepareStatementResponse::decode(prepared).expect("it is one").query_id;
    let execute = pb::ExecuteStatementRequest { query_id: query_id.clone(), ..Default::default() };
    plain("executeStatement", execute.encode_to_vec());
    pb::GetNextResultBatchRequest { query_id, ..Default::default() }.encode_to_vec()
}

fn seen_by_tonic(servers: &Servers) -> Vec<Seen> {
    servers.each(|call| {
        let fault = |metadata: &MetadataMap| Some(metadata.get("teal-fault")?.to_str().ok()?.to_owned());
        let begun = Instant::now();
        let answered = call.send();
        let millis = begun.elapsed().as_millis().try_into().unwrap_or(u64::MAX);
        match answered {
            Ok(answer) => Seen {
                code: "OK".to_owned(),
                text: String::new(),
                fault: fault(answer.metadata()),
                message: hex(answer.get_ref()),
                millis,
            },
            Err(status) => Seen {
                code: name(status.code()),
                text: status.message().to_owned(),
                message: String::new(),
                fault: fault(status.metadata()),
                millis,
            },
        }
    })
}

/// The name of a code in the usual spelling, `NOT_FOUND`.
fn name(code: Code) -> String {
    let mut name = String::new();
    for char in format!("{code:?}").chars() {
        if char.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(char.to_ascii_uppercase());
    }
    name
}

fn seen_by_script(servers: &Servers, mut script: Running) -> Vec<Seen> {
    let mut lines = 0;
    let seen = servers.each(|call| {
        let (deadline, request) = (call.deadline().as_millis(), hex(&call.request));
        let Call { at, rule, method, .. } = call;
        script.write_line(&format!("{at}\t{rule}\t{method}\t{deadline}\t{request}"));
        lines += 1;
        let answers = script.wait_for("{\"code\"", lines, SOON * 2);
        serde_json::from_str(&answers[lines - 1]).expect("a line is an answer")
    });
    script.close_stdin();
    script.succeed(SOON);
    seen
}

/// One library's column of the table.
fn column(seen: &[Seen]) -> Vec<String> {
    let (plain, seen) = seen.split_at(2);
    EFFECTS
        .iter()
        .zip(seen)
        .map(|((rule, method, least), seen)| {
            assert!(seen.millis >= *least, "{rule}: {seen:?}");
            if !MUTE.iter().any(|mute| rule.starts_with(mute)) {
                assert_eq!(seen.fault.as_deref(), Some("call"), "{rule}: {seen:?}");
            }
            seen.cell(&plain[usize::from(*method == BATCH)], *least)
        })
        .collect()
}

#[test]
fn effects_are_what_each_library_sees() {
    let servers = Servers::run(None);
    let Some(script) = node("effects.mjs", &[]) else { return };
    let by_js = column(&seen_by_script(&servers, script));
    let script = python(Connector::V3_0_2).start_offline("effects.py", &[]);
    let by_python = column(&seen_by_script(&servers, script));
    let Some(script) = go(&["effects"]) else { return };
    let by_go = column(&seen_by_script(&servers, script));
    let Some(script) = java(&["effects"]) else { return };
    let by_java = column(&seen_by_script(&servers, script));
    let by_tonic = column(&seen_by_tonic(&servers));
    let mut table = "| effect | grpcio | grpc-java | grpc-go | grpc-js | tonic |\n".to_owned();
    table += "| --- | --- | --- | --- | --- | --- |\n";
    let columns = [by_python, by_java, by_go, by_js, by_tonic];
    for (at, (rule, ..)) in EFFECTS.iter().enumerate() {
        let cells = columns.each_ref().map(|column| column[at].as_str());
        table += &format!("| `{rule}` | {} |\n", cells.join(" | "));
    }
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/faults.md"))
        .expect("there is a page");
    assert!(page.contains(&table), "docs/faults.md has another table of effects than\n{table}");
}

#[test]
fn effects_are_the_same_before_a_real_engine() {
    let engine = engine().run();
    let (own, real) = (Servers::run(None), Servers::run(Some(engine.address)));
    let [own, real] = [&own, &real].map(|servers| column(&seen_by_tonic(servers)));
    assert_eq!(own, real);
}

#[test]
fn every_effect_is_in_the_table() {
    const OF_MATCHES: [&str; 12] = [
        "id",
        "method",
        "strategy",
        "user",
        "cluster-name",
        "user-agent",
        "sql",
        "phase",
        "nth",
        "first",
        "every",
        "probability",
    ];
    for key in KEYS.map(|key| key.name).iter().filter(|key| !OF_MATCHES.contains(key)) {
        let is_there = |rule: &str| rule.split(',').any(|part| part.split('=').next() == Some(key));
        assert!(EFFECTS.iter().any(|(rule, ..)| is_there(rule)), "{key} is in no row");
    }
}
