//! A whole run at the word of a client, from the wish to the last mail, with Fly.io gone.

use std::collections::BTreeSet;

use flybridge::demo::fly::{Endpoint, Fault};
use serde_json::{Value, json};

use super::{DISABLE, ENABLE, Machine, ORGANIZATION, as_fly, good, problem, program, run_path};
use crate::support::app::{ISSUER, TestApp};

/// Fly.io answers nothing any more.
fn fly_is_gone(app: &TestApp) {
    for endpoint in [Endpoint::Token, Endpoint::Info] {
        app.fly.fault(endpoint, Fault::Status { status: 502, retry_after: None });
    }
}

#[track_caller]
fn add_up(run: &Value) -> [i64; 5] {
    let of = |name: &str| run["totals"][name].as_i64().unwrap();
    let parts = ["queued", "sending", "sent", "failed", "cancelled"].map(of);
    assert_eq!(parts.iter().sum::<i64>(), of("members"), "{run}");
    parts
}

/// All members, page by page.
async fn members(machine: &Machine, run: &str, query: &str) -> Vec<Value> {
    let mut next = Some(format!("{run}/members?{query}"));
    let mut all = Vec::new();
    while let Some(path) = next {
        let page = good(&machine.get(&path).await, 200, "Members");
        all.extend(page["members"].as_array().unwrap().iter().cloned());
        next = page["next"].as_str().map(str::to_owned);
    }
    all
}

#[tokio::test]
async fn from_the_wish_to_the_last_mail_and_back() {
    let app = program().await;
    fly_is_gone(&app);
    let machine = Machine::new(&app).await;
    let answer = machine.post_once(DISABLE, &as_fly(&app, "ines"), "3f0b0f9e").await;
    let begun = good(&answer, 202, "Disabled");
    assert_eq!(answer.header("location"), begun["run"]["url"]);
    let path = run_path(&begun);
    let run = good(&machine.get(&path).await, 200, "Run");
    assert_eq!((&run["state"], add_up(&run)), (&json!("switched"), [9, 0, 0, 0, 0]));
    assert_eq!(members(&machine, &path, "").await, Vec::<Value>::new(), "no row is written yet");

    app.work().await;
    let run = good(&machine.get(&path).await, 200, "Run");
    assert_eq!((&run["state"], add_up(&run)), (&json!("done"), [0, 0, 8, 1, 0]));
    assert!(run["mailed_at"].is_string() && run["done_at"].is_string() && run["reverted_at"].is_null());
    assert_eq!(app.new_mails().len(), 9, "everybody whom mail reaches, and the summary");
    // For a person it is the same run.
    let page = begun["run"]["page"].as_str().unwrap().strip_prefix(ISSUER).unwrap();
    assert_eq!(page, format!("/organizations/saltmarsh-labs/auth/disable/{}", run["id"].as_str().unwrap()));

    app.settle_in("leo").await;
    let run = good(&machine.get(&path).await, 200, "Run");
    assert_eq!(run["totals"]["ready"], 2, "Bram had a password");
    let told = good(&machine.get(ORGANIZATION).await, 200, "Organization");
    assert_eq!((&told["login_method"], &told["generation"]), (&json!("password"), &json!(2)));
    assert_eq!((&told["run"], &told["changed"]["by"]["name"]), (&begun["run"], &json!("Ines Marlow")));

    let on = good(&machine.post(ENABLE, &as_fly(&app, "ines")).await, 200, "Enabled");
    assert_eq!(on["outcome"], "enabled");
    app.work().await;
    let run = good(&machine.get(&path).await, 200, "Run");
    assert_eq!((&run["state"], run["reverted_at"].is_string()), (&json!("reverted"), true));
    let told = good(&machine.get(ORGANIZATION).await, 200, "Organization");
    assert_eq!((&told["login_method"], &told["run"]), (&json!("fly"), &begun["run"]));
}

#[tokio::test]
async fn members_are_told_page_by_page_and_by_status() {
    let app = program().await;
    let machine = Machine::new(&app).await;
    let path = run_path(&good(&machine.post(DISABLE, &as_fly(&app, "ines")).await, 202, "Disabled"));
    app.work().await;
    let all = members(&machine, &path, "").await;
    let ids: Vec<&str> = all.iter().map(|member| member["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 9);
    assert!(ids.is_sorted());
    for limit in [1, 2, 3, 4, 8, 9, 10, 500] {
        let first = good(&machine.get(&format!("{path}/members?limit={limit}")).await, 200, "Members");
        assert_eq!(first["members"].as_array().unwrap().len(), limit.min(9), "{limit}");
        assert_eq!(first["next"].is_null(), limit >= 9, "{limit}");
        assert_eq!(members(&machine, &path, &format!("limit={limit}")).await, all, "{limit}");
        let mut parts = Vec::new();
        for status in ["queued", "sending", "sent", "failed", "cancelled"] {
            let found = members(&machine, &path, &format!("limit={limit}&status={status}")).await;
            assert!(found.iter().all(|member| member["status"] == status), "{limit} {found:?}");
            parts.extend(found);
        }
        let parts: BTreeSet<String> = parts.iter().map(Value::to_string).collect();
        assert_eq!(parts, all.iter().map(Value::to_string).collect(), "{limit}");
    }
    let after = members(&machine, &path, &format!("after={}", ids[3])).await;
    assert_eq!(after, all[4..]);
    let failed = members(&machine, &path, "status=failed").await;
    assert_eq!((&failed[0]["mail"], failed[0]["detail"].is_string()), (&json!("unreachable"), true));
    for query in
        ["status=lost", "limit=0", "limit=501", "limit=x", "limit=-1", "after=a/b", "limit=1&limit=2", "after=%ff"]
    {
        problem(&machine.get(&format!("{path}/members?{query}")).await, 400, "invalid_request");
    }
    for run in ["01k0000000000000000000000x", "no%20id", "x"] {
        for rest in ["", "/members"] {
            let path = format!("{ORGANIZATION}/disable-runs/{run}{rest}");
            problem(&machine.get(&path).await, 404, "no_such_run");
        }
    }
    // A run of another organization is none of this one.
    let there = path.replace(app.organization("saltmarsh-labs").as_str(), "harbour-tools");
    problem(&machine.get(&there).await, 404, "no_such_run");
}
