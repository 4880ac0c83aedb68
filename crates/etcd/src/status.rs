//! The status of a member.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    Client, Error, MAX_ANSWER,
    call::About,
    pb::{StatusRequest, maintenance_client::MaintenanceClient},
};

/// The state of one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberStatus {
    /// The id of its cluster: members of one list must have the same.
    pub cluster: u64,
    /// Its own id.
    pub member: u64,
    /// The id of the leader; 0 if it knows none.
    pub leader: u64,
    /// The version of its program, such as `3.5.28`.
    pub version: String,
    /// The revision of its store.
    pub revision: i64,
    /// The size of its database, in bytes.
    pub size: u64,
    /// Its alarms, such as `memberID:… alarm:NOSPACE`.
    pub alarms: Vec<String>,
}

/// The first versions in which a member that was stopped does not serve stale reads, by line of versions.
const WANTED: [(u64, u64, u64); 3] = [(3, 4, 42), (3, 5, 28), (3, 6, 9)];

impl MemberStatus {
    /// The oldest version of its line that is without known faults, if its own version is older.
    pub fn wanted_version(&self) -> Option<String> {
        let mut parts = self.version.split(['.', '-']).map_while(|part| part.parse::<u64>().ok());
        let version = (parts.next()?, parts.next()?, parts.next()?);
        let line = |(major, minor, _): &(u64, u64, u64)| (*major, *minor);
        let wanted = WANTED.into_iter().find(|wanted| line(wanted) >= line(&version))?;
        (version < wanted).then(|| format!("{}.{}.{}", wanted.0, wanted.1, wanted.2))
    }
}

impl Client {
    /// The URLs of the members, in the order of the settings.
    pub fn members(&self) -> impl Iterator<Item = &str> {
        self.shared().members.all().iter().map(|member| member.name.as_str())
    }

    /// Asks one member, by its place in the settings, about itself: no other one is asked in its stead. Past the last one
    /// it is the first again.
    pub async fn status(&self, member: usize) -> Result<MemberStatus, Error> {
        let shared = self.shared();
        let member = &shared.members.all()[member % shared.members.all().len()];
        let about = About { op: "status", revision: 0, lease: 0 };
        let ends = Instant::now() + self.deadline().min(shared.settings.attempt.max(Duration::from_secs(1)));
        let answer =
            shared.attempt(member, about, ends, &StatusRequest {}, &|transport, request| async move {
                let mut client = MaintenanceClient::new(transport).max_decoding_message_size(MAX_ANSWER);
                client.status(request).await
            });
        let status = answer.await.map_err(|(error, _)| error)?.into_inner();
        let header = status.header.unwrap_or_default();
        Ok(MemberStatus {
            cluster: header.cluster_id,
            member: header.member_id,
            leader: status.leader,
            version: status.version,
            revision: header.revision,
            size: u64::try_from(status.db_size).unwrap_or_default(),
            alarms: status.errors,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::MemberStatus;

    #[test]
    fn old_versions_have_a_wanted_one() {
        for (version, wanted) in [
            ("3.3.27", Some("3.4.42")),
            ("3.4.23", Some("3.4.42")),
            ("3.4.41-rc.1", Some("3.4.42")),
            ("3.4.42", None),
            ("3.4.100", None),
            ("3.5.0", Some("3.5.28")),
            ("3.5.28", None),
            ("3.6.8", Some("3.6.9")),
            ("3.6.9", None),
            ("3.7.0-alpha.0", None),
            ("4.0.0", None),
            ("none", None),
            ("", None),
        ] {
            let status = MemberStatus {
                cluster: 1,
                member: 1,
                leader: 1,
                version: version.to_owned(),
                revision: 1,
                size: 0,
                alarms: Vec::new(),
            };
            assert_eq!(status.wanted_version().as_deref(), wanted, "{version}");
        }
    }
}
