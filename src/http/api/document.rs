//! The description of the API (`OpenAPI` 3.1), made from the table of [`super::operations`] once, from configuration only.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::looks::{LONGEST_PAGE, PAGE};
use super::operations::{self, Operation};
use super::schemas::{self, refer};
use crate::config::Issuer;
use crate::domain::disable::RowStatus;
use crate::domain::machine::MachineScope;
use crate::http::error::problem::Code;

const ABOUT: &str = "Organizations leave Fly.io Auth and come back at the word of a client, and everybody's mail can be \
followed. Fly.io is not asked, so all of this works when Fly.io is gone.\n\nAn organization is named by its short name or \
its id; a short name comes first where one is the id of another organization. Times are RFC 3339, in UTC. Refusals are \
problem details (RFC 9457): go by code, which never changes.\n\nA POST may carry an Idempotency-Key. For 24 hours the same \
request under the same key of the same client and organization gets the same answer and does nothing more; another request \
under that key is refused. A refusal uses no key up.";

/// The description, ready to send.
pub struct Document {
    body: Bytes,
}

impl Document {
    #[must_use]
    pub fn new(issuer: &Issuer) -> Self {
        Self { body: describe(issuer).to_string().into() }
    }
}

/// `GET /api/v1/openapi.json`
pub async fn get(State(document): State<Arc<Document>>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600")),
    ];
    (headers, document.body.clone()).into_response()
}

/// The whole document.
#[must_use]
pub fn describe(issuer: &Issuer) -> Value {
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for operation in operations::all() {
        let item = paths.entry(operation.path).or_default();
        item.insert(operation.method.as_str().to_ascii_lowercase(), described(&operation));
    }
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Flybridge", "version": "1", "description": ABOUT },
        "servers": [{ "url": issuer.as_str() }],
        "paths": paths,
        "components": {
            "schemas": schemas::all(),
            "responses": Code::all().map(|code| (code.as_str(), of_code(code))).collect::<BTreeMap<_, _>>(),
            "securitySchemes": { "client": {
                "type": "oauth2",
                "description": "Tokens of a client in its own name. One that is bound to a key goes with the scheme DPoP \
                                and a proof (RFC 9449).",
                "flows": { "clientCredentials": {
                    "tokenUrl": issuer.join("/oauth/token"),
                    "scopes": MachineScope::ALL.iter().map(|scope| (scope.as_str(), about(*scope))).collect::<BTreeMap<_, _>>(),
                } },
            } },
        },
    })
}

fn about(scope: MachineScope) -> &'static str {
    match scope {
        MachineScope::OrganizationsRead => "Look at organizations, their runs and what became of their members.",
        MachineScope::OrganizationsDisable => {
            "Have organizations leave Fly.io Auth and come back, and have mail sent again."
        }
    }
}

fn described(operation: &Operation) -> Value {
    let security = match operation.scope {
        Some(scope) => json!([{ "client": [scope.as_str()] }]),
        None => json!([]),
    };
    let mut described = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "description": operation.description,
        "security": security,
        "parameters": parameters(operation),
        "responses": responses(operation),
    });
    if let Some(body) = operation.body {
        described["requestBody"] =
            json!({ "required": true, "content": { "application/json": { "schema": refer(body) } } });
    }
    described
}

fn parameters(operation: &Operation) -> Vec<Value> {
    let parameter = |place: &str, name: &str, schema: Value, about: String| json!({ "in": place, "name": name, "required": place == "path", "schema": schema, "description": about });
    let text = || json!({ "type": "string" });
    let mut all = Vec::new();
    if operation.path.contains("{id}") {
        all.push(parameter("path", "id", text(), "Short name or id of the organization.".to_owned()));
    }
    if operation.path.contains("{run}") {
        all.push(parameter("path", "run", text(), "Id of the run.".to_owned()));
    }
    if operation.path == operations::MEMBERS {
        let statuses = json!({ "type": "string", "enum": RowStatus::ALL.map(RowStatus::as_str) });
        let limit = json!({ "type": "integer", "minimum": 1, "maximum": LONGEST_PAGE, "default": PAGE });
        all.push(parameter("query", "status", statuses, "Only members whose mail stands so.".to_owned()));
        all.push(parameter("query", "limit", limit, "Members on a page.".to_owned()));
        all.push(parameter("query", "after", text(), "The id after which the page begins.".to_owned()));
    }
    if operation.body.is_some() {
        let key = json!({ "type": "string", "pattern": "^[!-~]{1,255}$" });
        let about = "Under which the request may be repeated for 24 hours.".to_owned();
        all.push(parameter("header", "Idempotency-Key", key, about));
    }
    all
}

fn responses(operation: &Operation) -> Map<String, Value> {
    let mut all = Map::new();
    for answer in &operation.answers {
        let mut response = json!({
            "description": answer.description,
            "content": { "application/json": { "schema": refer(answer.schema) } },
        });
        if answer.status == 202 {
            response["headers"] =
                json!({ "Location": { "required": true, "schema": { "type": "string", "format": "uri" } } });
        }
        all.insert(answer.status.to_string(), response);
    }
    let mut problems: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in &operation.problems {
        problems.entry(code.status()).or_default().push(*code);
    }
    for (status, codes) in problems {
        all.insert(status.to_string(), of_codes(&codes));
    }
    all.insert("default".to_owned(), problem("Any other problem", &refer("Problem")));
    all
}

/// What an operation answers with one status: one of these problems.
fn of_codes(codes: &[Code]) -> Value {
    let names: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
    let titles: Vec<String> = codes.iter().map(|code| format!("{}: {}", code.as_str(), code.title())).collect();
    let of_these = json!({ "type": "object", "properties": { "code": { "enum": names } } });
    problem(&titles.join("; "), &json!({ "allOf": [refer("Problem"), of_these] }))
}

/// The place that the `type` of a problem names.
fn of_code(code: Code) -> Value {
    problem(&format!("{}. {}", code.title(), code.what_to_do()), &refer("Problem"))
}

fn problem(description: &str, schema: &Value) -> Value {
    json!({ "description": description, "content": { "application/problem+json": { "schema": schema } } })
}
