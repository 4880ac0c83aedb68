//! One member: its connection, which is made when it is first needed, and whether it is left aside.

use std::{fmt, time::Duration};

use http::{Request, Response};
use parking_lot::Mutex;
use tokio::time::Instant;
use tonic::{body::Body, transport::Endpoint};
use tower::{BoxError, ServiceExt, util::BoxCloneSyncService};

/// The transport to a member: a connection, or a function of a simulated one.
pub(crate) type Transport = BoxCloneSyncService<Request<Body>, Response<Body>, Undelivered>;

/// Why a transport has no answer. tonic finds in its sources what it knows.
#[derive(Debug, thiserror::Error)]
#[error("no answer")]
pub(crate) struct Undelivered(#[source] pub(crate) BoxError);

/// How long a connection may take, with TLS.
pub(crate) const CONNECT: Duration = Duration::from_secs(1);
/// How many bytes a stream and a connection may have under way to this client.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;

/// A member of etcd.
pub(crate) struct Member {
    /// Its URL.
    pub(crate) name: String,
    dial: Dial,
    state: Mutex<State>,
}

/// How a transport is made.
pub(crate) enum Dial {
    Network(Box<Endpoint>),
    InProcess(Transport),
}

#[derive(Default)]
struct State {
    transport: Option<Transport>,
    /// How many transports were made before.
    serial: u64,
    aside: Option<Instant>,
    has_answered: bool,
}

impl Member {
    pub(crate) fn new(name: String, dial: Dial) -> Self {
        Self { name, dial, state: Mutex::default() }
    }

    /// The connection; it is made by the first request that is sent on it.
    pub(crate) fn transport(&self) -> Transport {
        self.state.lock().transport.get_or_insert_with(|| self.dial.make()).clone()
    }

    /// How many connections it had before this one.
    pub(crate) fn serial(&self) -> u64 {
        self.state.lock().serial
    }

    /// Leaves the member aside for this time. If it broke off or was silent on connection `dead`, the next request gets a
    /// new one: a connection may be dead without a word.
    pub(crate) fn set_aside(&self, within: Duration, dead: Option<u64>) {
        let mut state = self.state.lock();
        state.aside = Some(Instant::now() + within);
        if dead == Some(state.serial) {
            state.transport = None;
            state.serial += 1;
        }
    }

    /// It has answered as etcd does.
    pub(crate) fn answered(&self) {
        let mut state = self.state.lock();
        state.aside = None;
        state.has_answered = true;
    }

    /// Whether it has ever answered as etcd does.
    pub(crate) fn has_answered(&self) -> bool {
        self.state.lock().has_answered
    }

    /// Until when it is left aside, if that is to come.
    pub(crate) fn aside(&self) -> Option<Instant> {
        self.state.lock().aside.filter(|until| *until > Instant::now())
    }
}

impl Dial {
    /// Over the network, with the limits of this client.
    pub(crate) fn network(endpoint: Endpoint) -> Self {
        let endpoint = endpoint
            .connect_timeout(CONNECT)
            .tcp_nodelay(true)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW);
        Self::Network(Box::new(endpoint))
    }

    fn make(&self) -> Transport {
        match self {
            Self::Network(endpoint) => {
                BoxCloneSyncService::new(endpoint.connect_lazy().map_err(|error| Undelivered(error.into())))
            }
            Self::InProcess(transport) => transport.clone(),
        }
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member").field("name", &self.name).finish_non_exhaustive()
    }
}
