//! Who may: clients with a token of their own, the scope and, where it is bound, its key.

use std::time::Duration;

use flybridge::http::api::operations::{self, Operation};
use serde_json::{Value, json};

use super::{DISABLE, Machine, ORGANIZATION, as_fly, good, problem, program};
use crate::support::answer::Answer;
use crate::support::app::TestApp;
use crate::support::dpop::Holder;
use crate::support::relying_party::{Parameters, Rp, Tokens};

/// A run that nobody began.
const RUN: &str = "01k0000000000000000000000x";

fn path(operation: &Operation) -> String {
    operation.path.replace("{id}", "saltmarsh-labs").replace("{run}", RUN)
}

/// The same request, of somebody unknown, to every operation that needs a token.
async fn everywhere(app: &TestApp, machine: &Machine, mut check: impl FnMut(&Answer, &str)) {
    let before = app.dump_but_limits();
    let stranger = json!({ "acting_user": { "sub": "nobody" } });
    for operation in operations::all() {
        let Some(scope) = operation.scope else { continue };
        let body = operation.body.map(|_| &stranger);
        let answer = machine.ask(operation.method.as_str(), &path(&operation), body, &[]).await;
        check(&answer, scope.as_str());
    }
    assert_eq!(app.dump_but_limits(), before);
}

#[tokio::test]
async fn without_a_good_token_nothing_is_told() {
    let app = program().await;
    let mut machine = Machine::new(&app).await;
    let good = machine.authorization.clone();
    for (authorization, code) in [
        ("Bearer x".to_owned(), "invalid_token"),
        (String::new(), "invalid_token"),
        (format!("{good}x"), "invalid_token"),
        (good.replacen("Bearer", "DPoP", 1), "invalid_token"),
        (good.replacen("Bearer", "Basic", 1), "invalid_token"),
    ] {
        machine.authorization = authorization;
        everywhere(&app, &machine, |answer, _| {
            problem(answer, 401, code);
            assert!(answer.header("www-authenticate").contains("error=\"invalid_token\""), "{}", answer.said());
        })
        .await;
    }
    machine.authorization = good;
    app.advance(Duration::from_mins(61));
    everywhere(&app, &machine, |answer, _| drop(problem(answer, 401, "invalid_token"))).await;
}

#[tokio::test]
async fn a_token_stands_for_what_its_scope_says() {
    let app = program().await;
    for (scope, other) in
        [("organizations:read", "organizations:disable"), ("organizations:disable", "organizations:read")]
    {
        let machine = Machine::of(&app, "machine", Some(scope)).await;
        everywhere(&app, &machine, |answer, needed| {
            if needed == other {
                problem(answer, 403, "insufficient_scope");
                let challenge =
                    format!("Bearer realm=\"flybridge\", error=\"insufficient_scope\", scope=\"{other}\"");
                assert_eq!(answer.header("www-authenticate"), challenge);
            } else {
                assert_ne!(answer.json()["code"], "insufficient_scope", "{}", answer.said());
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_token_of_a_person_opens_nothing() {
    let app = program().await;
    let client = app.standard();
    let code = client.code(&mut app.browser(), "ines").await;
    let access = Tokens::of(&client.redeem(&code).await).access;
    let person = Machine { authorization: format!("Bearer {access}"), router: app.router.clone() };
    everywhere(&app, &person, |answer, needed| {
        let told = problem(answer, 403, "insufficient_scope");
        assert!(told["detail"].as_str().unwrap().contains("stands for a person"), "{told}");
        assert!(answer.header("www-authenticate").contains(&format!("scope=\"{needed}\"")));
    })
    .await;
}

/// Tokens of the client that shows a key.
pub(super) async fn bound(app: &TestApp, holder: &Holder) -> String {
    let form = Parameters::of(&[("grant_type", "client_credentials")]);
    let client = Rp::new(app, "bound");
    let (basic, proof) = (client.basic_header(), holder.proof(app, "/oauth/token"));
    let answer = client.form_with("/oauth/token", &form, &[("authorization", &basic), ("dpop", &proof)]).await;
    Tokens::of(&answer).access
}

#[tokio::test]
async fn a_bound_token_needs_its_key() {
    let app = program().await;
    let holder = Holder::new();
    let token = bound(&app, &holder).await;
    let machine = Machine { authorization: format!("DPoP {token}"), router: app.router.clone() };
    let show = async |method: &str, path: &str, body: Option<&Value>, proof: &str| {
        machine.ask(method, path, body, &[("dpop", proof)]).await
    };
    let answer = machine.get(ORGANIZATION).await;
    problem(&answer, 401, "invalid_dpop_proof");
    assert!(answer.header("www-authenticate").starts_with("DPoP error=\"invalid_dpop_proof\""));
    let stolen = Machine { authorization: format!("Bearer {token}"), ..machine.clone() };
    problem(&stolen.get(ORGANIZATION).await, 401, "invalid_token");
    let thief = Holder::of(crate::support::client_key::ClientKey::p256("2"));
    let proof = thief.proof_for(&app, ("GET", ORGANIZATION), &token);
    problem(&show("GET", ORGANIZATION, None, &proof).await, 401, "invalid_token");

    let proof = holder.proof_for(&app, ("GET", ORGANIZATION), &token);
    good(&show("GET", ORGANIZATION, None, &proof).await, 200, "Organization");
    problem(&show("GET", ORGANIZATION, None, &proof).await, 401, "invalid_dpop_proof");
    // A proof is for one method and one address.
    let ines = as_fly(&app, "ines");
    let proof = holder.proof_for(&app, ("GET", DISABLE), &token);
    problem(&show("POST", DISABLE, Some(&ines), &proof).await, 401, "invalid_dpop_proof");
    let proof = holder.proof_for(&app, ("POST", ORGANIZATION), &token);
    problem(&show("POST", DISABLE, Some(&ines), &proof).await, 401, "invalid_dpop_proof");
    let proof = holder.proof_for(&app, ("POST", DISABLE), &token);
    good(&show("POST", DISABLE, Some(&ines), &proof).await, 202, "Disabled");
    app.leave_jobs();
}

#[tokio::test]
async fn a_client_that_changes_too_much_has_to_wait() {
    let app = program().await;
    let machine = Machine::new(&app).await;
    let body = json!({});
    for _ in 0..120 {
        problem(&machine.post(DISABLE, &body).await, 400, "invalid_request");
    }
    let answer = machine.post(DISABLE, &body).await;
    problem(&answer, 429, "too_many_requests");
    assert_eq!(answer.header("retry-after"), "1");
    // It may still look, and others may change.
    good(&machine.get(ORGANIZATION).await, 200, "Organization");
    let other = Machine::of(&app, "other-machine", None).await;
    problem(&other.post(DISABLE, &body).await, 400, "invalid_request");
    app.advance(Duration::from_millis(500));
    problem(&machine.post(DISABLE, &body).await, 400, "invalid_request");
    problem(&machine.post(DISABLE, &body).await, 429, "too_many_requests");
}

#[tokio::test]
async fn addresses_that_there_are_not_answer_in_the_words_of_the_api() {
    let app = program().await;
    let machine = Machine::new(&app).await;
    for path in ["/api/", "/api/v1", "/api/v1/organizations", "/api/v2/organizations/saltmarsh-labs", "/api/v1/x"] {
        problem(&machine.get(path).await, 404, "not_found");
    }
    let answer = machine.ask("DELETE", ORGANIZATION, None, &[]).await;
    problem(&answer, 405, "method_not_allowed");
    assert_eq!(answer.header("allow"), "GET,HEAD");
}
