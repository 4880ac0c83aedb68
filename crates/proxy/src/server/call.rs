//! One call on a connection: its answer is awaited and sent, unless the client gives it up.

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
    BoxError, Trouble,
    body::{SendBody, reason},
    given_up::GivenUp,
    oversized,
};

pin_project! {
    /// A task of its own, so it is written by hand: it stays as small as the larger of its phases.
    pub(super) struct Call<F, B> {
        respond: SendResponse,
        trouble: UnboundedSender<Trouble>,
        account: Option<StreamAccount>,
        #[pin]
        phase: Phase<F, B>,
    }
}

pin_project! {
    #[project = PhaseProj]
    enum Phase<F, B> {
        /// The answer is awaited.
        Waiting { #[pin] answered: F },
        /// The head has left.
        Sending { body: SendBody<B> },
        /// The connection is about to end: that says it all.
        Cut,
        /// Nothing is left of it.
        Over,
    }
}

impl<F, B> Call<F, B> {
    pub(super) fn new(answered: F, mut respond: SendResponse, trouble: UnboundedSender<Trouble>) -> Self {
        let account = respond.take_account();
        Self { respond, trouble, account, phase: Phase::Waiting { answered } }
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
                        // What is read from an engine for this call is charged to its client.
                        let answered = StreamAccount::scope(this.account, || answered.poll(cx));
                        let answered = ready!(answered).map_err(Into::into);
                        this.phase.set(answer(answered, this.respond, this.trouble));
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
            // What stands behind the call learns by being dropped that it was given up.
            let code = GivenUp::default();
            if let Some(reset) = given_up {
                code.with(reset);
            }
            this.phase.set(Phase::Over);
        }
    }
}

/// Sends the head of an answer, or what is sent in place of one. What is to follow.
fn answer<F, B>(
    answered: Result<Response<B>, BoxError>,
    respond: &mut SendResponse,
    trouble: &UnboundedSender<Trouble>,
) -> Phase<F, B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    let (head, body) = match answered {
        Ok(response) => response.into_parts(),
        Err(error) => {
            // Nobody hears of it where the connection is gone: then it is no matter.
            if let Some(sent @ (Trouble::GoAway(_) | Trouble::Disconnect)) = Trouble::of(&*error) {
                _ = trouble.send(sent);
                return Phase::Cut;
            }
            respond.send_reset(reason(&*error));
            return Phase::Over;
        }
    };
    if let Some(sent) = head.extensions.get::<Trouble>() {
        _ = trouble.send(*sent);
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
