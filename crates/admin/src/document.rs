//! `GET /api/v1/openapi.json`: the OpenAPI document, derived from the handlers.

use utoipa::{
    OpenApi,
    openapi::{
        self, ContentBuilder, HttpMethod, Object, PathItem, Ref, RefOr, Response, ResponseBuilder, Schema,
        path::{Operation, OperationBuilder},
        security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme},
    },
};

use super::{ErrorAnswer, paths};

/// Error responses that any path may return.
const ANY: [(&str, &str); 3] = [
    ("400", "The request can't be read"),
    ("403", "The request comes from a page of another origin"),
    ("421", "Host names another server"),
];
/// Error responses of requests with a body, in addition.
const BODY: [(&str, &str); 4] = [
    ("408", "The body took too long"),
    ("413", "The body is too large"),
    ("415", "The body is not JSON"),
    ("422", "A field is unknown, missing or of the wrong type"),
];

#[derive(OpenApi)]
#[openapi(
    info(
        title = "teal",
        description = "Operates a blue-green switch. Every answer that is no success has a body `{\"error\": …}`. \
            A command may name the epoch that it has seen, and is refused with 409 if the state has moved on."
    ),
    components(schemas(ErrorAnswer))
)]
struct Head;

/// The document without its paths.
pub(super) fn head() -> openapi::OpenApi {
    let mut head = Head::openapi();
    let itself = OperationBuilder::new()
        .summary(Some("This document."))
        .tag("document")
        .response("200", answer("The document", Object::new()));
    head.paths.paths.insert(paths::DOCUMENT.to_owned(), PathItem::new(HttpMethod::Get, itself));
    head
}

fn answer(description: &str, schema: impl Into<RefOr<Schema>>) -> Response {
    let content = ContentBuilder::new().schema(Some(schema)).build();
    ResponseBuilder::new().description(description).content("application/json", content).build()
}

/// The document, with the guard's error responses added to every path.
pub(super) fn complete(mut api: openapi::OpenApi, asks_token: bool) -> String {
    for item in api.paths.paths.values_mut() {
        let reads = [&mut item.get, &mut item.head];
        reads.into_iter().flatten().for_each(|operation| add(operation, &ANY));
        for operation in
            [&mut item.post, &mut item.put, &mut item.patch, &mut item.delete].into_iter().flatten()
        {
            add(operation, &ANY);
            add(operation, &BODY);
        }
        if asks_token {
            let all = [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
            all.into_iter()
                .flatten()
                .for_each(|operation| add(operation, &[("401", "The token is missing")]));
        }
    }
    for item in api.paths.paths.values_mut() {
        if let Some(operation) = item.get.as_mut().filter(|operation| operation.parameters.is_some()) {
            add(operation, &[("422", "A parameter is unknown or of the wrong type")]);
        }
    }
    if asks_token {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        let components = api.components.get_or_insert_default();
        components.security_schemes.insert("token".to_owned(), RefOr::T(scheme));
        api.security = Some(vec![SecurityRequirement::new("token", Vec::<String>::new())]);
    }
    api.to_json().expect("the document is JSON")
}

fn add(operation: &mut Operation, answers: &[(&str, &str)]) {
    for (status, description) in answers {
        let error = || RefOr::T(answer(description, Ref::from_schema_name("ErrorAnswer")));
        operation.responses.responses.entry((*status).to_owned()).or_insert_with(error);
    }
}
