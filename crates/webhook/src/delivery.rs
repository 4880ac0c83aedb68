//! An event as a CloudEvent 1.0 in structured JSON.

use admin::Event;
use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use switch::Event as LoggedEvent;
use tokio::time::Instant;

/// The type of an event is its kind behind this.
const TYPE: &str = "teal.";

/// All that is encoded in a segment of a URI's path.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The instance or the switch that an event comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The name of this instance.
    pub instance: String,
    /// The prefix of the switch in etcd, if several instances share it.
    pub switch: Option<String>,
}

/// An event, encoded once for all receivers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Delivery {
    /// The same at each attempt, and of a transition at all instances: receivers know duplicates by it.
    pub(crate) id: String,
    pub(crate) kind: &'static str,
    pub(crate) body: Bytes,
    /// When it happened.
    pub(crate) at: Instant,
}

#[derive(Serialize)]
struct CloudEvent<'a> {
    specversion: &'static str,
    id: &'a str,
    source: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    time: &'a str,
    datacontenttype: &'static str,
    data: &'a Event,
}

impl Delivery {
    /// Encodes an event. `run` is of this run of the server alone.
    pub(crate) fn new(event: &LoggedEvent, run: &str, source: &Source, at: Instant) -> Self {
        let note = &event.note;
        let shared = source.switch.as_deref().zip(note.proposed_at);
        let (id, from) = match shared {
            Some((switch, proposed_at)) => (
                format!("epoch-{}-{proposed_at:x}", note.epoch),
                format!("/teal/switch/{}", utf8_percent_encode(switch, ENCODED)),
            ),
            None => {
                let id = format!("{run}-{}", event.id);
                (id, format!("/teal/instance/{}", utf8_percent_encode(&source.instance, ENCODED)))
            }
        };
        let data = Event::from(event);
        let about = data.details.get("instance").and_then(|instance| instance.as_str());
        let event = CloudEvent {
            specversion: "1.0",
            id: &id,
            source: from,
            kind: format!("{TYPE}{}", note.kind),
            subject: about.or(note.to.map(|strategy| strategy.as_str())),
            time: &data.time,
            datacontenttype: "application/json",
            data: &data,
        };
        let body = serde_json::to_vec(&event).expect("its keys are texts").into();
        Self { id, kind: note.kind, body, at }
    }

    /// The bytes that it takes in a queue.
    pub(crate) fn size(&self) -> usize {
        size_of::<Self>() + self.id.len() + self.body.len()
    }
}

#[cfg(test)]
mod tests {
    use protocol::Strategy::{Blue, Green};
    use serde_json::{Map, Value, json};
    use switch::{EventLog, NewEvent};

    use super::*;

    fn source(switch: Option<&str>) -> Source {
        Source { instance: "web 1/ö".to_owned(), switch: switch.map(str::to_owned) }
    }

    fn sent(log: &EventLog, run: &str, source: &Source) -> Vec<Value> {
        let deliveries = log.after(0, 10);
        let deliveries = deliveries.iter().map(|event| Delivery::new(event, run, source, Instant::now()));
        let values = deliveries.map(|delivery| {
            let value: Value = serde_json::from_slice(&delivery.body).unwrap();
            assert_eq!(value["id"], json!(delivery.id));
            value
        });
        values.collect()
    }

    fn cut_over(proposed_at: Option<u64>) -> NewEvent {
        let (from, to, message) = (Some(Blue), Some(Green), "it is \"cut\" over".to_owned());
        let details = Map::from_iter([("by".to_owned(), json!("operator"))]);
        NewEvent { kind: "cut_over", epoch: 7, from, to, message, proposed_at, details }
    }

    #[test]
    fn events_are_cloud_events() {
        let log = EventLog::default();
        log.note(cut_over(None));
        let event = log.after(0, 1)[0].clone();
        let sent = sent(&log, "18f", &source(None));
        let time = json!(Event::from(&*event).time);
        assert_eq!(
            sent[0],
            json!({
                "specversion": "1.0", "id": "18f-1",
                "source": "/teal/instance/web%201%2F%C3%B6", "type": "teal.cut_over", "subject": "green", "time": time,
                "datacontenttype": "application/json",
                "data": {
                    "id": 1, "time": time, "epoch": 7, "kind": "cut_over", "from": "blue", "to": "green",
                    "message": "it is \"cut\" over", "by": "operator",
                },
            })
        );
    }

    #[test]
    fn a_shared_transition_has_one_id_everywhere() {
        let log = EventLog::default();
        log.note(cut_over(Some(0x18f)));
        let details = Map::from_iter([("instance".to_owned(), json!("web-2"))]);
        log.note(NewEvent { kind: "instance_gone", details, ..NewEvent::default() });
        let shared = source(Some("teal/"));
        let [one, two] = ["18f", "190"].map(|run| sent(&log, run, &shared));
        for name in ["id", "source"] {
            assert_eq!(one[0][name], two[0][name]);
        }
        assert_eq!(
            (&one[0]["id"], &one[0]["source"]),
            (&json!("epoch-7-18f"), &json!("/teal/switch/teal%2F"))
        );
        // What each sees for itself is of each.
        assert_ne!(one[1]["id"], two[1]["id"]);
        assert_eq!(
            (&one[1]["source"], &one[1]["subject"]),
            (&json!("/teal/instance/web%201%2F%C3%B6"), &json!("web-2"))
        );
    }
}
