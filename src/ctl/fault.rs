//! The commands for faults and tokens.

use admin::{FaultList, Removed, Revoked, paths};
use proxy::fault::Listed;
use serde_json::json;

use super::{Failure, api::Api, commands::show, text};
use crate::cli::{FaultCommand, Running, Tokens};

/// Runs a fault command.
pub(super) async fn carry_out(command: FaultCommand) -> Result<(), Failure> {
    match command {
        FaultCommand::Add { rule, server } => {
            let rule = rule.rule().map_err(|bad| Failure::Usage(bad.to_string()))?;
            let reply = Api::new(&server)?.post(paths::FAULTS, json!({ "rule": rule.to_string() })).await?;
            show(&server, &reply, |Listed { id, rule, .. }, _| format!("fault {id} is added: {rule}\n"))
        }
        FaultCommand::List { server } => {
            let reply = Api::new(&server)?.get(paths::FAULTS).await?;
            show(&server, &reply, |list: FaultList, paint| text::faults(&list, paint))
        }
        FaultCommand::Remove { id, server } => {
            let reply = Api::new(&server)?.delete(&paths::FAULT.replace("{id}", &id)).await?;
            show(&server, &reply, |_: Removed, _| format!("fault {id} is removed\n"))
        }
        FaultCommand::Clear { server } => {
            let reply = Api::new(&server)?.delete(paths::FAULTS).await?;
            show(&server, &reply, |Removed { removed }, _| format!("faults removed: {removed}\n"))
        }
    }
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
