//! The tower service that answers.

use std::{
    borrow::Cow,
    collections::HashMap,
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use grpc::{Coding, PREFIX_LEN, Prefix, header::is_protobuf};
use http::{Request, Response, request};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use protocol::{Edit, MessageRoles, Role};
use tonic::body::Body;
use tower::{Service, ServiceExt, util::BoxCloneSyncService};
use uuid::Uuid;

use crate::{Shared, answers::Answer, request::Asked, response};

/// The most bytes in a request.
const LARGEST: usize = 16 << 20;

/// The most recorded queries that are tried in place of another.
const MOST_TRIED: usize = 64;

/// gRPC's codes for requests that cannot be read.
const RESOURCE_EXHAUSTED: u32 = 8;
const INTERNAL: u32 = 13;

/// Answers what is not recorded.
pub type Fallback = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

/// Answers calls from a recording.
#[derive(Clone, Debug)]
pub struct ReplayService {
    shared: Arc<Shared>,
    fallback: Option<Fallback>,
}

/// Why a call has no recorded answer.
struct Missing(String);

impl ReplayService {
    pub(crate) fn new(shared: Arc<Shared>, fallback: Option<Fallback>) -> Self {
        Self { shared, fallback }
    }
}

impl<B> Service<Request<B>> for ReplayService
where
    B: http_body::Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (shared, fallback) = (self.shared.clone(), self.fallback.clone());
        async move {
            if !is_protobuf(request.headers()) {
                return match fallback {
                    Some(fallback) => fallback.oneshot(request.map(Body::new)).await,
                    None => Ok(response::foreign()),
                };
            }
            let (head, body) = request.into_parts();
            let body = match Limited::new(body, LARGEST).collect().await {
                Ok(body) => body.to_bytes(),
                Err(error) if error.is::<LengthLimitError>() => {
                    return Ok(response::refused(
                        RESOURCE_EXHAUSTED,
                        "the request is too large to be replayed",
                    ));
                }
                Err(error) => return Ok(response::refused(INTERNAL, &error.to_string())),
            };
            let Some(messages) = messages(&body, Coding::of(&head.headers)) else {
                return Ok(response::refused(INTERNAL, "the request has no messages of gRPC"));
            };
            match (shared.answer(&head, &messages).await, fallback) {
                (Ok(answer), _) => Ok(answer),
                (Err(_), Some(fallback)) => {
                    fallback.oneshot(Request::from_parts(head, Body::new(Full::new(body)))).await
                }
                (Err(Missing(why)), None) => Ok(response::not_found(&why)),
            }
        }
        .boxed()
    }
}

impl Shared {
    async fn answer(&self, head: &request::Parts, messages: &[Bytes]) -> Result<Response<Body>, Missing> {
        let path = head.uri.path();
        let roles = self.roles.method(path);
        let messages = messages.iter().map(|message| &message[..]);
        let asked = Asked::read(roles.map(|roles| &roles.request), messages);
        let found = match asked.query.as_deref() {
            None => self.answers.find(path, None, asked.rest).map(|series| (None, series)),
            Some(query) => match self.state.recorded(query) {
                Some(recorded) => self.about(path, query, recorded, &asked.rest),
                None => {
                    return Err(Missing(format!("not recorded: the query '{query}' was not given out here")));
                }
            },
        };
        let Some((recorded, series)) = found else {
            let why = self.answers.missing(path, asked.statement.as_deref());
            // Nobody else knows a query of the recording.
            return if asked.query.is_some() { Ok(response::not_found(&why)) } else { Err(Missing(why)) };
        };
        let at = self.state.next(asked.session.as_deref(), asked.query.as_deref(), series);
        let answer = self.answers.get(series, at);
        if self.speed > 0.0 {
            tokio::time::sleep(answer.took.div_f64(self.speed)).await;
        }
        let mut ids = Ids { session: asked.session, queries: HashMap::new(), series };
        if let (Some(recorded), Some(query)) = (recorded, asked.query) {
            ids.queries.insert(recorded.to_string(), query);
        }
        let messages = match roles {
            None => answer.messages.clone(),
            Some(roles) => self.with_ids(&roles.response, answer, &mut ids),
        };
        Ok(response::whole(answer.head.as_deref(), messages, &answer.trailer))
    }

    /// The series of answers to a call about a query. Another client may have fetched it in another way: then a query that
    /// began with the same call and was fetched in this way takes its place.
    fn about(
        &self,
        path: &str,
        query: &str,
        (recorded, begun): (Arc<str>, usize),
        rest: &[u8],
    ) -> Option<(Option<Arc<str>>, usize)> {
        let find = |recorded: &Arc<str>| self.answers.find(path, Some(recorded.clone()), rest.to_vec());
        if let Some(series) = find(&recorded) {
            return Some((Some(recorded), series));
        }
        let (other, series) =
            self.answers.queries(begun).take(MOST_TRIED).find_map(|other| Some((other, find(other)?)))?;
        self.state.settle(query, other);
        Some((Some(other.clone()), series))
    }

    /// The messages of an answer, with the ids of this client.
    fn with_ids(&self, roles: &MessageRoles, answer: &Answer, ids: &mut Ids) -> Vec<Bytes> {
        let messages = answer.messages.iter().map(|message| {
            match roles.rewrite(message, &mut |role, value| ids.edit(self, role, value)) {
                Ok(Cow::Owned(rewritten)) => rewritten.into(),
                Ok(Cow::Borrowed(_)) | Err(_) => message.clone(),
            }
        });
        messages.collect()
    }
}

/// The ids that take the place of recorded ones in an answer.
struct Ids {
    session: Option<String>,
    /// By the recorded ones.
    queries: HashMap<String, String>,
    /// The series that the answer is of.
    series: usize,
}

impl Ids {
    fn edit(&mut self, shared: &Shared, role: Role, value: &[u8]) -> Edit {
        match role {
            Role::Notice => Edit::Drop,
            Role::Session | Role::Query if value.is_empty() => Edit::Keep,
            // A login names none, and gets a new one.
            Role::Session => {
                let session = self.session.get_or_insert_with(|| Uuid::new_v4().to_string());
                Edit::Replace(session.clone().into())
            }
            Role::Query => {
                let (recorded, series) = (String::from_utf8_lossy(value).into_owned(), self.series);
                let query = self.queries.entry(recorded).or_insert_with_key(|recorded| {
                    let query = Uuid::new_v4().to_string();
                    shared.state.add_query(&query, recorded, series);
                    query
                });
                Edit::Replace(query.clone().into())
            }
            Role::Engine | Role::Statement | Role::User | Role::Secret | Role::Elapsed => Edit::Keep,
        }
    }
}

/// Splits a body into its messages, uncompressed. `None` if it is no body of gRPC.
fn messages(body: &Bytes, coding: Option<Coding>) -> Option<Vec<Bytes>> {
    let (mut rest, mut messages) = (body.clone(), Vec::new());
    while !rest.is_empty() {
        let prefix = Prefix::read(&rest)?;
        let end = PREFIX_LEN.checked_add(prefix.len as usize).filter(|end| *end <= rest.len())?;
        let message = rest.split_to(end).slice(PREFIX_LEN..);
        messages.push(match prefix.flag {
            0 => message,
            _ => coding?.inflate(&message, LARGEST)?.into(),
        });
    }
    Some(messages)
}
