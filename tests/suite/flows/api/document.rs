//! The description, the routes and what is answered are one: every route and method is described and the other way round,
//! and every status that is described is produced here, in the shape that is described.

use std::collections::BTreeSet;
use std::sync::Arc;

use flybridge::http::api::operations::{self, Operation};
use flybridge::http::error::problem::Code;
use flybridge::http::routes;
use serde_json::{Value, json};

use super::shape::{DESCRIPTION, check_against};
use super::{DISABLE, ENABLE, Machine, as_fly, good, program, run_path};
use crate::support::answer::Answer;
use crate::support::app::TestApp;
use crate::support::browser_client::send;
use crate::support::cut_off::CutOff;

#[test]
fn every_route_is_described_and_everything_described_is_a_route() {
    let routes: BTreeSet<String> =
        routes::machine().iter().flat_map(|r| r.methods.iter().map(|m| format!("{m} {}", r.path))).collect();
    let mut described = BTreeSet::new();
    for (path, item) in DESCRIPTION["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            described.insert(format!("{} {path}", method.to_uppercase()));
            let named: Vec<&Value> = operation["parameters"].as_array().unwrap().iter().collect();
            for part in path.split('/').filter_map(|part| part.strip_prefix('{')) {
                let name = part.trim_end_matches('}');
                assert!(named.iter().any(|p| p["name"] == name && p["in"] == "path"), "{path}");
            }
            assert!(!operation["summary"].as_str().unwrap().is_empty());
        }
    }
    assert_eq!(routes, described);
    let ids: BTreeSet<&str> = operations::all().iter().map(|operation| operation.id).collect();
    assert_eq!(ids.len(), routes.len(), "no id twice");
}

#[tokio::test]
async fn it_is_served_to_everybody() {
    let app = TestApp::new().await;
    let answer = app.browser().get("/api/v1/openapi.json").await;
    assert_eq!(good(&answer, 200, "Description"), *DESCRIPTION);
    assert_eq!(answer.header("cache-control"), "public, max-age=3600");
}

#[test]
fn every_reference_leads_somewhere() {
    fn walk(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(target)) = members.get("$ref") {
                    found.push(target.clone());
                }
                members.values().for_each(|member| walk(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| walk(item, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk(&DESCRIPTION, &mut found);
    assert!(found.len() > 50);
    for target in &found {
        assert!(DESCRIPTION.pointer(target.strip_prefix('#').unwrap()).is_some(), "{target}");
    }
    for name in DESCRIPTION["components"]["schemas"].as_object().unwrap().keys() {
        let target = format!("#/components/schemas/{name}");
        assert!(found.contains(&target), "{name} is used nowhere");
    }
}

/// A program in which everything that is described can happen.
struct Scene {
    app: TestApp,
    machine: Machine,
    /// The same, once the store cannot be reached.
    cut_off: Machine,
    /// The newest run of Saltmarsh Labs, and one that is over because Fly.io is on again.
    run: String,
    reverted: String,
}

async fn scene() -> Scene {
    let app = program().await;
    let machine = Machine::new(&app).await;
    let ines = as_fly(&app, "ines");
    let reverted = run_path(&good(&machine.post(DISABLE, &ines).await, 202, "Disabled"));
    app.work().await;
    good(&machine.post(ENABLE, &ines).await, 200, "Enabled");
    let run = String::new();
    let store = CutOff::until_cut(&app.store);
    let node = app.node(Arc::clone(&store) as _, app.clock.clone()).await;
    let cut_off = machine.at(&routes::router(&node.app));
    store.cut();
    Scene { app, machine, cut_off, run, reverted }
}

impl Scene {
    /// Has the organization leave, if it has not left.
    async fn leave(&mut self) {
        let answer = self.machine.post(DISABLE, &as_fly(&self.app, "ines")).await;
        self.run = run_path(&answer.json());
    }

    fn path(&self, operation: &Operation) -> String {
        let run = self.run.rsplit('/').next().unwrap();
        operation.path.replace("{id}", "saltmarsh-labs").replace("{run}", run)
    }

    fn body(&self, operation: &Operation, who: &str) -> Value {
        let mut body = as_fly(&self.app, who);
        if operation.body == Some("Resend") {
            body["which"] = json!("failed");
        }
        body
    }

    /// The operation by this client at this place, with these headers.
    async fn ask(&self, by: &Machine, operation: &Operation, path: &str, headers: &[(&str, &str)]) -> Answer {
        let body = operation.body.map(|_| self.body(operation, "ines"));
        by.ask(operation.method.as_str(), path, body.as_ref(), headers).await
    }

    /// What leads to this problem.
    async fn produce(&self, operation: &Operation, code: Code) -> Answer {
        let (machine, path) = (&self.machine, self.path(operation));
        let with = async |authorization: &str| {
            let other = Machine { authorization: authorization.to_owned(), ..machine.clone() };
            self.ask(&other, operation, &path, &[]).await
        };
        match code {
            Code::InvalidRequest => {
                self.ask(machine, operation, &path, &[("authorization", &machine.authorization)]).await
            }
            Code::MissingToken => {
                let request = axum::http::Request::builder().method(operation.method.clone()).uri(&path);
                send(&machine.router, request.body(axum::body::Body::empty()).unwrap()).await
            }
            Code::InvalidToken => with("Bearer x").await,
            Code::InvalidDpopProof => {
                let token = super::access::bound(&self.app, &crate::support::dpop::Holder::new()).await;
                with(&format!("DPoP {token}")).await
            }
            Code::InsufficientScope => {
                let all = ["organizations:read", "organizations:disable"];
                let other = all.into_iter().find(|scope| *scope != operation.scope.unwrap().as_str());
                with(&Machine::of(&self.app, "machine", other).await.authorization).await
            }
            Code::NoSuchOrganization => {
                self.ask(machine, operation, &path.replace("saltmarsh-labs", "nowhere"), &[]).await
            }
            Code::NoSuchRun => {
                let run = self.run.rsplit('/').next().unwrap();
                self.ask(machine, operation, &path.replace(run, "nowhere"), &[]).await
            }
            Code::Unavailable => self.ask(&self.cut_off, operation, &path, &[]).await,
            _ => self.produce_change(operation, &path, code).await,
        }
    }

    async fn produce_change(&self, operation: &Operation, path: &str, code: Code) -> Answer {
        let machine = &self.machine;
        match code {
            Code::InvalidIdempotencyKey => self.ask(machine, operation, path, &[("idempotency-key", "")]).await,
            Code::NotAMember => machine.post(path, &self.body(operation, "hana")).await,
            Code::NotAnAdmin => machine.post(path, &self.body(operation, "leo")).await,
            Code::UnsupportedMediaType => machine.raw(path, "text/plain", "{}").await,
            Code::IdempotencyKeyReused => {
                let first = self.ask(machine, operation, path, &[("idempotency-key", operation.id)]).await;
                assert!(first.status.is_success(), "{}", first.said());
                machine.post_once(path, &self.body(operation, "chloe"), operation.id).await
            }
            Code::TooManyRequests => {
                let other = Machine::of(&self.app, "other-machine", None).await;
                loop {
                    let answer = other.raw(path, "text/plain", "{}").await;
                    if answer.status != 415 {
                        return answer;
                    }
                }
            }
            Code::Sponsored => {
                let body = self.body(operation, "mateo");
                machine.post(&path.replace("saltmarsh-labs", "tideline"), &body).await
            }
            Code::NoSuchMember => {
                let mut body = as_fly(&self.app, "ines");
                body["member"] = json!("nobody");
                machine.post(path, &body).await
            }
            Code::FlyAuthIsOn => {
                let path = format!("{}/resend", self.reverted);
                machine.post(&path, &self.body(operation, "ines")).await
            }
            other => panic!("nothing leads to {other:?}"),
        }
    }

    /// What the operation answers with this status when all is well.
    async fn succeed(&self, operation: &Operation, status: u16) -> Answer {
        // Begun anew, where the run is to be begun.
        if (operation.path, status) == (operations::DISABLE, 202) {
            good(&self.machine.post(ENABLE, &as_fly(&self.app, "ines")).await, 200, "Enabled");
        }
        self.ask(&self.machine, operation, &self.path(operation), &[]).await
    }
}

/// The shape that is described for an answer of this operation.
fn described(operation: &Operation, status: u16) -> (&'static str, &'static Value) {
    let method = operation.method.as_str().to_ascii_lowercase();
    let response = &DESCRIPTION["paths"][operation.path][method]["responses"][status.to_string()];
    let (kind, content) = response["content"].as_object().unwrap().iter().next().unwrap();
    (kind, &content["schema"])
}

#[tokio::test]
async fn everything_that_is_described_happens_and_looks_so() {
    let mut scene = scene().await;
    for operation in operations::all() {
        scene.leave().await;
        let mut produced = BTreeSet::new();
        for code in &operation.problems {
            let answer = scene.produce(&operation, *code).await;
            super::problem(&answer, code.status(), code.as_str());
            let (kind, shape) = described(&operation, code.status());
            assert_eq!(answer.header("content-type"), kind);
            check_against(&answer.json(), shape);
            produced.insert(code.status().to_string());
        }
        for expected in &operation.answers {
            let answer = scene.succeed(&operation, expected.status).await;
            assert_eq!(answer.status.as_u16(), expected.status, "{}: {}", operation.id, answer.said());
            let (kind, shape) = described(&operation, expected.status);
            assert_eq!(answer.header("content-type"), kind);
            check_against(&answer.json(), shape);
            assert_eq!(answer.headers.contains_key("location"), expected.status == 202, "{}", operation.id);
            produced.insert(expected.status.to_string());
        }
        let method = operation.method.as_str().to_ascii_lowercase();
        let responses = DESCRIPTION["paths"][operation.path][method]["responses"].as_object().unwrap();
        let described: BTreeSet<String> = responses.keys().filter(|status| *status != "default").cloned().collect();
        assert_eq!(produced, described, "{}", operation.id);
    }
    scene.app.work().await;
}
