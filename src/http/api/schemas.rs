//! The shapes of bodies and answers (JSON Schema, as `OpenAPI` 3.1 has it).

use serde_json::{Value, json};

use crate::domain::disable::RowStatus;
use crate::http::error::problem::Code;

/// All named shapes.
#[must_use]
pub fn all() -> Value {
    json!({
        "Description": { "type": "object", "required": ["openapi", "info", "paths"] },
        "Id": { "type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$" },
        "Time": { "type": "string", "format": "date-time" },
        "NullableTime": { "type": ["string", "null"], "format": "date-time" },
        "ActingUser": acting_user(),
        "Change": object(&["acting_user"], &acting()),
        "Resend": resend(),
        "Actor": object(&["id", "name"], &json!({
            "id": { "type": ["string", "null"], "description": "Of a person whom we know." },
            "name": text(),
        })),
        "RunReference": object(&["id", "url", "page"], &json!({
            "id": refer("Id"),
            "url": { "type": "string", "format": "uri", "description": "At this API." },
            "page": { "type": "string", "format": "uri", "description": "For the admins of the organization." },
        })),
        "Plan": plan(),
        "Organization": organization(),
        "Disabled": object(&["organization", "outcome", "run"], &json!({
            "organization": refer("Id"),
            "outcome": one_of(&["begun", "already_running", "already_left"]),
            "run": refer("RunReference"),
        })),
        "Enabled": object(&["organization", "outcome"], &json!({
            "organization": refer("Id"),
            "outcome": one_of(&["enabled", "already_on"]),
        })),
        "Resent": object(&["organization", "run", "outcome"], &json!({
            "organization": refer("Id"),
            "run": refer("Id"),
            "outcome": one_of(&["queued", "nothing_to_send"]),
        })),
        "Totals": totals(),
        "Run": run(),
        "Member": member(),
        "Members": object(&["members", "next"], &json!({
            "members": { "type": "array", "items": refer("Member") },
            "next": {
                "type": ["string", "null"],
                "format": "uri",
                "description": "The address of the next page; null after the last.",
            },
        })),
        "Problem": problem(),
    })
}

/// A shape by its name.
#[must_use]
pub fn refer(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn object(required: &[&str], properties: &Value) -> Value {
    json!({ "type": "object", "required": required, "properties": properties, "additionalProperties": false })
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn number() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

fn one_of(words: &[&str]) -> Value {
    json!({ "type": "string", "enum": words })
}

fn acting_user() -> Value {
    let mut shape = object(
        &[],
        &json!({
            "fly_user_id": { "type": "string", "description": "The person's id at Fly.io, which Sentry's Fly provider knows." },
            "sub": { "type": "string", "description": "The person's id here, which OpenID Connect clients know." },
            "name": {
                "type": "string",
                "maxLength": 100,
                "description": "For the audit log and the mails, where the client vouches for somebody whom we do not know.",
            },
        }),
    );
    shape["description"] = json!(
        "Exactly one of fly_user_id and sub; or name alone for somebody for whom the client vouches. Never an address."
    );
    shape
}

fn acting() -> Value {
    json!({
        "acting_user": refer("ActingUser"),
        "vouched": {
            "type": "boolean",
            "default": false,
            "description": "The client knows that the person may do this, whatever we know of them. It stands in the audit log.",
        },
    })
}

fn resend() -> Value {
    let mut properties = acting();
    properties["member"] = json!({ "type": "string", "description": "One member, by id." });
    properties["which"] = one_of(&["failed", "not_ready"]);
    let mut shape = object(&["acting_user"], &properties);
    shape["description"] = json!("Exactly one of member and which.");
    shape
}

fn plan() -> Value {
    object(
        &["kind"],
        &json!({
            "kind": one_of(&["sponsored", "developer", "paid"]),
            "until": refer("Time"),
            "since": refer("Time"),
            "name": text(),
        }),
    )
}

fn organization() -> Value {
    let names = [
        "id",
        "slug",
        "name",
        "login_method",
        "generation",
        "members",
        "plan",
        "can_disable_fly_auth",
        "changed",
        "run",
    ];
    object(
        &names,
        &json!({
            "id": refer("Id"),
            "slug": text(),
            "name": text(),
            "login_method": one_of(&["fly", "password"]),
            "generation": { "type": "integer", "minimum": 1, "description": "Rises with every change of login method." },
            "members": number(),
            "plan": refer("Plan"),
            "can_disable_fly_auth": {
                "type": "boolean",
                "description": "Fly.io Auth is on, and Fly.io does not sponsor the plan any more.",
            },
            "changed": {
                "description": "The last change of login method.",
                "anyOf": [{ "type": "null" }, object(&["at", "by"], &json!({ "at": refer("Time"), "by": refer("Actor") }))],
            },
            "run": {
                "description": "The newest run, also after Fly.io Auth was turned on again.",
                "anyOf": [{ "type": "null" }, refer("RunReference")],
            },
        }),
    )
}

fn totals() -> Value {
    let statuses = RowStatus::ALL.map(RowStatus::as_str);
    let names: Vec<&str> = statuses.into_iter().chain(["members", "ready", "left_out"]).collect();
    let properties: serde_json::Map<String, Value> =
        names.iter().map(|name| ((*name).to_owned(), number())).collect();
    let mut shape = object(&names, &Value::Object(properties));
    shape["description"] = json!(
        "queued + sending + sent + failed + cancelled = members; ready have a password, counted across the others; left_out \
         are left out on purpose, and so among the cancelled and never ready."
    );
    shape
}

fn run() -> Value {
    let names = [
        "id",
        "organization",
        "state",
        "by",
        "started_at",
        "mailed_at",
        "done_at",
        "reverted_at",
        "resending",
        "totals",
        "members_url",
        "page",
    ];
    object(
        &names,
        &json!({
            "id": refer("Id"),
            "organization": refer("Id"),
            "state": one_of(&["switched", "mailing", "done", "reverted"]),
            "by": refer("Actor"),
            "started_at": refer("Time"),
            "mailed_at": refer("NullableTime"),
            "done_at": refer("NullableTime"),
            "reverted_at": refer("NullableTime"),
            "resending": { "type": "boolean", "description": "Members are being looked up whose mail is to be sent again." },
            "totals": refer("Totals"),
            "members_url": { "type": "string", "format": "uri" },
            "page": { "type": "string", "format": "uri" },
        }),
    )
}

fn member() -> Value {
    let names = [
        "id",
        "name",
        "email",
        "mail",
        "status",
        "detail",
        "attempts",
        "resends",
        "status_at",
        "next_attempt_at",
        "answer",
        "reminders",
        "reminded_at",
        "password_set_at",
    ];
    object(
        &names,
        &json!({
            "id": refer("Id"),
            "name": text(),
            "email": { "type": ["string", "null"] },
            "mail": one_of(&["set_up", "has_password", "unreachable", "left_out"]),
            "status": one_of(&RowStatus::ALL.map(RowStatus::as_str)),
            "detail": { "type": ["string", "null"], "description": "Why, in a sentence." },
            "attempts": number(),
            "resends": number(),
            "status_at": refer("Time"),
            "next_attempt_at": refer("NullableTime"),
            "answer": {
                "description": "What the mail server said last.",
                "anyOf": [{ "type": "null" }, object(&["at", "text"], &json!({ "at": refer("Time"), "text": text() }))],
            },
            "reminders": number(),
            "reminded_at": refer("NullableTime"),
            "password_set_at": refer("NullableTime"),
        }),
    )
}

/// RFC 9457, section 3.
fn problem() -> Value {
    let names = ["type", "title", "status", "detail", "code", "what_to_do", "request_id"];
    json!({
        "type": "object",
        "required": names,
        "properties": {
            "type": { "type": "string", "format": "uri", "description": "Where this description tells of the problem." },
            "title": text(),
            "status": { "type": "integer" },
            "detail": { "type": "string", "description": "What is wrong with this request." },
            "code": { "type": "string", "enum": Code::all().map(Code::as_str).collect::<Vec<_>>(), "description": "For programs; never changed." },
            "what_to_do": text(),
            "request_id": { "type": "string", "description": "Under which the log tells more." },
            "until": { "type": "string", "format": "date-time", "description": "With sponsored." },
        },
        "additionalProperties": false,
    })
}
