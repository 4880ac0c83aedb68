//! The requests and the output of each command.

use admin::{Answer, ClusterStatus, Queries, Reloaded, State, client::Reply, paths};
use protocol::Strategy;
use serde_json::{Value, json};

use super::{
    Failure,
    api::Api,
    calls, fault, print, record,
    text::{self, Paint},
    wait, watch,
};
use crate::cli::{ClusterAction, Operate, Running, TokenCommand};

/// Runs a command.
pub(super) async fn carry_out(operate: Operate) -> Result<(), Failure> {
    match operate {
        Operate::Status { watch: true, server } => watch::watch(&Api::new(&server)?, server.json).await,
        Operate::Status { watch: false, server } => {
            let reply = Api::new(&server)?.get(paths::STATE).await?;
            show(&server, &reply, |state: State, paint| text::state(&state, paint))
        }
        Operate::Switch { to, wait, server } => switch(to, wait, &server).await,
        Operate::Cutover { force: false, server } => order(&server, paths::CUTOVER, json!({})).await,
        Operate::Cutover { force: true, server } => {
            order(&server, paths::CUTOVER, json!({ "force": true })).await
        }
        Operate::Abort { server } => order(&server, paths::ABORT, json!({})).await,
        Operate::Rollback { server } => order(&server, paths::ROLLBACK, json!({})).await,
        Operate::Timer { action, server } => order(&server, paths::TIMER, json!({ "action": action })).await,
        Operate::Instances { server } => {
            let reply = Api::new(&server)?.get(paths::STATE).await?;
            let state: State = reply.read()?;
            if state.instances.is_none() {
                return Err(Failure::refused("there is one instance alone: teal was started without --etcd"));
            }
            show(&server, &reply, |state: State, paint| text::instances(&state, paint))
        }
        Operate::Queries { limit, server } => {
            let reply = Api::new(&server)?.get(&format!("{}?limit={limit}", paths::QUERIES)).await?;
            show(&server, &reply, |queries: Queries, paint| text::queries(&queries, paint))
        }
        Operate::Clients { server } => {
            let reply = Api::new(&server)?.get(paths::CLIENTS).await?;
            show(&server, &reply, |clients: Value, paint| text::clients(&clients, paint))
        }
        Operate::Calls { id: Some(id), server, .. } => {
            calls::show_one(&Api::new(&server)?, id, server.json).await
        }
        Operate::Calls { id: None, filter, since, follow, limit, server } => {
            let which = calls::Which { filter, since, limit };
            calls::list(&Api::new(&server)?, &which, follow, server.json).await
        }
        Operate::Verify { filter, at_least, at_most, exactly, within, since, server } => {
            let number = calls::Number { at_least, at_most, exactly };
            calls::verify(&server, filter, number, within, since).await
        }
        Operate::Cluster { action, server } => {
            let api = Api::new(&server)?;
            let reply = match action {
                ClusterAction::Status => api.get(paths::CLUSTER).await?,
                ClusterAction::Suspend => api.post(paths::CLUSTER, json!({"action": "suspend"})).await?,
                ClusterAction::Resume => api.post(paths::CLUSTER, json!({"action": "resume"})).await?,
            };
            show(&server, &reply, |cluster: ClusterStatus, _| format!("the cluster is {}\n", cluster.status))
        }
        Operate::Fault(command) => fault::carry_out(command).await,
        Operate::Record(command) => record::carry_out(command).await,
        Operate::Token(TokenCommand::Revoke { which, server }) => fault::revoke(which, &server).await,
        Operate::Reload { server } => {
            let reply = Api::new(&server)?.post(paths::RELOAD, json!({})).await?;
            show(&server, &reply, |reloaded: Reloaded, _| format!("{}\n", reloaded.done))
        }
        Operate::Completions { .. } | Operate::Man { .. } => Ok(()),
    }
}

async fn switch(to: Option<Strategy>, wait: bool, server: &Running) -> Result<(), Failure> {
    let api = Api::new(server)?;
    let body = match to {
        Some(to) => json!({ "to": to }),
        // Without a strategy, it means the one that is inactive now, not at a later time.
        None => {
            let seen: State = api.get(paths::STATE).await?.read()?;
            json!({ "to": seen.active.other(), "epoch": seen.epoch })
        }
    };
    let reply = api.post(paths::SWITCH, body).await?;
    if !wait {
        return done(server, &reply);
    }
    let reply = wait::until_complete(&api, &reply.read()?).await?;
    show(server, &reply, |state: State, paint| {
        format!("{} is active, and the switch is complete\n", paint.strategy(state.active))
    })
}

async fn order(server: &Running, path: &str, body: Value) -> Result<(), Failure> {
    let reply = Api::new(server)?.post(path, body).await?;
    done(server, &reply)
}

fn done(server: &Running, reply: &Reply) -> Result<(), Failure> {
    show(server, reply, |answer: Answer, _| format!("{}\n", answer.done))
}

/// Prints a response: as JSON, or as text.
pub(super) fn show<T: serde::de::DeserializeOwned>(
    server: &Running,
    reply: &Reply,
    tell: impl FnOnce(T, Paint) -> String,
) -> Result<(), Failure> {
    if server.json { print(&reply.json) } else { print(&tell(reply.read()?, Paint::stdout())) }
}
