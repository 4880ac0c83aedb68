//! The commands for faults and tokens. Each instance has its own faults: these commands go to all that `--admin` names.

use admin::{FaultList, Removed, Revoked, client::Reply, paths};
use proxy::fault::Listed;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{
    Failure,
    api::Api,
    commands::show,
    print,
    text::{self, Paint},
};
use crate::cli::{FaultCommand, Running, Tokens};

/// Runs a fault command.
pub(super) async fn carry_out(command: FaultCommand) -> Result<(), Failure> {
    match command {
        FaultCommand::Add { rule, server } => {
            let rule = rule.rule().map_err(|bad| Failure::Usage(bad.to_string()))?;
            let body = json!({ "rule": rule.to_string() });
            let add = async |api: &Api| api.post(paths::FAULTS, body.clone()).await;
            each(&server, add, |Listed { id, rule, .. }, _| format!("fault {id} is added: {rule}\n")).await
        }
        FaultCommand::List { server } => {
            let list = async |api: &Api| api.get(paths::FAULTS).await;
            each(&server, list, |list: FaultList, paint| text::faults(&list, paint)).await
        }
        FaultCommand::Remove { id, server } => {
            let path = paths::FAULT.replace("{id}", &id);
            let remove = async |api: &Api| api.delete(&path).await;
            each(&server, remove, |_: Removed, _| format!("fault {id} is removed\n")).await
        }
        FaultCommand::Clear { server } => {
            let clear = async |api: &Api| api.delete(paths::FAULTS).await;
            each(&server, clear, |Removed { removed }, _| format!("faults removed: {removed}\n")).await
        }
    }
}

/// Asks each instance, and prints each response. All are asked, whatever the others say; the first failure counts.
async fn each<T: DeserializeOwned>(
    server: &Running,
    ask: impl AsyncFn(&Api) -> Result<Reply, Failure>,
    tell: impl Fn(T, Paint) -> String,
) -> Result<(), Failure> {
    let mut failed = None;
    for api in Api::new(server)?.each() {
        let is_alone = server.admin.len() == 1;
        let name = if is_alone { String::new() } else { format!("{}: ", api.address()) };
        let told = match ask(&api).await {
            Ok(reply) if server.json => print(&reply.json),
            Ok(reply) => reply.read().map_err(Failure::from).and_then(|answer| {
                let told = tell(answer, Paint::stdout());
                // A table stands below the name.
                let gap = if !is_alone && told.lines().count() > 1 { "\n" } else { "" };
                print(&format!("{name}{gap}{told}"))
            }),
            Err(failure) => Err(failure.at(&name)),
        };
        failed = failed.or(told.err());
    }
    failed.map_or(Ok(()), Err)
}

/// Revokes tokens.
pub(super) async fn revoke(which: Tokens, server: &Running) -> Result<(), Failure> {
    let body = match which {
        Tokens { token: Some(token), .. } => json!({ "token": token }),
        Tokens { client: Some(client), .. } => json!({ "client": client }),
        Tokens { .. } => json!({ "all": true }),
    };
    let reply = Api::new(server)?.post(paths::REVOKE_TOKENS, body).await?;
    show(server, &reply, |Revoked { revoked }, _| format!("tokens revoked: {revoked}\n"))
}
