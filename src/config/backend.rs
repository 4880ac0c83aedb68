//! Validates the settings of the backend.

#[cfg(feature = "mock")]
use std::fs;

#[cfg(feature = "mock")]
use mock::Sessions;
use proxy::upstream::{Target, Targets};

use super::{Backend, BadSetting, recording, tls};
#[cfg(feature = "mock")]
use super::{MockConfig, ReplayConfig};
#[cfg(feature = "mock")]
use crate::cli::Missing;
use crate::cli::{Addresses, Serve};

/// The flags that need the built-in engine.
fn needs_built_in() -> Vec<&'static str> {
    #[cfg(feature = "mock")]
    return crate::cli::flags_of::<crate::cli::Mock>();
    #[cfg(not(feature = "mock"))]
    return Vec::new();
}

/// Chooses forwarding, a recording or the built-in engine.
pub(super) fn backend(serve: &Serve) -> Result<Backend, BadSetting> {
    let replay = recording::replay(serve)?;
    let Some(targets) = targets(serve)? else {
        tls::trust(serve, &[])?;
        if let Some(replay) = replay {
            #[cfg(feature = "mock")]
            if serve.recording.replay_missing == Missing::Mock {
                return with_built_in(serve, replay);
            }
            return without_built_in(serve, Backend::Replay(replay), "remove this, or --replay");
        }
        #[cfg(feature = "mock")]
        return built_in(serve).map(Backend::Mock);
        #[cfg(not(feature = "mock"))]
        return Err(BadSetting {
            flag: "upstream",
            value: String::new(),
            expected: "expected the URL of an engine, because this build has no built-in one".to_owned(),
        });
    };
    if let Some(replay) = replay {
        let value = replay.file.display().to_string();
        let expected = "expected no engine with it: remove --upstream, --blue and --green".to_owned();
        return Err(BadSetting { flag: "replay", value, expected });
    }
    without_built_in(serve, Backend::Upstream(targets), "remove this, or --upstream, --blue and --green")
}

/// The backend, unless a flag is set that needs the built-in engine.
fn without_built_in(serve: &Serve, backend: Backend, remedy: &str) -> Result<Backend, BadSetting> {
    let Some(flag) = needs_built_in().into_iter().find(|flag| serve.given.contains(flag)) else {
        return Ok(backend);
    };
    let expected = format!("expected the built-in engine: {remedy}");
    let value = serve.effective.get(flag).map(|given| given.text()).unwrap_or_default();
    Err(BadSetting { flag, value, expected })
}

/// The engines to forward to, if any.
fn targets(serve: &Serve) -> Result<Option<Targets>, BadSetting> {
    let bad = |flag, target: &Target, expected: &str| {
        Err(BadSetting { flag, value: target.to_string(), expected: expected.to_owned() })
    };
    let (blue, green) = match (&serve.engines.upstream, &serve.engines.blue, &serve.engines.green) {
        (None, None, None) => return Ok(None),
        (Some(both), None, None) => (both, both),
        (None, Some(blue), Some(green)) => (blue, green),
        (Some(both), ..) => return bad("upstream", both, "expected either this or --blue and --green"),
        (None, Some(blue), None) => return bad("blue", blue, "expected --green with it"),
        (None, None, Some(green)) => return bad("green", green, "expected --blue with it"),
    };
    for (flag, target) in [
        ("upstream", &serve.engines.upstream),
        ("blue", &serve.engines.blue),
        ("green", &serve.engines.green),
    ] {
        if let Some(target) = target.as_ref().filter(|target| target.is_served_at(&serve.listening.listen.0))
        {
            let expected = "expected another address than teal's own (--listen): calls would loop";
            return bad(flag, target, expected);
        }
    }
    let trust = tls::trust(serve, &[blue, green])?;
    let (blue, green) = (blue.clone(), green.clone());
    let (connect_timeout, resolve_every) = (serve.engines.connect_timeout, serve.engines.resolve_every);
    let authority = serve.engines.upstream_authority;
    Ok(Some(Targets { blue, green, connect_timeout, resolve_every, authority, trust }))
}

/// The preview address, which needs two engines.
pub(super) fn preview(serve: &Serve) -> Result<Option<Addresses>, BadSetting> {
    if serve.engines.are_two() || serve.listening.preview_listen.is_none() {
        return Ok(serve.listening.preview_listen.clone());
    }
    let value = serve.effective.get("preview-listen").map(|given| given.text()).unwrap_or_default();
    let expected = "expected two engines, in --blue and --green";
    Err(BadSetting { flag: "preview-listen", value, expected: expected.to_owned() })
}

/// A recording, with the built-in engine behind it.
#[cfg(feature = "mock")]
fn with_built_in(serve: &Serve, replay: ReplayConfig) -> Result<Backend, BadSetting> {
    if serve.given.contains(&"sessions") && serve.mock.sessions == Sessions::Known {
        let expected = "expected any: with --replay-missing mock, sessions of the recording come too";
        return Err(BadSetting {
            flag: "sessions",
            value: "known".to_owned(),
            expected: expected.to_owned(),
        });
    }
    let mut mock = built_in(serve)?;
    mock.service.sessions = Sessions::Any;
    Ok(Backend::Replay(ReplayConfig { missing: Some(mock), ..replay }))
}

#[cfg(feature = "mock")]
fn built_in(serve: &Serve) -> Result<MockConfig, BadSetting> {
    use mock::TokenOptions;

    if let Some(data) = &serve.mock.data {
        fs::read_dir(data).map_err(|error| BadSetting {
            flag: "data",
            value: data.display().to_string(),
            expected: format!("expected a readable directory ({error})"),
        })?;
    }
    Ok(MockConfig {
        engine: sql::Options {
            data: serve.mock.data.clone(),
            unknown_tables: serve.mock.unknown_tables,
            memory_limit: serve.mock.memory_limit,
            batch_rows: serve.mock.batch_rows,
        },
        service: mock::Options {
            query_ttl: serve.switching.query_ttl,
            max_queries: serve.switching.max_queries,
            sessions: serve.mock.sessions,
            engine_ip: serve.listening.listen.0[0].ip().to_string(),
            tokens: TokenOptions {
                clients: serve.mock.oauth_client.clone(),
                ttl: serve.mock.token_ttl,
                accepted: serve.mock.tokens,
            },
        },
    })
}
