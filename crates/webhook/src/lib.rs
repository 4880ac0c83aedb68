//! Events leave the house: each event of the log is posted to the URLs of others as a CloudEvent 1.0, signed as Standard
//! Webhooks says, in order, and tried for an hour. A thread of its own sends; without a URL there is none.
//!
//! Each receiver has a queue, which is limited in events and bytes. If an event cannot be sent in time, or does not fit, it is
//! dropped and counted.
//!
//! ```
//! # extern crate proxy as teal_proxy;
//! # extern crate switch as teal_switch;
//! use teal_proxy::telemetry::Metrics;
//! use teal_switch::EventLog;
//! use teal_webhook::{Settings, Source, Target, Webhooks};
//!
//! # fn example(event_log: EventLog, source: Source) -> Result<(), Box<dyn std::error::Error>> {
//! let target: Target = "https://events.example/teal?key=secret".parse()?;
//! let settings = Settings { targets: vec![target], kinds: Vec::new(), secrets: None, tls: Some(teal_webhook::trust()?), source };
//! let webhooks = Webhooks::start(event_log, Metrics::default(), settings)?;
//! # Ok(())
//! # }
//! ```

mod connection;
mod delivery;
mod hub;
mod limits;
mod queue;
mod secret;
mod sender;
mod tally;
mod target;
mod verdict;

#[cfg(test)]
mod tests;

pub use self::{
    connection::trust,
    delivery::Source,
    hub::{Settings, Webhooks},
    limits::MOST,
    secret::{BadSecret, Secrets},
    target::{BadTarget, Target, redacted},
};
