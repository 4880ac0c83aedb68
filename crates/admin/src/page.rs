//! The dashboard. Its files are built in, and need no token.

use axum::{
    Router,
    http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE},
    response::IntoResponse,
    routing::get,
};

/// The content security policy: nothing from other origins, no framing.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Path, content type and text of each file.
const FILES: [(&str, &str, &str); 17] = [
    ("/", HTML, include_str!("page/index.html")),
    ("/page.css", CSS, include_str!("page/page.css")),
    ("/parts.css", CSS, include_str!("page/parts.css")),
    ("/page.js", SCRIPT, include_str!("page/page.js")),
    ("/api.js", SCRIPT, include_str!("page/api.js")),
    ("/calls.js", SCRIPT, include_str!("page/calls.js")),
    ("/chart.js", SCRIPT, include_str!("page/chart.js")),
    ("/clients.js", SCRIPT, include_str!("page/clients.js")),
    ("/dom.js", SCRIPT, include_str!("page/dom.js")),
    ("/events.js", SCRIPT, include_str!("page/events.js")),
    ("/faults.js", SCRIPT, include_str!("page/faults.js")),
    ("/instances.js", SCRIPT, include_str!("page/instances.js")),
    ("/lanes.js", SCRIPT, include_str!("page/lanes.js")),
    ("/messages.js", SCRIPT, include_str!("page/messages.js")),
    ("/state.js", SCRIPT, include_str!("page/state.js")),
    ("/stream.js", SCRIPT, include_str!("page/stream.js")),
    ("/verbs.js", SCRIPT, include_str!("page/verbs.js")),
];

/// Returns whether a path belongs to the dashboard.
pub(super) fn has(path: &str) -> bool {
    FILES.iter().any(|(file, ..)| *file == path)
}

/// Serves the files of the dashboard.
pub(super) fn router() -> Router {
    FILES.into_iter().fold(Router::new(), |router, (path, kind, text)| {
        router.route(path, get(async move || file(kind, text)))
    })
}

fn file(kind: &'static str, text: &'static str) -> impl IntoResponse {
    ([(CONTENT_TYPE, kind), (CONTENT_SECURITY_POLICY, POLICY)], text)
}
