//! Events and the event stream: nothing is missed and nothing comes twice.

use futures::StreamExt;
use switch::{Cutover, NewEvent};

use super::*;

/// A reader of the stream.
pub(super) struct Reader {
    body: axum::body::BodyDataStream,
    text: String,
}

/// A server-sent event, parsed.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) kind: String,
    pub(super) id: Option<String>,
    pub(super) data: Value,
}

impl Reader {
    pub(super) async fn open(bench: &Bench, path: &str, last: Option<&str>) -> Self {
        let mut request = get(path);
        if let Some(last) = last {
            request.headers_mut().insert("last-event-id", last.parse().unwrap());
        }
        let response = bench.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body().into_data_stream(), text: String::new() }
    }

    /// The lines of the next event, which may be no more than an id.
    pub(super) async fn lines(&mut self) -> Option<String> {
        while !self.text.contains("\n\n") {
            self.text += std::str::from_utf8(&self.body.next().await?.unwrap()).unwrap();
        }
        let (event, rest) = self.text.split_once("\n\n").unwrap();
        let event = event.to_owned();
        self.text = rest.to_owned();
        Some(event)
    }

    /// The next event with data.
    pub(super) async fn next(&mut self) -> Option<Sent> {
        loop {
            let event = self.lines().await?;
            let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
            if let Some(data) = field("data: ") {
                return Some(Sent {
                    kind: field("event: ").unwrap().to_owned(),
                    id: field("id: ").map(str::to_owned),
                    data: serde_json::from_str(data).unwrap(),
                });
            }
        }
    }

    /// Reads `number` events, skipping `state`.
    async fn events(&mut self, number: usize) -> Vec<Sent> {
        let mut events = Vec::new();
        while events.len() < number {
            events.extend(self.next().await.filter(|sent| sent.kind != "state"));
        }
        events
    }
}

fn ids(events: &[Sent]) -> Vec<u64> {
    events.iter().map(|sent| sent.data["id"].as_u64().unwrap()).collect()
}

fn note(bench: &Bench, number: u64) {
    for _ in 0..number {
        bench.switch.event_log().note(NewEvent {
            kind: "test",
            message: "a test".to_owned(),
            ..NewEvent::default()
        });
    }
}

#[tokio::test]
async fn events_tell_what_happened_in_order() {
    let bench = Bench::new(still());
    for (verb, body) in [("switch", "{}"), ("switch", "{}"), ("cutover", "{}")] {
        bench.post(&format!("/api/v1/{verb}"), body).await;
    }
    let (status, answer) = bench.get("/api/v1/events").await;
    assert_eq!((status, &answer["next"]), (StatusCode::OK, &json!(4)));
    let summary = |number: usize| {
        let event = &answer["events"][number];
        assert!(event["time"].as_str().unwrap().ends_with('Z'), "{event}");
        (event["kind"].clone(), event["epoch"].clone(), event["from"].clone(), event["to"].clone())
    };
    assert_eq!(summary(0), (json!("announced"), json!(1), json!("blue"), json!("green")));
    assert_eq!(summary(1), (json!("refused"), json!(1), json!(null), json!(null)));
    assert_eq!(summary(2), (json!("cut_over"), json!(2), json!("blue"), json!("green")));
    assert_eq!(answer["events"][0]["by"], json!("operator"));
    assert_eq!(answer["events"][0]["message"], json!("Strategy change pending: blue -> green"));
    assert_eq!(answer["events"][1]["command"], json!("switch"));
    assert_eq!(bench.get("/api/v1/events?after=3").await.1, json!({"events": [], "next": 4}));
}

#[tokio::test(start_paused = true)]
async fn simultaneous_steps_have_an_epoch_each() {
    let second = std::time::Duration::from_secs(1);
    let bench = Bench::new(Rules { announce_timeout: Some(second), grace: second, ..still() });
    bench.post("/api/v1/switch", "{}").await;
    tokio::time::advance(10 * second).await;
    let (_, answer) = bench.get("/api/v1/state").await;
    assert_eq!(
        (&answer["phase"], &answer["active"], &answer["epoch"]),
        (&json!("STABLE"), &json!("green"), &json!(3))
    );
    let (_, answer) = bench.get("/api/v1/events").await;
    let summary = answer["events"].as_array().unwrap().iter();
    let summary: Vec<_> =
        summary.map(|event| [&event["kind"], &event["epoch"], &event["by"], &event["phase"]]).collect();
    assert_eq!(
        summary,
        [
            [&json!("announced"), &json!(1), &json!("operator"), &json!("ANNOUNCED")],
            [&json!("cut_over"), &json!(2), &json!("teal"), &json!("DRAINING")],
            [&json!("drained"), &json!(3), &json!("teal"), &json!("STABLE")],
        ]
    );
}

#[tokio::test]
async fn transitions_name_the_phase_they_entered() {
    for cutover in [Cutover::Drain, Cutover::Strict] {
        for verbs in [&["switch", "cutover"][..], &["switch", "abort"], &["switch", "cutover", "rollback"]] {
            let bench = Bench::new(Rules { cutover, ..still() });
            for verb in verbs {
                bench.post(&format!("/api/v1/{verb}"), "{}").await;
                let (_, answer) = bench.get("/api/v1/events").await;
                let events = answer["events"].as_array().unwrap();
                // A strict switch can't be rolled back.
                let last = events.iter().rfind(|event| event["kind"] != "refused").unwrap();
                assert_eq!(
                    last["phase"],
                    bench.get("/api/v1/state").await.1["phase"],
                    "{cutover:?} {verbs:?}"
                );
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn streams_begin_with_state_and_continue_with_events() {
    let bench = Bench::new(still());
    note(&bench, 3);
    let mut reader = Reader::open(&bench, "/api/v1/events/stream", None).await;
    let first = reader.next().await.unwrap();
    assert_eq!((first.kind.as_str(), &first.data["phase"], first.id), ("state", &json!("STABLE"), None));
    // The next message is an event, not the same state again.
    bench.post("/api/v1/switch", "{}").await;
    let event = reader.next().await.unwrap();
    assert_eq!((event.kind.as_str(), &event.data["id"]), ("announced", &json!(4)));
    let state = reader.next().await.unwrap();
    assert_eq!((state.kind.as_str(), &state.data["phase"]), ("state", &json!("ANNOUNCED")));
    // A second without events brings the state.
    assert_eq!(reader.next().await.unwrap().kind, "state");
}

#[tokio::test(start_paused = true)]
async fn a_reader_goes_on_where_it_left_off() {
    let bench = Bench::new(still());
    note(&bench, 3);
    let path = "/api/v1/events/stream";
    let seen = Reader::open(&bench, &format!("{path}?after=1"), None).await.events(2).await;
    assert_eq!(ids(&seen), [2, 3]);
    note(&bench, 2);
    let last = seen[1].id.clone().unwrap();
    assert_eq!(ids(&Reader::open(&bench, path, Some(&last)).await.events(2).await), [4, 5]);
    assert_eq!(ids(&Reader::open(&bench, path, Some("4")).await.events(1).await), [5]);
    // `Last-Event-ID` wins over `after` in the page's first address.
    let again = Reader::open(&bench, &format!("{path}?after=1"), Some(&last)).await.events(2).await;
    assert_eq!(ids(&again), [4, 5]);
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_all_events_are_new() {
    let bench = Bench::new(still());
    note(&bench, 3);
    for last in ["0-2", "1a2b3c-2", "4", "999", "-", "nonsense"] {
        let mut reader = Reader::open(&bench, "/api/v1/events/stream", Some(last)).await;
        assert_eq!(ids(&reader.events(3).await), [1, 2, 3], "{last}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_history_comes_whole() {
    let bench = Bench::new(still());
    note(&bench, 1000);
    let mut reader = Reader::open(&bench, "/api/v1/events/stream?after=0", None).await;
    assert_eq!(ids(&reader.events(1000).await), Vec::from_iter(1..=1000));
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_with_the_server() {
    let bench = Bench::new(still());
    let mut reader = Reader::open(&bench, "/api/v1/events/stream", None).await;
    assert!(reader.next().await.is_some());
    bench.shared.end.cancel();
    while reader.next().await.is_some() {}
}
