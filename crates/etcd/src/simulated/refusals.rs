//! The refusals of etcd, word for word.

use tonic::{Code, Status};

fn says(code: Code, words: &str) -> Status {
    Status::new(code, format!("etcdserver: {words}"))
}

pub(super) fn empty_key() -> Status {
    says(Code::InvalidArgument, "key is not provided")
}

pub(super) fn compacted() -> Status {
    says(Code::OutOfRange, "mvcc: required revision has been compacted")
}

pub(super) fn future_revision() -> Status {
    says(Code::OutOfRange, "mvcc: required revision is a future revision")
}

pub(super) fn too_many_operations() -> Status {
    says(Code::InvalidArgument, "too many operations in txn request")
}

pub(super) fn duplicate_key() -> Status {
    says(Code::InvalidArgument, "duplicate key given in txn request")
}

pub(super) fn too_large() -> Status {
    says(Code::InvalidArgument, "request is too large")
}

pub(super) fn no_space() -> Status {
    says(Code::ResourceExhausted, "mvcc: database space exceeded")
}

pub(super) fn no_leader() -> Status {
    says(Code::Unavailable, "no leader")
}

pub(super) fn lease_not_found() -> Status {
    says(Code::NotFound, "requested lease not found")
}

pub(super) fn lease_exists() -> Status {
    says(Code::FailedPrecondition, "lease already exists")
}

pub(super) fn lease_too_long() -> Status {
    says(Code::OutOfRange, "too large lease TTL")
}

pub(super) fn auth_not_enabled() -> Status {
    says(Code::FailedPrecondition, "authentication is not enabled")
}

pub(super) fn wrong_password() -> Status {
    says(Code::InvalidArgument, "authentication failed, invalid user ID or password")
}

pub(super) fn no_user() -> Status {
    says(Code::InvalidArgument, "user name is empty")
}

pub(super) fn invalid_token() -> Status {
    says(Code::Unauthenticated, "invalid auth token")
}

pub(super) fn no_rights() -> Status {
    says(Code::PermissionDenied, "permission denied")
}
