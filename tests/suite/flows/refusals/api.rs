//! What programs are refused at the machine API: the code in the answer and in the log, and a reason that repeats nothing
//! that may be secret.

use serde_json::{Value, json};

use super::Watched;
use crate::flows::api::{DISABLE, MACHINES, Machine, ORGANIZATION, as_fly, problem};
use crate::support::answer::Answer;

const ROUTE: &str = "/api/v1/organizations/{id}";

impl Watched {
    /// The answer, and the line that its id leads to.
    #[track_caller]
    fn problem(&self, answer: &Answer, route: &str, (status, code): (u16, &str), client: Option<&str>, reason: &str) {
        problem(answer, status, code);
        let line = self.line(answer, route);
        let text = |value: &Value| value.as_str().map(str::to_owned);
        assert_eq!((&line["answer"], &line["title"]), (&json!("problem"), &json!(code)), "{line}");
        assert_eq!(text(&line["span"]["client"]).as_deref(), client, "{line}");
        let told = text(&line["reason"]).unwrap_or_default();
        assert!(told.contains(reason) && (reason.is_empty() == told.is_empty()), "{line}");
    }
}

#[tokio::test]
async fn of_a_program_without_a_token_for_it() {
    let mut watched = Watched::new(MACHINES).await;
    let mut machine = Machine::new(&watched.app).await;
    let good = machine.authorization.clone();
    watched.keep_secret(good.trim_start_matches("Bearer "));
    machine.authorization = format!("{good}x");
    let refused = (401, "invalid_token");
    watched.problem(&machine.get(ORGANIZATION).await, ROUTE, refused, None, "never an access token");
    machine.authorization = good.replacen("Bearer", "DPoP", 1);
    watched.problem(&machine.get(ORGANIZATION).await, ROUTE, refused, Some("machine"), "the scheme Bearer");
    let reader = Machine::of(&watched.app, "machine", Some("organizations:read")).await;
    let answer = reader.post(DISABLE, &as_fly(&watched.app, "ines")).await;
    let route = "/api/v1/organizations/{id}/disable-fly-auth";
    watched.problem(&answer, route, (403, "insufficient_scope"), Some("machine"), "organizations:disable");
    watched.nothing_leaked();
}

#[tokio::test]
async fn of_what_a_program_asks_for() {
    let watched = Watched::new(MACHINES).await;
    let app = &watched.app;
    let machine = Machine::new(app).await;
    let (client, disable) = (Some("machine"), "/api/v1/organizations/{id}/disable-fly-auth");
    let secret = "kD8-wq9Z-1mn7Pq-x4f2a9c07e1b3d586";
    let leo = as_fly(app, "leo");
    let named = json!({ "acting_user": { "sub": "nobody" }, "password": secret });
    for (body, refused, reason) in [
        (&leo, (403, "not_an_admin"), ""),
        (&json!({ "acting_user": { "sub": "nobody" } }), (403, "not_a_member"), ""),
        (&json!({ "acting_user": {} }), (400, "invalid_request"), "The acting person is named by one of"),
        (&named, (400, "invalid_request"), "unknown field"),
        (&json!({ "acting_user": secret }), (400, "invalid_request"), "invalid type"),
        (&json!([]), (400, "invalid_request"), "The body is not what this address takes"),
    ] {
        watched.problem(&machine.post(DISABLE, body).await, disable, refused, client, reason);
    }
    let answer = machine.raw(DISABLE, "text/plain", secret).await;
    watched.problem(&answer, disable, (415, "unsupported_media_type"), client, "");
    let answer = machine.raw(DISABLE, "application/json", &format!("{{\"{secret}\"")).await;
    watched.problem(&answer, disable, (400, "invalid_request"), client, "The body");
    let answer = machine.ask("POST", DISABLE, Some(&as_fly(app, "ines")), &[("idempotency-key", "")]).await;
    watched.problem(&answer, disable, (400, "invalid_idempotency_key"), client, "");
    let answer = machine.get("/api/v1/organizations/nobodys").await;
    watched.problem(&answer, ROUTE, (404, "no_such_organization"), client, "");
    let log = watched.lines.text();
    assert!(!log.contains(secret) && !log.contains("kD8-"), "what was sent is in the log");
}
