//! One call on a connection: awaits its response and sends it, unless the client cancels.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::Response;
use http_body::Body;
use http2::{Reason, StreamAccount, server::SendResponse};
use pin_project_lite::pin_project;
use tokio::sync::mpsc::UnboundedSender;
use tracing::debug;

use super::{
    BoxError, InjectedFault,
    body::{SendBody, reason},
    given_up::GivenUp,
    oversized,
};

pin_project! {
    /// Written by hand rather than as an async block: each call is a task, and this stays as small as the larger of
    /// its phases.
    pub(super) struct Call<F, B> {
        respond: SendResponse,
        injected_fault: UnboundedSender<InjectedFault>,
        account: Option<StreamAccount>,
        #[pin]
        phase: Phase<F, B>,
    }
}

pin_project! {
    #[project = PhaseProj]
    enum Phase<F, B> {
        /// Waiting for the response.
        Waiting { #[pin] answered: F },
        /// The head was sent.
        Sending { body: SendBody<B> },
        /// The connection is about to end; nothing else needs to be sent.
        Cut,
        /// The call is over.
        Over,
    }
}

impl<F, B> Call<F, B> {
    pub(super) fn new(
        answered: F,
        mut respond: SendResponse,
        injected_fault: UnboundedSender<InjectedFault>,
    ) -> Self {
        let account = respond.take_account();
        Self { respond, injected_fault, account, phase: Phase::Waiting { answered } }
    }
}

impl<F, B, E> Future for Call<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        loop {
            let given_up = match this.phase.as_mut().project() {
                PhaseProj::Waiting { answered } => match this.respond.poll_reset(cx) {
                    Poll::Ready(code) => Some(code.unwrap_or(Reason::CANCEL)),
                    Poll::Pending => {
                        // Data read from an engine for this call is charged to its client.
                        let answered = StreamAccount::scope(this.account, || answered.poll(cx));
                        let answered = ready!(answered).map_err(Into::into);
                        this.phase.set(answer(answered, this.respond, this.injected_fault));
                        continue;
                    }
                },
                PhaseProj::Sending { body } => ready!(body.poll(cx)),
                PhaseProj::Cut => {
                    _ = ready!(this.respond.poll_reset(cx));
                    return Poll::Ready(());
                }
                PhaseProj::Over => return Poll::Ready(()),
            };
            // The inner service learns of the cancellation by being dropped.
            let code = GivenUp::default();
            if let Some(reset) = given_up {
                code.with(reset);
            }
            this.phase.set(Phase::Over);
        }
    }
}

/// Sends the head of a response, or its replacement. Returns the next phase.
fn answer<F, B>(
    answered: Result<Response<B>, BoxError>,
    respond: &mut SendResponse,
    injected_fault: &UnboundedSender<InjectedFault>,
) -> Phase<F, B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    let (head, body) = match answered {
        Ok(response) => response.into_parts(),
        Err(error) => {
            // A failed send means that the connection is gone, which is fine.
            if let Some(sent @ (InjectedFault::GoAway(_) | InjectedFault::Disconnect)) =
                InjectedFault::of(&*error)
            {
                _ = injected_fault.send(sent);
                return Phase::Cut;
            }
            respond.send_reset(reason(&*error));
            return Phase::Over;
        }
    };
    if let Some(sent) = head.extensions.get::<InjectedFault>() {
        _ = injected_fault.send(*sent);
    }
    let is_end = body.is_end_stream();
    let head = Response::from_parts(head, ());
    let error = match respond.send_response(&head, is_end) {
        Ok(_) if is_end => return Phase::Over,
        Ok(stream) => return Phase::Sending { body: SendBody::new(body, stream) },
        Err(error) => error,
    };
    debug!("an answer could not be sent: {error}");
    let instead = error.oversized_header_list();
    let instead = instead.map(|(size, most)| oversized::head(head.headers(), size, most));
    if instead.is_none_or(|instead| respond.send_response(&instead, true).is_err()) {
        respond.send_reset(Reason::INTERNAL_ERROR);
    }
    Phase::Over
}
