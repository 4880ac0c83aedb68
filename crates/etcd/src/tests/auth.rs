//! Users, rights, and tokens that are forgotten.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

use tokio::time::timeout;

use super::{SOON, World, both, seen};
use crate::{Client, Error, Keys, Range, Settings, User, simulated::SimulatedUser};

both! {
    Start::Own(1, &[]) => user_has_the_rights_of_its_keys stranger_is_told_what_is_missing
        forgotten_token_is_fetched_again user_is_no_harm_without_auth;
}

impl World {
    /// From now on user `teal` may touch keys below `t/`, and nobody anything else.
    fn enable_auth(&self) {
        match self {
            Self::Simulated(etcd) => {
                etcd.enable_auth([SimulatedUser { user: user("secret"), keys: Keys::prefix("t/") }]);
            }
            Self::Real(real) => {
                let address = real.address(0);
                post(address, "user/add", r#"{"name": "root", "password": "root"}"#);
                post(address, "user/grant", r#"{"user": "root", "role": "root"}"#);
                post(address, "user/add", r#"{"name": "teal", "password": "secret"}"#);
                post(address, "role/add", r#"{"name": "teal"}"#);
                // The keys are t/ and t0 in base64.
                let permission = r#"{"permType": "READWRITE", "key": "dC8=", "range_end": "dDA="}"#;
                post(address, "role/grant", &format!(r#"{{"name": "teal", "perm": {permission}}}"#));
                post(address, "user/grant", r#"{"user": "teal", "role": "teal"}"#);
                post(address, "enable", "{}");
            }
        }
    }

    fn client_as(&self, user: User) -> Client {
        self.client_with(Settings { user: Some(user), ..self.settings() })
    }
}

fn user(password: &str) -> User {
    User { name: "teal".to_owned(), password: password.to_owned() }
}

/// Asks etcd's JSON gateway, as an operator would.
fn post(address: SocketAddr, what: &str, body: &str) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let size = body.len();
    let head = format!("POST /v3/auth/{what} HTTP/1.1\r\nHost: etcd\r\nConnection: close");
    write!(stream, "{head}\r\nContent-Length: {size}\r\n\r\n{body}").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    assert!(answer.starts_with("HTTP/1.1 200"), "{what}: {answer}");
}

async fn user_has_the_rights_of_its_keys(world: World) {
    world.enable_auth();
    let client = world.client_as(user("secret"));
    let from = client.put("t/a", "1", 0).await.expect("it is allowed");
    assert_eq!(client.range(&Range::new(Keys::prefix("t/"))).await.expect("it is allowed").count, 1);
    assert_eq!(seen(&mut client.watch(Keys::prefix("t/"), from), 1).await, ["t/a"]);
    let lease = client.grant(SOON).await.expect("it is allowed");
    client.keep_alive(lease.id).await.expect("it is allowed");

    let error = client.put("other", "1", 0).await.expect_err("it is not allowed");
    let Error::NoRights { member, user: Some(user), op: "change" } = &error else { panic!("{error:?}") };
    assert_eq!((member, user.as_str()), (&world.settings().members[0], "teal"));
    let error = client.range(&Range::new(Keys::prefix(""))).await.expect_err("it is not allowed");
    assert!(matches!(error, Error::NoRights { op: "read", .. }), "{error:?}");
    let end = timeout(SOON, client.watch(Keys::prefix(""), from).next()).await.expect("it ends");
    assert!(matches!(end, Some(Err(Error::NoRights { op: "watch", .. }))), "{end:?}");
}

async fn stranger_is_told_what_is_missing(world: World) {
    world.enable_auth();
    let member = world.settings().members[0].clone();
    let error = world.client().range(&Range::new("t/a")).await.expect_err("it names no user");
    assert_eq!(error, Error::NeedsUser { member: member.clone() });
    let error = world.client_as(user("wrong")).range(&Range::new("t/a")).await.expect_err("it is wrong");
    assert_eq!(error, Error::WrongPassword { member, user: "teal".to_owned() });
    assert!(!error.to_string().contains("wrong"), "{error}");
    let end = timeout(SOON, world.client_as(user("wrong")).watch("t/a", 1).next()).await.expect("it ends");
    assert!(matches!(end, Some(Err(Error::WrongPassword { .. }))), "{end:?}");
}

async fn forgotten_token_is_fetched_again(world: World) {
    world.enable_auth();
    let client = world.client_as(user("secret")).within(SOON);
    let from = client.put("t/a", "1", 0).await.expect("it is allowed");
    let mut watch = client.watch(Keys::prefix("t/"), from);
    assert_eq!(seen(&mut watch, 1).await, ["t/a"]);
    world.kill(0);
    world.start(0);
    client.put("t/b", "2", 0).await.expect("it has a new token");
    assert_eq!(seen(&mut watch, 1).await, ["t/b"]);
    let late = client.watch(Keys::prefix("t/"), from);
    world.kill(0);
    world.start(0);
    // Nothing but the watch uses the token that is forgotten now.
    let mut late = late;
    assert_eq!(seen(&mut late, 2).await, ["t/a", "t/b"]);
}

async fn user_is_no_harm_without_auth(world: World) {
    let client = world.client_as(user("secret"));
    client.put("t/a", "1", 0).await.expect("etcd asks for no user");
    client.put("other", "1", 0).await.expect("etcd asks for no user");
    world.enable_auth();
    client.put("t/a", "2", 0).await.expect("the user logs in now");
}
