//! Classifies a failed attempt: the error for people, and the next step.

use std::{error::Error as StdError, io};

use tonic::{Code, ConnectError, Status};

use crate::{Error, member::CONNECT};

/// The next step after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Another member may be asked: the request was not applied.
    Elsewhere,
    /// Another member may be asked if the request may be applied twice.
    Perhaps,
    /// The token is no longer good: this member may be asked with a new one.
    NewToken,
    /// All members would say the same.
    Stop,
}

/// The attempt, as an error describes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a> {
    pub(crate) member: &'a str,
    /// Whether that member has ever answered as etcd does.
    pub(crate) has_answered: bool,
    pub(crate) user: Option<&'a str>,
    pub(crate) op: &'static str,
    /// The revision that was asked for, or 0.
    pub(crate) revision: i64,
    /// The lease that was named, or 0.
    pub(crate) lease: i64,
}

/// The cause of a status that no server has sent.
#[derive(Default)]
struct Found {
    while_connecting: bool,
    tls: Option<String>,
    is_protocol: bool,
    timed_out: bool,
    broke_off: bool,
    innermost: String,
}

/// Judges a failed attempt.
pub(crate) fn judge(status: &Status, context: Context<'_>) -> (Error, Next) {
    if let Some(source) = status.source() {
        return broken(&find(source), context);
    }
    let member = context.member.to_owned();
    let said = status.message().trim_start_matches("etcdserver: ").to_owned();
    let says = |text: &str| said.contains(text);
    match status.code() {
        Code::Unavailable if says("no leader") => (Error::NoLeader { member }, Next::Elsewhere),
        Code::ResourceExhausted if says("database space exceeded") => (Error::NoSpace { member }, Next::Stop),
        Code::ResourceExhausted if says("too many requests") => {
            (Error::Overloaded { member }, Next::Elsewhere)
        }
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Aborted => {
            (Error::Unfinished { member, said }, Next::Perhaps)
        }
        Code::Unimplemented => (not_etcd(member, &said), Next::Elsewhere),
        Code::Unknown if says("HTTP status code") => (not_etcd(member, &said), Next::Elsewhere),
        Code::NotFound if says("lease not found") => {
            (Error::LeaseNotFound { member, lease: context.lease }, Next::Stop)
        }
        Code::OutOfRange if says("compacted") => {
            (Error::Compacted { asked: context.revision, revision: None }, Next::Stop)
        }
        Code::OutOfRange if says("future revision") => {
            (Error::FutureRevision { member, asked: context.revision }, Next::Stop)
        }
        Code::OutOfRange if says("too large") => (Error::AnswerTooLarge { member, said }, Next::Stop),
        _ => rights(status.code(), said, context),
    }
}

/// Refusals that have to do with the user.
fn rights(code: Code, said: String, context: Context<'_>) -> (Error, Next) {
    let member = context.member.to_owned();
    let says = |text: &str| said.contains(text);
    match context.user {
        Some(user) => {
            let user = user.to_owned();
            if says("authentication failed") {
                (Error::WrongPassword { member, user }, Next::Stop)
            } else if code == Code::Unauthenticated
                || ["invalid auth token", "auth store is old", "user name is empty"].into_iter().any(says)
            {
                (Error::BadToken { member, user, said }, Next::NewToken)
            } else if code == Code::PermissionDenied {
                // Before 3.5 a watch with a forgotten token is told this as well.
                let next = if context.op == "watch" { Next::NewToken } else { Next::Stop };
                (Error::NoRights { member, user: Some(user), op: context.op }, next)
            } else {
                (Error::Refused { member, said }, Next::Stop)
            }
        }
        None if code == Code::Unauthenticated || says("user name is empty") => {
            (Error::NeedsUser { member }, Next::Stop)
        }
        None if code == Code::PermissionDenied => {
            (Error::NoRights { member, user: None, op: context.op }, Next::Stop)
        }
        None => (Error::Refused { member, said }, Next::Stop),
    }
}

fn broken(found: &Found, context: Context<'_>) -> (Error, Next) {
    let member = context.member.to_owned();
    let why = found.innermost.clone();
    if let Some(why) = found.tls.clone() {
        let next = if found.while_connecting { Next::Elsewhere } else { Next::Perhaps };
        return (Error::Untrusted { member, why }, next);
    }
    if found.while_connecting && found.broke_off && context.member.starts_with("https") {
        let why = "the other side broke off; does it speak TLS?".to_owned();
        return (Error::Untrusted { member, why }, Next::Elsewhere);
    }
    if found.while_connecting && !found.is_protocol {
        let why = if found.timed_out { format!("no connection within {CONNECT:?}") } else { why };
        return (Error::Unreachable { member, why }, Next::Elsewhere);
    }
    if found.is_protocol && !context.has_answered {
        return (not_etcd(member, &why), Next::Elsewhere);
    }
    // With TLS 1.3 a server judges the client's certificate after the handshake, and its alert may be lost.
    let hint = match context.member.starts_with("https") && !context.has_answered {
        true => "; etcd may want another certificate of this client",
        false => "",
    };
    (Error::Broken { member, why: format!("{why}{hint}") }, Next::Perhaps)
}

fn not_etcd(member: String, found: &str) -> Error {
    Error::NotEtcd { member, found: found.to_owned() }
}

/// The innermost of an error's sources.
pub(crate) fn innermost(error: &(dyn StdError + 'static)) -> String {
    find(error).innermost
}

fn find(error: &(dyn StdError + 'static)) -> Found {
    let mut found = Found::default();
    let mut at = Some(error);
    while let Some(error) = at {
        found.innermost = error.to_string();
        found.while_connecting |= error.is::<ConnectError>();
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            found.tls = Some(tls.to_string());
        }
        at = if let Some(h2) = error.downcast_ref::<h2::Error>() {
            found.is_protocol |= !h2.is_io();
            h2.get_io().map(|io| io as _)
        } else if let Some(io) = error.downcast_ref::<io::Error>() {
            found.timed_out |= io.kind() == io::ErrorKind::TimedOut;
            found.broke_off |= matches!(
                io.kind(),
                // A side that closes before it has read all resets the connection: which of these is seen is chance.
                io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
            );
            io.get_ref().map(|inner| inner as _)
        } else {
            error.source()
        };
    }
    found
}

#[cfg(test)]
mod tests {
    use tonic::{Code, Status};

    use super::{Context, Next, judge};
    use crate::Error;

    const CONTEXT: Context<'_> = Context {
        member: "http://a:1",
        has_answered: true,
        user: Some("teal"),
        op: "read",
        revision: 7,
        lease: 9,
    };

    fn judged(code: Code, said: &str, context: Context<'_>) -> (Error, Next) {
        judge(&Status::new(code, said), context)
    }

    /// Messages of etcd 3.4 to 3.6, word for word.
    #[test]
    fn refusals_are_told_apart() {
        let cases = [
            (Code::Unavailable, "etcdserver: no leader", "NoLeader", Next::Elsewhere),
            (Code::Unavailable, "etcdserver: leader changed", "Unfinished", Next::Perhaps),
            (Code::Unavailable, "etcdserver: request timed out", "Unfinished", Next::Perhaps),
            (Code::Unavailable, "etcdserver: server stopped", "Unfinished", Next::Perhaps),
            (Code::Unavailable, "etcdserver: rpc not supported for learner", "Unfinished", Next::Perhaps),
            (Code::ResourceExhausted, "etcdserver: too many requests", "Overloaded", Next::Elsewhere),
            (Code::ResourceExhausted, "etcdserver: mvcc: database space exceeded", "NoSpace", Next::Stop),
            (Code::NotFound, "etcdserver: requested lease not found", "LeaseNotFound", Next::Stop),
            (
                Code::OutOfRange,
                "etcdserver: mvcc: required revision has been compacted",
                "Compacted",
                Next::Stop,
            ),
            (
                Code::OutOfRange,
                "etcdserver: mvcc: required revision is a future revision",
                "Future",
                Next::Stop,
            ),
            (Code::Unauthenticated, "etcdserver: invalid auth token", "BadToken", Next::NewToken),
            (Code::InvalidArgument, "etcdserver: revision of auth store is old", "BadToken", Next::NewToken),
            (Code::InvalidArgument, "etcdserver: user name is empty", "BadToken", Next::NewToken),
            (Code::PermissionDenied, "etcdserver: permission denied", "NoRights", Next::Stop),
            (Code::Unimplemented, "unknown service etcdserverpb.KV", "NotEtcd", Next::Elsewhere),
            (Code::InvalidArgument, "etcdserver: duplicate key given in txn request", "Refused", Next::Stop),
        ];
        for (code, said, variant, next) in cases {
            let (error, then) = judged(code, said, CONTEXT);
            assert!(format!("{error:?}").starts_with(variant), "{said}: {error:?}");
            assert_eq!(then, next, "{said}");
            assert_eq!(error.may_have_applied(), next == Next::Perhaps, "{said}");
        }
    }

    #[test]
    fn refused_user_is_told_from_none() {
        let wrong = "etcdserver: authentication failed, invalid user ID or password";
        assert!(matches!(
            judged(Code::InvalidArgument, wrong, CONTEXT),
            (Error::WrongPassword { .. }, Next::Stop)
        ));
        let nobody = Context { user: None, ..CONTEXT };
        for said in ["etcdserver: user name is empty", "etcdserver: invalid auth token"] {
            let judged = judged(Code::Unauthenticated, said, nobody);
            assert!(matches!(judged, (Error::NeedsUser { .. }, Next::Stop)), "{judged:?}");
        }
        let denied = "etcdserver: permission denied";
        let judged_here = judged(Code::PermissionDenied, denied, nobody);
        assert!(matches!(judged_here, (Error::NoRights { user: None, .. }, Next::Stop)), "{judged_here:?}");
        let watching = Context { op: "watch", ..CONTEXT };
        let judged_there = judged(Code::PermissionDenied, denied, watching);
        assert!(matches!(judged_there, (Error::NoRights { .. }, Next::NewToken)), "{judged_there:?}");
    }
}
