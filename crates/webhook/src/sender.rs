//! Sends the events of one receiver, one after the other, each until it is settled.

use std::sync::Arc;

use chrono::Utc;
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CONTENT_TYPE, HOST, USER_AGENT},
};
use proxy::telemetry::DropReason;
use rustls::ClientConfig;
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

use crate::{
    connection::{Answer, Connector},
    delivery::Delivery,
    hub::Receiver,
    limits::Limits,
    secret::Secrets,
    verdict::{Verdict, told},
};

const CLOUD_EVENT: &str = "application/cloudevents+json";
const AGENT: &str = concat!("teal/", env!("CARGO_PKG_VERSION"));

/// Secrets and trust for all receivers. A reload changes them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Means {
    pub(crate) secrets: Option<Secrets>,
    pub(crate) tls: Option<Arc<ClientConfig>>,
}

/// Sends to one receiver.
#[derive(Debug)]
pub(crate) struct Sender {
    receiver: Arc<Receiver>,
    means: watch::Receiver<Means>,
    connector: Connector,
    limits: Limits,
}

impl Sender {
    pub(crate) fn new(receiver: Arc<Receiver>, means: watch::Receiver<Means>, limits: Limits) -> Self {
        let connector = Connector::new(receiver.target.clone(), limits);
        Self { receiver, means, connector, limits }
    }

    /// Sends until the queue is closed and empty.
    pub(crate) async fn run(mut self) {
        let receiver = self.receiver.clone();
        loop {
            let next = match timeout(self.limits.idles, receiver.queue.next()).await {
                Ok(next) => next,
                Err(_) => {
                    self.connector.close();
                    receiver.queue.next().await
                }
            };
            let Some(delivery) = next else { return };
            self.settle(&delivery).await;
        }
    }

    /// Tries an event until the receiver has it, or it is dropped.
    async fn settle(&mut self, delivery: &Delivery) {
        let receiver = self.receiver.clone();
        let expires = delivery.at + self.limits.keeps_trying;
        let (mut failed, mut is_ending) = (0, receiver.ending.is_cancelled());
        loop {
            if Instant::now() >= expires {
                let why = format!("one was tried for {} s", self.limits.keeps_trying.as_secs());
                return receiver.tally.dropped(1, DropReason::Expired, &why);
            }
            let (why, wish) = match self.attempt(delivery).await {
                Err(why) => (why, None),
                Ok(Answer { status, wish }) => match Verdict::of(status) {
                    Verdict::Sent => return receiver.tally.sent(receiver.queue.is_empty()),
                    Verdict::Refused => return receiver.tally.dropped(1, DropReason::Refused, &told(status)),
                    Verdict::Gone => return receiver.give_up(),
                    Verdict::Again => (told(status), wish),
                },
            };
            receiver.tally.failed(&why);
            failed += 1;
            let delay = self.limits.delay(failed, wish, rand::random());
            tokio::select! {
                () = sleep(delay.min(expires.saturating_duration_since(Instant::now()))) => {}
                () = receiver.ending.cancelled(), if !is_ending => (failed, is_ending) = (0, true),
            }
        }
    }

    async fn attempt(&mut self, delivery: &Delivery) -> Result<Answer, String> {
        let Means { secrets, tls } = self.means.borrow().clone();
        let timestamp = Utc::now().timestamp();
        let signature = secrets.map(|secrets| secrets.sign(&delivery.id, timestamp, &delivery.body));
        let values = [
            (HOST, Some(self.receiver.target.authority().to_owned())),
            (USER_AGENT, Some(AGENT.to_owned())),
            (CONTENT_TYPE, Some(CLOUD_EVENT.to_owned())),
            (HeaderName::from_static("webhook-id"), Some(delivery.id.clone())),
            (HeaderName::from_static("webhook-timestamp"), Some(timestamp.to_string())),
            (HeaderName::from_static("webhook-signature"), signature),
        ];
        let mut headers = HeaderMap::new();
        for (name, value) in values.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            headers
                .insert(name, HeaderValue::try_from(value).map_err(|_| "a header is malformed".to_owned())?);
        }
        self.connector.post(headers, delivery.body.clone(), tls.as_ref()).await
    }
}
