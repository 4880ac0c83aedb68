//! Where etcd is, who asks, and how long it is waited for.

use std::{fmt, time::Duration};

use http::Uri;

use crate::{MAX_MEMBERS, Tls};

/// How a client finds etcd and how patient it is.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The members' URLs: `http` or `https`, a host, a port, no path.
    pub members: Vec<String>,
    /// Which member is tried first, counted round. Clients that differ in it spread over the members.
    pub first: usize,
    /// How TLS is spoken with `https` members.
    pub tls: Tls,
    /// The user, if etcd requires authentication.
    pub user: Option<User>,
    /// How long a request may take in all, with the members that are tried in vain.
    pub deadline: Duration,
    /// How long one member may take for a request that may be retried; then it is left aside, and gets a new
    /// connection. Once all were silent it is twice as long, and so on.
    pub attempt: Duration,
    /// How long a member that failed or was too slow is left aside.
    pub aside: Duration,
    /// How long a watch may be silent before its member is asked, and how long that may take.
    pub silence: Duration,
}

/// A user of etcd and the password.
#[derive(Clone)]
pub struct User {
    /// As etcd knows it.
    pub name: String,
    /// Is never shown.
    pub password: String,
}

/// The kind of a setting. The caller knows its name for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// The list of members.
    Members,
    /// The file of authorities.
    Authority,
    /// The file of the client's certificate.
    Certificate,
    /// The file of its key.
    Key,
}

/// A setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{value}: {expected}")]
pub struct BadSetting {
    /// Which one.
    pub setting: Setting,
    /// Its value.
    pub value: String,
    /// The expected value.
    pub expected: String,
}

impl Settings {
    /// These members, without TLS files and user: 5 s for a request, 1.5 s for an attempt, 5 s aside, 2 s of silence.
    pub fn new(members: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            members: members.into_iter().map(Into::into).collect(),
            first: 0,
            tls: Tls::default(),
            user: None,
            deadline: Duration::from_secs(5),
            attempt: Duration::from_millis(1500),
            aside: Duration::from_secs(5),
            silence: Duration::from_secs(2),
        }
    }

    /// The addresses of the members, all checked.
    pub(crate) fn addresses(&self) -> Result<Vec<Uri>, BadSetting> {
        let bad = |value: &str, expected: String| BadSetting::new(Setting::Members, value, expected);
        match self.members.len() {
            0 => Err(bad("", "expected at least one member of etcd".to_owned())),
            1..=MAX_MEMBERS => self.members.iter().map(|member| address(member)).collect(),
            more => Err(bad(&more.to_string(), format!("expected at most {MAX_MEMBERS} members"))),
        }
    }
}

fn address(member: &str) -> Result<Uri, BadSetting> {
    let bad = || BadSetting::new(Setting::Members, member, "expected http://host:port or https://host:port");
    let uri: Uri = member.trim().parse().map_err(|_| bad())?;
    let plain = matches!(uri.scheme_str(), Some("http" | "https"))
        && uri.host().is_some_and(|host| !host.is_empty())
        && uri.port_u16().is_some_and(|port| port != 0)
        && uri.path() == "/"
        && uri.query().is_none()
        && !uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
    if plain { Ok(uri) } else { Err(bad()) }
}

impl BadSetting {
    pub(crate) fn new(setting: Setting, value: impl fmt::Display, expected: impl Into<String>) -> Self {
        Self { setting, value: value.to_string(), expected: expected.into() }
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{Settings, User};
    use crate::MAX_MEMBERS;

    #[test]
    fn members_are_urls_with_a_port() {
        for good in ["http://a:2379", "https://etcd-1.example:2379/", " http://[::1]:2379"] {
            assert!(Settings::new([good]).addresses().is_ok(), "{good}");
        }
        for bad in [
            "a:2379",
            "http://a",
            "http://a:0",
            "ftp://a:1",
            "http://a:1/v3",
            "http://u@a:1",
            "http://a:1?b",
            "",
        ] {
            let error = Settings::new([bad]).addresses().expect_err(bad);
            assert_eq!(error.to_string(), format!("{bad}: expected http://host:port or https://host:port"));
        }
    }

    #[test]
    fn members_are_one_to_sixteen() {
        assert!(Settings::new([""; 0]).addresses().is_err());
        assert!(Settings::new(["http://a:1"; MAX_MEMBERS]).addresses().is_ok());
        let error =
            Settings::new(["http://a:1"; MAX_MEMBERS + 1]).addresses().expect_err("it is one too many");
        assert_eq!(error.to_string(), "17: expected at most 16 members");
    }

    #[test]
    fn password_is_not_shown() {
        let user = User { name: "teal".to_owned(), password: "hidden".to_owned() };
        assert!(!format!("{user:?}").contains("hidden"));
    }
}
