//! What each gRPC library sees of each fault: the table of the README's chapter, and nothing else.

use std::{fs, path::Path, time::Duration};

use serde::Deserialize;
use teal::pb;
use tonic::{
    Code, Request, client::Grpc, codegen::http::uri::PathAndQuery, metadata::AsciiMetadataValue,
    transport::Endpoint,
};

use crate::support::{Connector, Running, Server, node, python, teal};

/// How long a call may take. Only the faults that never end reach it.
const DEADLINE: Duration = Duration::from_secs(4);

/// What is done to a call, and the method that is called.
const EFFECTS: [(&str, &str); 25] = [
    ("delay=200ms", "getSchemaNames"),
    ("delay=100ms..300ms,at=answer", "getSchemaNames"),
    ("delay=200ms+-50ms,at=message", "getSchemaNames"),
    ("slow-batches=100ms", "getNextResultBatch"),
    ("status=NOT_FOUND,message=no such thing,details=why", "getSchemaNames"),
    ("status=UNAVAILABLE,message=busy,http-status=503", "getSchemaNames"),
    ("http-status=502", "getSchemaNames"),
    ("access-denied", "getSchemaNames"),
    ("suspended", "getSchemaNames"),
    ("mismatch", "getSchemaNames"),
    ("notice=green", "getSchemaNames"),
    ("duplicate-notice", "getSchemaNames"),
    ("reset=CANCEL", "getSchemaNames"),
    ("reset=REFUSED_STREAM", "getSchemaNames"),
    ("reset=ENHANCE_YOUR_CALM", "getSchemaNames"),
    ("goaway=NO_ERROR", "getSchemaNames"),
    ("goaway=ENHANCE_YOUR_CALM", "getSchemaNames"),
    ("disconnect", "getSchemaNames"),
    ("hang", "getSchemaNames"),
    ("truncate=3B", "getSchemaNames"),
    ("truncate=20B", "getSchemaNames"),
    ("truncate=0batches", "getNextResultBatch"),
    ("throttle=1KiB/s", "getSchemaNames"),
    ("corrupt=4,seed=1", "getNextResultBatch"),
    ("empty-batch", "getNextResultBatch"),
];

/// What came of a call.
#[derive(Debug, Deserialize, PartialEq, Eq)]
struct Seen {
    code: String,
    text: String,
    bytes: usize,
}

impl Seen {
    /// As it stands in the table, where `plain` is the answer without a fault.
    fn cell(&self, plain: &Self) -> String {
        match self.code.as_str() {
            "OK" if self.bytes == plain.bytes => "OK".to_owned(),
            "OK" if self.bytes == 0 => "OK, an empty message".to_owned(),
            "OK" if self.bytes < plain.bytes => "OK, without the rows".to_owned(),
            "OK" => "OK, and the notice".to_owned(),
            code => {
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

/// A call with a rule, or without one.
struct Call<'a> {
    rule: &'a str,
    method: &'a str,
    request: Vec<u8>,
}

fn calls(query: &str) -> Vec<Call<'_>> {
    use prost::Message as _;
    let schemas = pb::GetSchemaNamesRequest::default().encode_to_vec();
    let batch =
        pb::GetNextResultBatchRequest { query_id: query.to_owned(), ..Default::default() }.encode_to_vec();
    let with = |(rule, method): (&'static str, &'static str)| {
        let request = if method == "getSchemaNames" { schemas.clone() } else { batch.clone() };
        Call { rule, method, request }
    };
    [("", "getSchemaNames"), ("", "getNextResultBatch")].into_iter().chain(EFFECTS).map(with).collect()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be had")
}

async fn connect(server: &Server) -> Grpc<tonic::transport::Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{}", server.address)).expect("it is a URL");
    let mut client = Grpc::new(endpoint.connect().await.expect("it listens"));
    client.ready().await.expect("it is connected");
    client
}

async fn unary<T, R>(server: &Server, rule: &str, method: &str, request: T) -> Result<R, tonic::Status>
where
    T: prost::Message + Send + Sync + 'static,
    R: prost::Message + Default + Send + Sync + 'static,
{
    let mut request = Request::new(request);
    let metadata = request.metadata_mut();
    metadata.insert("authorization", AsciiMetadataValue::from_static("Bearer someone"));
    metadata.insert("strategy", AsciiMetadataValue::from_static("blue"));
    if !rule.is_empty() {
        metadata.insert("teal-fault", rule.parse().expect("it is ASCII"));
    }
    let path = PathAndQuery::try_from(format!("/QueryEngineService/{method}")).expect("it is a path");
    let mut client = connect(server).await;
    let called = client.unary(request, path, tonic_prost::ProstCodec::<T, R>::default());
    match tokio::time::timeout(DEADLINE, called).await {
        Ok(answer) => answer.map(tonic::Response::into_inner),
        Err(_) => Err(tonic::Status::deadline_exceeded("")),
    }
}

/// A query whose result is one small batch, which a fetch gives again and again nowhere: one for each call.
fn query(server: &Server) -> String {
    runtime().block_on(async {
        let sql = "SELECT value FROM generate_series(1, 1000)".to_owned();
        let prepare =
            pb::PrepareStatementRequest { query_string: sql, schema: "sales".into(), ..Default::default() };
        let prepared: pb::PrepareStatementResponse =
            unary(server, "", "prepareStatement", prepare).await.expect("it is prepared");
        let execute =
            pb::ExecuteStatementRequest { query_id: prepared.query_id.clone(), ..Default::default() };
        let _: pb::ExecuteStatementResponse =
            unary(server, "", "executeStatement", execute).await.expect("it is executed");
        prepared.query_id
    })
}

fn seen_by_tonic(server: &Server) -> Vec<Seen> {
    use prost::Message as _;
    let one = async |call: Call<'_>| {
        let answer = if call.method == "getSchemaNames" {
            let request = pb::GetSchemaNamesRequest::decode(&*call.request).expect("it is one");
            unary::<_, pb::GetSchemaNamesResponse>(server, call.rule, call.method, request)
                .await
                .map(|answer| answer.encoded_len())
        } else {
            let request = pb::GetNextResultBatchRequest::decode(&*call.request).expect("it is one");
            unary::<_, pb::GetNextResultBatchResponse>(server, call.rule, call.method, request)
                .await
                .map(|answer| answer.encoded_len())
        };
        match answer {
            Ok(bytes) => Seen { code: "OK".into(), text: String::new(), bytes },
            Err(status) => Seen { code: name(status.code()), text: status.message().to_owned(), bytes: 0 },
        }
    };
    each(server, |call| runtime().block_on(one(call)))
}

/// `NOT_FOUND`, as everybody else writes it.
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

/// Each call, with a query of its own where it fetches.
fn each(server: &Server, mut see: impl FnMut(Call<'_>) -> Seen) -> Vec<Seen> {
    let count = calls("").len();
    (0..count)
        .map(|at| {
            let query = if calls("")[at].method == "getSchemaNames" { String::new() } else { query(server) };
            see(calls(&query).swap_remove(at))
        })
        .collect()
}

fn seen_by_script(server: &Server, mut script: Running) -> Vec<Seen> {
    let mut lines = 0;
    let seen = each(server, |call| {
        let hex: String = call.request.iter().map(|byte| format!("{byte:02x}")).collect();
        script.write_line(&format!("{}\t{}\t{hex}", call.rule, call.method));
        lines += 1;
        let answers = script.wait_for("{\"code\"", lines, Duration::from_secs(60));
        serde_json::from_str(&answers[lines - 1]).expect("a line is an answer")
    });
    script.close_stdin();
    script.succeed(Duration::from_secs(30));
    seen
}

#[test]
fn the_table_of_effects_is_what_each_library_sees() {
    let server = teal().switch_every("0").with("--fault-header", "on").run();
    let deadline = DEADLINE.as_millis().to_string();
    let Some(script) = node("effects.mjs", &[&server.address.to_string(), &deadline]) else { return };
    let by_js = seen_by_script(&server, script);
    let by_python =
        python(Connector::V3_0_2).env("TEAL_TEST_DEADLINE", &deadline).start(&server, "effects.py", &[]);
    let by_python = seen_by_script(&server, by_python);
    let by_tonic = seen_by_tonic(&server);
    let mut table = "| effect | grpcio | grpc-js | tonic |\n| --- | --- | --- | --- |\n".to_owned();
    for (at, (rule, method)) in EFFECTS.iter().enumerate() {
        let plain = usize::from(*method != "getSchemaNames");
        let cells = [&by_python, &by_js, &by_tonic].map(|seen| seen[at + 2].cell(&seen[plain]));
        table += &format!("| `{rule}` | {} |\n", cells.join(" | "));
    }
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md"))
        .expect("there is a README");
    assert!(readme.contains(&table), "the README's table of effects is another than\n{table}");
}
