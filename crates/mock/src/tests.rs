//! The whole service over the built-in tables, called as a connection calls it.

use std::time::Duration;

use http_body_util::{BodyExt, Full};
use prost::Message;
use protocol::pb;
use tonic::Code;
use tower::ServiceExt;

use super::*;

/// The engine and one session.
struct Client {
    service: MockService,
    session: String,
}

const TTL: Duration = Duration::from_secs(3600);
const ENDLESS: &str = "SELECT a.value FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b";

fn mock(sessions: Sessions, max_queries: usize) -> Mock {
    let engine = sql::Options {
        data: None,
        unknown_tables: sql::UnknownTables::Error,
        memory_limit: 1 << 30,
        batch_rows: 8192,
    };
    let options = Options {
        query_ttl: TTL,
        max_queries,
        sessions,
        engine_ip: "127.0.0.1".to_owned(),
        tokens: TokenOptions::default(),
    };
    Mock::new(options, sql::Engine::open(engine).unwrap(), Handle::current())
}

/// Sends a call as it comes off the network; returns the code, the error message and the response.
async fn raw(
    service: &MockService,
    path: &str,
    body: Bytes,
    bearer: Option<&str>,
) -> Result<Bytes, (Code, String)> {
    let mut request = http::Request::post(path).header("content-type", "application/grpc");
    if let Some(token) = bearer {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let response = service.clone().oneshot(request.body(Full::new(body)).unwrap()).await.unwrap();
    let head = response.headers().clone();
    let body = response.into_body().collect().await.unwrap();
    let trailers = body.trailers().cloned().unwrap_or_default();
    let status = tonic::Status::from_header_map(&head).or(tonic::Status::from_header_map(&trailers)).unwrap();
    match status.code() {
        Code::Ok => Ok(body.to_bytes().slice(5..)),
        code => Err((code, status.message().to_owned())),
    }
}

fn framed(message: &impl Message) -> Bytes {
    let body = message.encode_to_vec();
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[0][..], &length, &body].concat().into()
}

async fn call<A: Message + Default>(
    service: &MockService,
    method: &str,
    message: &impl Message,
) -> Result<A, (Code, String)> {
    let path = format!("/QueryEngineService/{method}");
    Ok(A::decode(raw(service, &path, framed(message), None).await?).unwrap())
}

impl Client {
    async fn new(sessions: Sessions, max_queries: usize) -> Self {
        let service = mock(sessions, max_queries).service();
        let login = pb::AuthenticateRequest { user: "u".into(), password: "p".into(), ..Default::default() };
        let answer: pb::AuthenticateResponse = call(&service, "authenticate", &login).await.unwrap();
        assert_eq!(answer.engine_ip.as_deref(), Some("127.0.0.1"));
        Self { service, session: answer.session_id }
    }

    async fn call<A: Message + Default>(
        &self,
        method: &str,
        message: &impl Message,
    ) -> Result<A, (Code, String)> {
        call(&self.service, method, message).await
    }

    async fn prepare(&self, sql: &str) -> Result<String, (Code, String)> {
        let request = pb::PrepareStatementRequest {
            session_id: self.session.clone(),
            schema: "sales".into(),
            query_string: sql.into(),
            ..Default::default()
        };
        let answer: pb::PrepareStatementResponse = self.call("prepareStatement", &request).await?;
        assert_eq!((answer.session_id, answer.new_strategy), (self.session.clone(), None));
        Ok(answer.query_id)
    }

    async fn execute(&self, query: &str) -> Result<pb::ExecuteStatementResponse, (Code, String)> {
        let request = pb::ExecuteStatementRequest {
            session_id: self.session.clone(),
            query_id: query.into(),
            ..Default::default()
        };
        self.call("executeStatement", &request).await
    }

    async fn start(&self, sql: &str) -> String {
        let query = self.prepare(sql).await.unwrap();
        self.execute(&query).await.unwrap();
        query
    }

    async fn batch(&self, query: &str, session: &str) -> Result<Vec<u8>, (Code, String)> {
        let request = pb::GetNextResultBatchRequest {
            session_id: session.into(),
            query_id: query.into(),
            ..Default::default()
        };
        let answer: pb::GetNextResultBatchResponse = self.call("getNextResultBatch", &request).await?;
        Ok(answer.result_batch)
    }

    async fn clear(&self, query: &str) {
        let request = pb::ClearRequest { query_id: query.into(), ..Default::default() };
        let _: pb::ClearResponse = self.call("clear", &request).await.unwrap();
    }

    async fn schemas(&self, session: &str) -> Result<Vec<String>, (Code, String)> {
        let request = pb::GetSchemaNamesRequest { session_id: session.into() };
        let answer: pb::GetSchemaNamesResponse = self.call("getSchemaNames", &request).await?;
        Ok(answer.schemas)
    }
}

fn denied<T>() -> Result<T, (Code, String)> {
    Err((Code::Internal, "Access denied".to_owned()))
}

#[tokio::test]
async fn unknown_methods_are_unimplemented() {
    let client = Client::new(Sessions::Known, 100).await;
    for path in ["/QueryEngineService/nonsense", "/ClusterService/nonsense", "/nonsense/at/all", "/"] {
        let answer = raw(&client.service, path, Bytes::new(), None).await;
        assert_eq!(answer.unwrap_err().0, Code::Unimplemented, "{path}");
    }
}

#[tokio::test]
async fn the_session_is_judged_before_the_query() {
    let client = Client::new(Sessions::Known, 100).await;
    assert_eq!(client.batch("q", "nobody").await, denied());
    let unknown = client.batch("q", &client.session).await.unwrap_err();
    assert_eq!(unknown, (Code::NotFound, "query 'q' not found".to_owned()));
    let query = client.start("SELECT 1").await;
    assert!(!client.batch(&query, "nobody").await.unwrap().is_empty());
    assert!(client.batch(&query, "").await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn idle_sessions_and_queries_expire() {
    let client = Client::new(Sessions::Known, 100).await;
    let (kept, silent) =
        (client.prepare("SELECT 1").await.unwrap(), client.prepare("SELECT 2").await.unwrap());
    for _ in 0..3 {
        tokio::time::sleep(TTL / 2).await;
        // A session of another engine: the call uses the query and the query's own session.
        let missing = client.batch(&kept, "nobody").await.unwrap_err();
        assert_eq!(missing.0, Code::FailedPrecondition, "{}", missing.1);
    }
    assert_eq!(client.batch(&silent, "nobody").await, denied());
    assert!(client.schemas(&client.session).await.is_ok());
    tokio::time::sleep(TTL * 2).await;
    assert_eq!(client.schemas(&client.session).await, denied());
    assert_eq!(client.batch(&kept, "nobody").await, denied());
}

#[tokio::test]
async fn the_longest_unused_query_makes_room() {
    let client = Client::new(Sessions::Known, 2).await;
    let first = client.start(ENDLESS).await;
    let second = client.start("SELECT 2").await;
    client.batch(&first, "").await.unwrap();
    client.prepare("SELECT 3").await.unwrap();
    assert!(client.batch(&first, "").await.is_ok());
    assert_eq!(client.batch(&second, &client.session).await.unwrap_err().0, Code::NotFound);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clearing_a_query_ends_its_waiting_fetch() {
    let client = Client::new(Sessions::Known, 100).await;
    let query = client.start(&format!("{ENDLESS} WHERE a.value + b.value < 0")).await;
    let mut waiting = std::pin::pin!(client.batch(&query, ""));
    assert!(futures::poll!(&mut waiting).is_pending());
    client.clear(&query).await;
    assert_eq!(waiting.await.unwrap_err().0, Code::Cancelled);
    assert_eq!(client.batch(&query, "").await, denied());
}

#[tokio::test]
async fn executing_again_starts_from_the_beginning() {
    let client = Client::new(Sessions::Known, 100).await;
    let query = client.prepare("SELECT 1").await.unwrap();
    assert_eq!(client.batch(&query, "").await.unwrap_err().0, Code::FailedPrecondition);
    for _ in 0..2 {
        client.execute(&query).await.unwrap();
        assert!(!client.batch(&query, "").await.unwrap().is_empty());
        assert!(client.batch(&query, "").await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn dropping_the_context_ends_session_and_queries() {
    let client = Client::new(Sessions::Known, 100).await;
    let query = client.start(ENDLESS).await;
    let request = pb::DropUserContextRequest { session_id: client.session.clone(), ..Default::default() };
    let _: pb::DropUserContextResponse = client.call("dropUserContext", &request).await.unwrap();
    assert_eq!(client.schemas(&client.session).await, denied());
    assert_eq!(client.batch(&query, "").await, denied());
    assert_eq!(client.call::<pb::DropUserContextResponse>("dropUserContext", &request).await, denied());
}

#[tokio::test]
async fn twins_share_sessions_only_if_configured() {
    for (sessions, expected) in [(Sessions::Known, false), (Sessions::Any, true)] {
        let client = Client::new(sessions, 100).await;
        assert_eq!(client.schemas("a9e0cd7e-40b6-4c86-9a26-7b4a94a3f8a7").await.is_ok(), expected);
        assert_eq!(client.schemas("").await, denied());
        let request = framed(&pb::GetSchemaNamesRequest::default());
        assert!(raw(&client.service, "/QueryEngineService/getSchemaNames", request, Some("t")).await.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn suspended_clusters_start_nothing_but_finish_the_rest() {
    let client = Client::new(Sessions::Known, 100).await;
    let query = client.start("SELECT 1").await;
    let cluster = async |method: &str| {
        let body = framed(&pb::SuspendRequest::default());
        let answer = raw(&client.service, &format!("/ClusterService/{method}"), body, None).await.unwrap();
        pb::SuspendResponse::decode(answer).unwrap().status
    };
    assert_eq!(cluster("status").await, "active");
    assert_eq!(cluster("suspend").await, "suspended");
    let suspended = (Code::Unavailable, "status: 503, cluster is suspended".to_owned());
    assert_eq!(client.prepare("SELECT 1").await.unwrap_err(), suspended);
    assert_eq!(client.execute(&query).await.unwrap_err(), suspended);
    assert!(!client.batch(&query, "").await.unwrap().is_empty());
    client.clear(&query).await;
    assert_eq!(cluster("resume").await, "resuming");
    assert_eq!(client.prepare("SELECT 1").await.unwrap_err(), suspended);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(cluster("status").await, "active");
    assert!(client.prepare("SELECT 1").await.is_ok());
}

#[tokio::test]
async fn a_session_sets_where_names_are_looked_up() {
    let client = Client::new(Sessions::Known, 100).await;
    let set =
        |props: &str| pb::SetPropsRequest { session_id: client.session.clone(), props: props.to_owned() };
    let _: pb::SetPropsResponse =
        client.call("setProps", &set("catalog=analytics; batch_rows=2")).await.unwrap();
    assert_eq!(client.schemas(&client.session).await.unwrap(), ["dashboards", "metrics", "reports"]);
    let error = client.call::<pb::SetPropsResponse>("setProps", &set("colour=red")).await.unwrap_err();
    assert!(error.0 == Code::InvalidArgument && error.1.contains("batch_rows, catalog, schema"), "{error:?}");
    let query = client.start("SELECT value FROM generate_series(1, 5)").await;
    let mut chunks = 0;
    while !client.batch(&query, "").await.unwrap().is_empty() {
        chunks += 1;
    }
    assert_eq!(chunks, 3);
}
