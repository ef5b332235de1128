//! Disable, enable, resend: what is recorded, and every refusal. Whatever is refused changes nothing.

use std::time::Duration;

use flybridge::clock::Clock as _;
use flybridge::domain::audit::AuditKind;
use flybridge::domain::ids::OrganizationId;
use flybridge::domain::member::{LeftOut, Member, Role};
use flybridge::domain::organization::LoginMethod;
use flybridge::store::keys;
use serde_json::{Value, json};

use super::{DISABLE, ENABLE, Machine, ORGANIZATION, as_fly, good, problem, program, run_path};
use crate::support::answer::Answer;
use crate::support::app::TestApp;

const SECOND: Duration = Duration::from_secs(1);

/// Nothing of the organization, of its runs and of jobs is different.
async fn nothing_changes(app: &TestApp, asking: impl Future<Output = Answer>) -> Answer {
    // A mark tells workers to look, and they find nothing.
    let kept = || app.dump_but_limits().without("mark/");
    let before = kept();
    let answer = asking.await;
    assert_eq!(kept(), before, "{}", answer.said());
    answer
}

async fn audit(app: &TestApp, kind: AuditKind) -> Vec<(String, bool, Option<String>, String)> {
    let log = app.program.directory.audit_log(&app.organization("saltmarsh-labs"), None, 500).await.unwrap();
    let entries = log.into_iter().rev().map(|entry| entry.value).filter(|entry| entry.kind == kind);
    entries.map(|entry| (entry.who.name, entry.who.user.is_some(), entry.from, entry.detail)).collect()
}

async fn method(app: &TestApp) -> LoginMethod {
    let found = app.program.directory.organization(&app.organization("saltmarsh-labs")).await.unwrap();
    found.unwrap().value.login_method
}

/// Sets what is kept of a membership.
async fn put_member(app: &TestApp, who: &str, change: impl FnOnce(Member) -> Member) {
    let organization: OrganizationId = app.organization("saltmarsh-labs");
    let member = change(app.member(who, "saltmarsh-labs").await);
    let mut txn = app.store.txn(keys::org(&organization));
    txn.put(&keys::member(&organization, &member.user.clone()), &member).unwrap();
    let _ = app.store.commit(txn).await.unwrap();
}

#[tokio::test]
async fn the_person_and_the_client_are_written_down() {
    let app = program().await;
    let machine = Machine::new(&app).await;
    let begun = good(&machine.post(DISABLE, &as_fly(&app, "ines")).await, 202, "Disabled");
    assert_eq!(begun["outcome"], "begun");
    let from = Some("127.0.0.1".to_owned());
    let detail = "Fly.io to email and password; generation 1 to 2; through the client machine, without asking Fly.io";
    let left = ("Ines Marlow".to_owned(), true, from.clone(), detail.to_owned());
    assert_eq!(audit(&app, AuditKind::LoginMethodChanged).await, std::slice::from_ref(&left));
    let run = good(&machine.get(&run_path(&begun)).await, 200, "Run");
    assert_eq!(run["by"], json!({ "id": app.user("ines").await.id, "name": "Ines Marlow" }));

    app.advance(SECOND);
    let sub = json!({ "acting_user": { "sub": app.user("chloe").await.id } });
    let back = good(&machine.post(ENABLE, &sub).await, 200, "Enabled");
    assert_eq!(back["outcome"], "enabled");
    let detail = "email and password to Fly.io; generation 2 to 3; through the client machine, without asking Fly.io";
    let back = ("Chloé Martin".to_owned(), true, from, detail.to_owned());
    assert_eq!(audit(&app, AuditKind::LoginMethodChanged).await, [left, back]);
    app.work().await;
}

#[tokio::test]
async fn a_person_whom_the_client_vouches_for_need_not_be_known_as_an_admin() {
    let app = program().await;
    let machine = Machine::new(&app).await;
    let leo = app.fly.world().person("leo").unwrap().user_id.clone();
    for (acting, name, known) in [
        (json!({ "name": " Dana Whitfield " }), "Dana Whitfield", false),
        (json!({ "fly_user_id": "somebody-else", "name": "Dana Whitfield" }), "Dana Whitfield", false),
        (json!({ "fly_user_id": leo, "name": "another name" }), "Leo Brandt", true),
        (json!({ "sub": app.user("hana").await.id }), "Hana Sato", true),
    ] {
        let body = json!({ "acting_user": acting, "vouched": true });
        let begun = good(&machine.post(DISABLE, &body).await, 202, "Disabled");
        let written = audit(&app, AuditKind::LoginMethodChanged).await.pop().unwrap();
        assert_eq!((written.0.as_str(), written.1), (name, known));
        let end = "; through the client machine, which vouches for the person, without asking Fly.io";
        assert!(written.3.ends_with(end), "{}", written.3);
        let run = good(&machine.get(&run_path(&begun)).await, 200, "Run");
        assert_eq!((&run["by"]["name"], run["by"]["id"].is_null()), (&json!(name), !known));
        app.advance(SECOND);
        good(&machine.post(ENABLE, &body).await, 200, "Enabled");
        app.work().await;
        app.advance(SECOND);
    }
}

#[tokio::test]
async fn who_is_no_admin_changes_nothing() {
    let app = program().await;
    let machine = Machine::new(&app).await;
    let nobody = json!({ "acting_user": { "fly_user_id": "nobody" } });
    let no_id = json!({ "acting_user": { "sub": "no id/of ours" } });
    for path in [DISABLE, ENABLE] {
        for (body, code) in [
            (&as_fly(&app, "leo"), "not_an_admin"),
            (&as_fly(&app, "hana"), "not_a_member"),
            (&nobody, "not_a_member"),
            (&no_id, "not_a_member"),
        ] {
            problem(&nothing_changes(&app, machine.post(path, body)).await, 403, code);
        }
    }
    put_member(&app, "ines", |member| Member { absent_since: Some(app.clock.now()), ..member }).await;
    let told = problem(&machine.post(DISABLE, &as_fly(&app, "ines")).await, 403, "not_a_member");
    assert_eq!(told["detail"], "Fly.io no longer named the organization for the acting person.");
    let left_out = Some(LeftOut { at: app.clock.now(), by: "Ines".to_owned() });
    put_member(&app, "chloe", |member| Member { left_out, ..member }).await;
    let told = problem(&machine.post(DISABLE, &as_fly(&app, "chloe")).await, 403, "not_a_member");
    assert!(told["detail"].as_str().unwrap().contains("left out on purpose"), "{told}");
    let vouched = json!({ "vouched": true, "acting_user": as_fly(&app, "chloe")["acting_user"] });
    problem(&machine.post(DISABLE, &vouched).await, 403, "not_a_member");
    put_member(&app, "chloe", |member| Member { role: Role::Member, left_out: None, ..member }).await;
    problem(&machine.post(DISABLE, &as_fly(&app, "chloe")).await, 403, "not_an_admin");
    assert_eq!(method(&app).await, LoginMethod::Fly);
}

#[tokio::test]
async fn a_body_of_another_shape_is_refused() {
    let app = program().await;
    let machine = Machine::new(&app).await;
    let long = "x".repeat(101);
    for body in [
        json!(null),
        json!([]),
        json!({}),
        json!({ "acting_user": "ines" }),
        json!({ "acting_user": {} }),
        json!({ "acting_user": {}, "vouched": true }),
        json!({ "acting_user": { "email": "ines@customer.fly.io" } }),
        json!({ "acting_user": { "fly_user_id": "a", "sub": "b" } }),
        json!({ "acting_user": { "name": "Dana" } }),
        json!({ "acting_user": { "name": "Dana" }, "vouched": "true" }),
        json!({ "acting_user": { "name": " " }, "vouched": true }),
        json!({ "acting_user": { "name": "Da\nna" }, "vouched": true }),
        json!({ "acting_user": { "name": long }, "vouched": true }),
        json!({ "acting_user": { "fly_user_id": "nobody" }, "vouched": true }),
        json!({ "acting_user": { "fly_user_id": "nobody" }, "slug": "saltmarsh-labs" }),
    ] {
        for path in [DISABLE, ENABLE] {
            problem(&nothing_changes(&app, machine.post(path, &body)).await, 400, "invalid_request");
        }
    }
    let twice = r#"{"acting_user":{"sub":"a"},"vouched":false,"vouched":true}"#;
    for (kind, text, code) in [
        ("application/json", "{", (400, "invalid_request")),
        ("application/json", "", (400, "invalid_request")),
        ("application/json", twice, (400, "invalid_request")),
        ("text/plain", "{}", (415, "unsupported_media_type")),
        ("application/x-www-form-urlencoded", "acting_user=ines", (415, "unsupported_media_type")),
        ("", "{}", (415, "unsupported_media_type")),
    ] {
        let answer = machine.raw(DISABLE, kind, text).await;
        problem(&answer, code.0, code.1);
    }
    let answer = machine.raw(DISABLE, "Application/JSON; charset=utf-8", "{}").await;
    problem(&answer, 400, "invalid_request");
}

#[tokio::test]
async fn an_organization_is_named_by_its_short_name_or_its_id() {
    let app = program().await;
    let machine = Machine::new(&app).await;
    let id = app.organization("saltmarsh-labs");
    let by_slug = good(&machine.get(ORGANIZATION).await, 200, "Organization");
    let by_id = good(&machine.get(&format!("/api/v1/organizations/{id}")).await, 200, "Organization");
    assert_eq!(by_slug, by_id);
    assert_eq!((&by_slug["login_method"], &by_slug["members"]), (&json!("fly"), &json!(9)));
    assert_eq!((&by_slug["can_disable_fly_auth"], &by_slug["run"]), (&json!(true), &Value::Null));
    for name in ["nowhere", "UPPER", "a%20b", "%00", &"x".repeat(65)] {
        problem(&machine.get(&format!("/api/v1/organizations/{name}")).await, 404, "no_such_organization");
        let path = format!("/api/v1/organizations/{name}/disable-fly-auth");
        let answer = nothing_changes(&app, machine.post(&path, &as_fly(&app, "ines"))).await;
        problem(&answer, 404, "no_such_organization");
    }
}

#[tokio::test]
async fn a_sponsored_organization_stays_until_a_date() {
    let app = program().await;
    let machine = Machine::new(&app).await;
    let path = "/api/v1/organizations/tideline";
    let told = good(&machine.get(path).await, 200, "Organization");
    assert_eq!((&told["plan"]["kind"], &told["can_disable_fly_auth"]), (&json!("sponsored"), &json!(false)));
    let vouched = json!({ "acting_user": { "name": "Dana" }, "vouched": true });
    for body in [&as_fly(&app, "mateo"), &vouched] {
        let answer = nothing_changes(&app, machine.post(&format!("{path}/disable-fly-auth"), body)).await;
        assert_eq!(problem(&answer, 409, "sponsored")["until"], told["plan"]["until"]);
    }
}

#[tokio::test]
async fn a_second_wish_finds_the_same_run() {
    let app = program().await;
    let machine = Machine::new(&app).await;
    let begun = good(&machine.post(DISABLE, &as_fly(&app, "ines")).await, 202, "Disabled");
    let again = machine.post(DISABLE, &as_fly(&app, "chloe")).await;
    let again = good(&again, 200, "Disabled");
    assert_eq!((&again["outcome"], &again["run"]), (&json!("already_running"), &begun["run"]));
    app.work().await;
    let over = good(&machine.post(DISABLE, &as_fly(&app, "ines")).await, 200, "Disabled");
    assert_eq!((&over["outcome"], &over["run"]), (&json!("already_left"), &begun["run"]));
    assert_eq!(audit(&app, AuditKind::LoginMethodChanged).await.len(), 1);
    // A click finds it too.
    let mut ines = app.browser();
    ines.sign_in_with_fly("ines").await;
    let page = ines.get("/organizations/saltmarsh-labs/auth/disable").await;
    assert!(page.location().ends_with(begun["run"]["id"].as_str().unwrap()));
    let on = good(&machine.post(ENABLE, &as_fly(&app, "ines")).await, 200, "Enabled");
    let still = good(&machine.post(ENABLE, &as_fly(&app, "ines")).await, 200, "Enabled");
    assert_eq!((&on["outcome"], &still["outcome"]), (&json!("enabled"), &json!("already_on")));
    assert_eq!(audit(&app, AuditKind::LoginMethodChanged).await.len(), 2);
    let second = good(&machine.post(DISABLE, &as_fly(&app, "ines")).await, 202, "Disabled");
    assert_ne!(second["run"]["id"], begun["run"]["id"]);
    app.work().await;
}

#[tokio::test]
async fn mail_is_sent_again_to_one_or_to_all_who_are_meant() {
    let app = program().await;
    let machine = Machine::new(&app).await;
    let begun = good(&machine.post(DISABLE, &as_fly(&app, "ines")).await, 202, "Disabled");
    let run = run_path(&begun);
    app.work().await;
    app.new_mails();
    let resend = format!("{run}/resend");
    let wish = |who: &str, name: &str, value: Value| {
        let mut body = as_fly(&app, who);
        body[name] = value;
        body
    };
    let leo = json!(app.user("leo").await.id);
    for (body, status, code) in [
        (wish("leo", "member", leo.clone()), 403, "not_an_admin"),
        (wish("ines", "member", json!(app.user("hana").await.id)), 404, "no_such_member"),
        (wish("ines", "member", json!("no id")), 404, "no_such_member"),
        (wish("ines", "which", json!("everybody")), 400, "invalid_request"),
        (as_fly(&app, "ines"), 400, "invalid_request"),
    ] {
        problem(&nothing_changes(&app, machine.post(&resend, &body)).await, status, code);
    }
    let mut both = wish("ines", "member", leo.clone());
    both["which"] = json!("failed");
    problem(&machine.post(&resend, &both).await, 400, "invalid_request");
    let nowhere = format!("{ORGANIZATION}/disable-runs/01k0000000000000000000000x/resend");
    problem(&machine.post(&nowhere, &wish("ines", "member", leo.clone())).await, 404, "no_such_run");

    let answer = machine.post(&resend, &wish("ines", "member", leo.clone())).await;
    assert_eq!(good(&answer, 202, "Resent")["outcome"], "queued");
    assert!(answer.header("location").ends_with(&run));
    let again = machine.post(&resend, &wish("ines", "member", leo.clone())).await;
    assert_eq!(good(&again, 202, "Resent")["outcome"], "nothing_to_send", "it is on its way");
    app.work().await;
    assert_eq!(app.new_mails().len(), 1);
    app.advance(SECOND);
    let answer = machine.post(&resend, &wish("ines", "which", json!("not_ready"))).await;
    assert_eq!(good(&answer, 202, "Resent")["outcome"], "queued");
    app.work().await;
    assert!(app.new_mails().len() > 1);
    let written = audit(&app, AuditKind::LinkResent).await;
    let end = "; through the client machine, without asking Fly.io";
    assert_eq!(written[0].3, format!("to Leo Brandt{end}"));
    assert_eq!(written[1].3, format!("to all without a password{end}"));

    good(&machine.post(ENABLE, &as_fly(&app, "ines")).await, 200, "Enabled");
    for body in [wish("ines", "member", leo), wish("ines", "which", json!("failed"))] {
        problem(&nothing_changes(&app, machine.post(&resend, &body)).await, 409, "fly_auth_is_on");
    }
    app.work().await;
}
