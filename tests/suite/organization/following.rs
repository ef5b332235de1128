//! The page of a run, its event stream and its JSON.

use std::time::Duration;

use axum::body::Body;
use axum::http::{StatusCode, header};
use flybridge::domain::disable::RowStatus;
use flybridge::domain::ids::RunId;
use flybridge::domain::member::Role;
use flybridge::domain::organization::LoginMethod;
use flybridge::services::disable::ledger::{RowId, Settlement};
use http_body_util::BodyExt as _;
use serde_json::Value;

use super::world::{BASE, Browser, START, World, organization_id};

/// An organization of three that has just left; Zoe has no address.
async fn left() -> (World, Browser, RunId) {
    let world = World::paid().await;
    let ines = world.admin().await;
    world.member("Aiko", Role::Member, Some("aiko@saltmarsh.example")).await;
    world.member("Zoe", Role::Member, None).await;
    let run = world.leave(&ines).await;
    (world, ines, run)
}

fn page(run: &RunId) -> String {
    format!("{BASE}/auth/disable/{run}")
}

/// The next message of a stream as its text; none at its end.
async fn next(body: &mut Body) -> Option<String> {
    let frame = body.frame().await?.unwrap();
    Some(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap())
}

fn data(message: &str) -> Value {
    let line = message.lines().find_map(|line| line.strip_prefix("data: "));
    serde_json::from_str(line.unwrap_or_else(|| panic!("no data in {message:?}"))).unwrap()
}

#[tokio::test]
async fn the_page_tells_totals_and_reasons() {
    let (world, ines, run) = left().await;
    let job = world.take_mail().await;
    let at = START.plus(Duration::from_mins(4));
    let detail = "Their mail server asked us to wait (451).".to_owned();
    let waiting = world.settle(&job, Settlement::Later { at, detail, counts: true }).await;
    let shown = world.get(&ines, &page(&run)).await;
    assert_eq!(shown.attributes("data-state"), ["mailing"]);
    assert_eq!(shown.attributes("data-status"), ["failed", "queued", "queued"], "failed first");
    assert!(shown.text.contains("wait (451). Next try at 14:41, second of 12."), "{}", shown.text);
    assert!(shown.text.contains("data-events=") && shown.text.contains("2 still to go"), "{}", shown.text);
    let queued = world.get(&ines, &format!("{}?status=failed", page(&run))).await;
    assert_eq!(queued.attributes("data-status"), ["failed"]);
    assert_eq!(world.status_of(&run, &waiting).await, RowStatus::Queued);
}

#[tokio::test]
async fn a_finished_run_is_told_with_its_end() {
    let (world, ines, run) = left().await;
    for _ in 0..2 {
        world.pass(Duration::from_secs(30));
        let job = world.take_mail().await;
        world.settle(&job, Settlement::Sent { detail: None }).await;
    }
    let shown = world.get(&ines, &page(&run)).await;
    assert_eq!(shown.attributes("data-state"), ["done"]);
    assert!(shown.text.contains("Done in 1 minute") && shown.text.contains("14:38:02"), "{}", shown.text);
    assert!(!shown.text.contains("data-events="), "nothing is expected to change");
    let mut body = world.open(&ines, &format!("{}/events", page(&run)), &[]).await.into_body();
    let only = next(&mut body).await.expect("a message");
    assert!(only.contains("id: over") && data(&only)["state"] == "done", "{only}");
    assert_eq!(next(&mut body).await, None);
    let again = world.open(&ines, &format!("{}/events", page(&run)), &[("last-event-id", "over")]).await;
    assert_eq!(again.status(), StatusCode::NO_CONTENT, "the browser stops to connect");
}

#[tokio::test]
async fn a_stream_tells_what_changes_and_ends_with_the_run() {
    let (world, ines, run) = left().await;
    let response = world.open(&ines, &format!("{}/events", page(&run)), &[]).await;
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
    let mut body = response.into_body();
    let first = data(&next(&mut body).await.expect("a message"));
    assert_eq!((&first["state"], &first["total"], &first["queued"]), (&"mailing".into(), &3.into(), &2.into()));
    assert_eq!(first["rows"].as_array().map(Vec::len), Some(3));
    // Nothing happens: a comment, so that the connection is kept.
    assert_eq!(next(&mut body).await.as_deref(), Some(": \n\n"));
    let one = world.take_mail().await;
    let taken = data(&next(&mut body).await.expect("a message"));
    assert_eq!((&taken["sending"], &taken["rows"][0]["status"]), (&1.into(), &"sending".into()));
    assert_eq!(taken["rows"].as_array().map(Vec::len), Some(1), "only what has changed");
    let user = world.settle(&one, Settlement::Failed { detail: "No such mailbox (550).".to_owned() }).await;
    let failed = data(&next(&mut body).await.expect("a message"));
    assert_eq!(failed["rows"][0]["member"], user.as_str());
    let detail = failed["rows"][0]["detail"].as_str().unwrap();
    assert!(detail.starts_with("No such mailbox (550). Last try at 14:37."), "{detail}");
    let two = world.take_mail().await;
    world.settle(&two, Settlement::Sent { detail: None }).await;
    let last = next(&mut body).await.expect("a message");
    assert!(last.contains("id: over") && data(&last)["state"] == "done", "{last}");
    assert_eq!(next(&mut body).await, None);
    assert_eq!(world.admin.streams.available_permits(), flybridge::http::organization::MAX_STREAMS);
}

#[tokio::test]
async fn page_stream_and_json_wait_for_the_lease_of_a_dead_worker() {
    let world = World::paid().await;
    let ines = world.admin().await;
    for n in 1..10 {
        world.member(&format!("Member{n}"), Role::Member, Some(&format!("m{n}@saltmarsh.example"))).await;
    }
    let run = world.leave(&ines).await;
    for _ in 0..9 {
        world.pass(Duration::from_secs(1));
        let job = world.take_mail().await;
        world.settle(&job, Settlement::Sent { detail: None }).await;
    }
    let dead = world.take_mail().await;
    let mut body = world.open(&ines, &format!("{}/events", page(&run)), &[]).await.into_body();
    let first = data(&next(&mut body).await.expect("a message"));
    assert_eq!((&first["sending"], &first["remaining"]), (&1.into(), &"a few seconds left".into()));
    let later = data(&next(&mut body).await.expect("a message"));
    assert_eq!((&later["sending"], later["rows"].as_array().map(Vec::len)), (&1.into(), Some(0)), "nothing else");
    let left = later["remaining"].as_str().unwrap();
    assert!(left.starts_with("about ") && left.ends_with("left"), "{left}");
    let status = world.get(&ines, &format!("{}/status", page(&run))).await.json();
    assert_eq!(status["remaining"], left);
    let shown = world.get(&ines, &page(&run)).await;
    assert!(shown.text.contains(&format!("<strong data-live=\"remaining\">{left}</strong>")), "{}", shown.text);
    world.settle(&dead, Settlement::Sent { detail: None }).await;
}

#[tokio::test]
async fn a_stream_ends_after_ten_minutes_and_when_the_program_stops() {
    let (world, ines, run) = left().await;
    let mut body = world.open(&ines, &format!("{}/events", page(&run)), &[]).await.into_body();
    let mut comments = 0;
    next(&mut body).await.expect("a message");
    while let Some(comment) = next(&mut body).await {
        assert_eq!(comment, ": \n\n");
        comments += 1;
    }
    assert_eq!(comments, 40, "every 15 seconds for 10 minutes");
    let mut body = world.open(&ines, &format!("{}/events", page(&run)), &[]).await.into_body();
    next(&mut body).await.expect("a message");
    world.stop.send_replace(true);
    assert_eq!(next(&mut body).await, None);
}

#[tokio::test]
async fn streams_have_a_limit() {
    let (world, ines, run) = left().await;
    let all = u32::try_from(flybridge::http::organization::MAX_STREAMS).unwrap();
    let taken = world.admin.streams.try_acquire_many(all).unwrap();
    let full = world.open(&ines, &format!("{}/events", page(&run)), &[]).await;
    assert_eq!(full.status(), StatusCode::SERVICE_UNAVAILABLE);
    drop(taken);
    let open = world.open(&ines, &format!("{}/events", page(&run)), &[]).await;
    assert_eq!(open.status(), StatusCode::OK);
}

#[tokio::test]
async fn the_same_as_json_in_parts() {
    let (world, ines, run) = left().await;
    let status = format!("{}/status", page(&run));
    let bare = world.get(&ines, &status).await.json();
    assert_eq!((&bare["total"], &bare["failed"], bare.get("members")), (&3.into(), &1.into(), None));
    let mut seen = Vec::new();
    let mut after = String::new();
    loop {
        let part = world.get(&ines, &format!("{status}?limit=2&after={after}")).await.json();
        seen.extend(part["members"].as_array().unwrap().iter().map(|member| member["name"].to_string()));
        match part.get("next") {
            Some(next) => next.as_str().unwrap().clone_into(&mut after),
            None => break,
        }
    }
    seen.sort();
    assert_eq!(seen, ["\"Aiko\"", "\"Ines\"", "\"Zoe\""]);
}

#[tokio::test]
async fn a_script_without_a_session_is_told_so() {
    let (world, ines, run) = left().await;
    world.pass(Duration::from_hours(2));
    for page in [format!("{}/status", page(&run)), format!("{}/events", page(&run))] {
        let answer = world.get(&ines, &page).await;
        assert_eq!(
            (answer.status, answer.json()["error"].as_str()),
            (StatusCode::UNAUTHORIZED, Some("sign_in_required"))
        );
    }
}

#[tokio::test]
async fn mails_are_sent_again_to_one_or_all() {
    let (world, ines, run) = left().await;
    let job = world.take_mail().await;
    let user = world.settle(&job, Settlement::Failed { detail: "No such mailbox (550).".to_owned() }).await;
    let resend = format!("{}/resend", page(&run));
    assert_eq!(world.post_bare(&ines, &resend, &[("member", user.as_str())]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(world.status_of(&run, &user).await, RowStatus::Failed);
    assert_eq!(world.post(&ines, &resend, &[("all", "everybody")]).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(world.post(&ines, &resend, &[("member", user.as_str())]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(world.status_of(&run, &user).await, RowStatus::Failed, "the form says nothing of when it was shown");
    let answer = world.resend(&ines, &page(&run), ("member", user.as_str())).await;
    assert_eq!(
        (answer.status, answer.location),
        (StatusCode::SEE_OTHER, format!("{}?resent={user}&asked={}", page(&run), START.as_seconds()))
    );
    assert_eq!(world.status_of(&run, &user).await, RowStatus::Queued);
    let jobs = [world.take_mail().await, world.take_mail().await];
    for job in &jobs {
        world.settle(job, Settlement::Failed { detail: "No such mailbox (550).".to_owned() }).await;
    }
    world.resend(&ines, &page(&run), ("all", "failed")).await;
    world.walk_again().await;
    let totals = world.admin.disable.totals(&organization_id(), &run).await.unwrap();
    assert_eq!((totals.queued, totals.failed), (2, 1), "nobody has an address for Zoe");
    assert!(totals.add_up());
}

#[tokio::test]
async fn a_mail_that_fails_after_its_reader_set_a_password_asks_nobody_for_help() {
    for (before_the_switch, status) in
        [(Duration::ZERO, RowStatus::Cancelled), (Duration::from_secs(1), RowStatus::Failed)]
    {
        let (world, ines, run) = left().await;
        let job = world.take_mail().await;
        let user = RowId::of(&job.payload().mail).unwrap().user;
        let totals = async || {
            let totals = world.admin.disable.totals(&organization_id(), &run).await.unwrap();
            assert!(totals.add_up(), "{totals:?}");
            totals
        };
        let set_at = START.minus(before_the_switch);
        world.admin.disable.note_password(&organization_id(), &user, set_at).await.unwrap();
        assert_eq!((totals().await.sending, totals().await.ready), (1, 1));
        world.settle(&job, Settlement::Failed { detail: "No such mailbox (550).".to_owned() }).await;
        assert_eq!(world.status_of(&run, &user).await, status);
        let failed = if status == RowStatus::Failed { 2 } else { 1 };
        assert_eq!((totals().await.failed, totals().await.ready), (failed, 1));
        // A password from before tells nobody of the switch: there is a mail to send still.
        world.resend(&ines, &page(&run), ("member", user.as_str())).await;
        let queued = if status == RowStatus::Failed { RowStatus::Queued } else { RowStatus::Cancelled };
        assert_eq!(world.status_of(&run, &user).await, queued);
        assert_eq!(totals().await.ready, 1);
    }
}

#[tokio::test]
async fn an_admin_with_a_password_looks_after_the_run_too() {
    let (world, ines, run) = left().await;
    let ines = world.sign_in(ines.user, LoginMethod::Password).await;
    assert_eq!(world.get(&ines, &page(&run)).await.status, StatusCode::OK);
    let settings = world.get(&ines, &format!("{BASE}/auth")).await;
    assert!(settings.text.contains("data-method=\"password\"") && settings.text.contains(&page(&run)));
}
