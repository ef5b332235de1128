//! Whole lists to take away.

use std::time::Duration;

use serde_json::Value;

use crate::support::app::TestApp;

#[tokio::test]
async fn the_ledger_as_csv() {
    let app = TestApp::new().await;
    app.fly.change(|world| {
        let leo = world.people.iter_mut().find(|person| person.key == "leo").unwrap();
        leo.name = "=cmd|' /C calc'!A0, \"Leo\"".to_owned();
    });
    let mut leo = app.browser();
    leo.sign_in_with_fly("leo").await;
    let (mut ines, run) = app.leave().await;
    assert!(ines.get(&run).await.text().contains(&format!("{run}/members.csv")));
    let answer = ines.get(&format!("{run}/members.csv")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "text/csv; charset=utf-8; header=present");
    let id = run.rsplit('/').next().unwrap();
    assert_eq!(answer.header("content-disposition"), format!("attachment; filename=\"saltmarsh-labs-{id}.csv\""));
    assert_eq!(answer.header("cache-control"), "no-store");
    let text = answer.text();
    let listed: Vec<&str> = text.split_terminator("\r\n").collect();
    assert_eq!(listed.len(), 10, "{text}");
    assert!(listed[0].starts_with("member,name,address,mail,kind,attempts,"), "{}", listed[0]);
    let columns = listed[0].split(',').count();
    let of = |who: &str| listed.iter().find(|line| line.contains(&app.address(who))).unwrap().to_string();
    assert!(of("leo").contains(",\"'=cmd|' /C calc'!A0, \"\"Leo\"\"\","), "{}", of("leo"));
    let priyas = of("priya");
    assert!(priyas.contains(",sent,set-up,1,0,2027-") && priyas.split(',').count() == columns, "{priyas}");
    assert!(of("bram").contains(",has-password,"));
    assert!(listed.iter().any(|line| line.contains(",failed,unreachable,0,0,")));
}

#[tokio::test]
async fn a_list_of_more_than_one_page_is_whole() {
    let app = super::disable::crowd_of(1_100).await;
    let (mut ines, run) = app.leave().await;
    let text = ines.get(&format!("{run}/members.csv")).await.text();
    assert_eq!(text.lines().count(), 1_101);
    let ids: std::collections::BTreeSet<&str> =
        text.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(ids.len(), 1_100);
}

#[tokio::test]
async fn the_audit_log_as_json_lines() {
    let app = TestApp::new().await;
    let mut ines = app.browser();
    ines.sign_in_with_fly("ines").await;
    app.advance(Duration::from_secs(1));
    let page = "/organizations/saltmarsh-labs/audit";
    assert!(ines.get(page).await.text().contains(&format!("{page}.jsonl")));
    let answer = ines.get(&format!("{page}.jsonl")).await;
    assert_eq!(answer.header("content-type"), "application/jsonl; charset=utf-8");
    assert_eq!(answer.header("content-disposition"), "attachment; filename=\"saltmarsh-labs-audit.jsonl\"");
    let listed: Vec<Value> = answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let log = app.program.directory.audit_log(&app.organization("saltmarsh-labs"), None, 1_000).await.unwrap();
    assert_eq!(listed.len(), log.len());
    // Several things happened in the same moment.
    let last =
        listed.iter().find(|line| line["kind"] == "signed-in" && line["who"]["name"] == "Ines Marlow").unwrap();
    assert_eq!(last["who"]["user"], app.user("ines").await.id.as_str());
    assert_eq!(last["from"], "192.0.2.1");
    assert!(last["at"].as_str().unwrap().ends_with('Z'));
}
