//! What an admin asks before the switch, and the look before it answers.

use flybridge::demo::world::{Plan, Role, World};

use crate::support::answer::Answer;
use crate::support::app::{Options, TestApp};

async fn look(app: &TestApp, who: &str, slug: &str) -> Answer {
    let mut browser = app.browser();
    browser.sign_in_with_fly(who).await;
    let page = browser.get(&format!("/organizations/{slug}/auth/disable")).await;
    assert_eq!(page.status, 200, "{}", page.said());
    page
}

/// The line of one member, from their name to the end of their row.
fn line(page: &Answer, app: &TestApp, who: &str) -> String {
    let name = app.fly.change(|world| world.person(who).unwrap().name.clone());
    let html = page.text();
    let rest = &html[html.find(&format!("<th role=\"rowheader\" scope=\"row\">{name}")).unwrap()..];
    rest[..rest.find("</tr>").unwrap()].to_owned()
}

#[tokio::test]
async fn how_many_are_known_since_when_and_who_has_a_password() {
    let app = TestApp::new().await;
    let page = look(&app, "ines", "saltmarsh-labs").await;
    let numbers =
        ["set-up", "has-password", "left-out", "unreachable"].map(|n| page.element(&format!("preview-{n}")));
    assert_eq!(numbers.map(Option::unwrap), ["7", "1", "0", "1"]);
    assert_eq!(page.element("who").unwrap(), "9 members");
    let told = page.element("directory").unwrap();
    assert!(told.contains("Fly.io keeps no directory") && told.contains("last said that a person belongs"), "{told}");
    let bram = line(&page, &app, "bram");
    assert!(bram.contains("has a password") && bram.contains("<time datetime="), "{bram}");
}

#[tokio::test]
async fn who_cannot_be_reached_and_why() {
    let app = TestApp::new().await;
    let page = look(&app, "ines", "saltmarsh-labs").await;
    let noor = line(&page, &app, "noor");
    assert!(noor.contains("unreachable") && noor.contains("Fly.io gave us no address"), "{noor}");
    assert!(page.text().find("Noor").unwrap() < page.text().find("Amara").unwrap(), "they come first");

    assert!(app.fly.change(|world| world.remove_member("leo", "saltmarsh-labs")));
    let mut leo = app.browser();
    let tx = leo.begin(&app.sentry().authorize()).await;
    leo.fly(&tx, "leo").await;
    let page = look(&app, "ines", "saltmarsh-labs").await;
    let leo = line(&page, &app, "leo");
    assert!(leo.contains("unreachable") && leo.contains("no longer named your organization"), "{leo}");
}

#[tokio::test]
async fn what_the_plan_means_for_seats_and_from_when_leaving_is_possible() {
    let app = TestApp::new().await;
    let ended = look(&app, "ines", "saltmarsh-labs").await.element("preview-seats").unwrap();
    assert!(ended.starts_with("Leaving is possible now."), "{ended}");
    assert!(ended.contains("Fly.io sponsored your plan until") && ended.contains("has one seat"), "{ended}");

    let page = look(&app, "mateo", "tideline").await;
    let sponsored = page.element("preview-seats").unwrap();
    assert!(sponsored.starts_with("Leaving is possible from "), "{sponsored}");
    assert!(sponsored.contains("or at once after an upgrade") && sponsored.contains("has one seat"), "{sponsored}");
    assert!(page.shows("why-not") && !page.shows("disable-form"), "{}", page.said());

    let mut world = World::demo();
    world.organizations[0].plan = Plan::Paid;
    let app = TestApp::with(Options { world, ..Options::default() }).await;
    let paid = look(&app, "ines", "saltmarsh-labs").await.element("preview-seats").unwrap();
    assert!(
        paid.starts_with("Leaving is possible now.") && paid.contains("All 9 members keep their seats"),
        "{paid}"
    );
}

#[tokio::test]
async fn what_ends_names_the_rule_of_fly_itself() {
    let app = TestApp::new().await;
    let page = look(&app, "ines", "saltmarsh-labs").await.text();
    let ends = &page[page.find("id=\"ends\"").unwrap()..page.find("id=\"stays\"").unwrap()];
    assert!(ends.contains("rule that members use Google or GitHub"), "{ends}");
    assert!(ends.contains("check with Fly.io that a person still belongs to you"), "{ends}");
}

#[tokio::test]
async fn an_admin_who_could_not_get_back_in_is_warned() {
    let mut world = World::demo();
    world.set_role("noor", "saltmarsh-labs", Role::Admin);
    let app = TestApp::with(Options { world, ..Options::default() }).await;
    assert!(!look(&app, "ines", "saltmarsh-labs").await.shows("self-warning"));
    // Sentry cannot know anybody without an address, so Noor comes to the settings by themselves.
    let mut noor = app.browser();
    let tx = noor.begin("/organizations/saltmarsh-labs/auth/disable").await;
    noor.fly(&tx, "noor").await;
    let page = noor.get("/organizations/saltmarsh-labs/auth/disable").await;
    assert!(page.shows("self-warning"), "{}", page.said());
    assert!(!page.shows("test-mail-form"), "there is nowhere to send it");
}

#[tokio::test]
async fn who_is_left_out_is_recorded_with_the_members_too() {
    let app = TestApp::new().await;
    let mut ines = app.browser();
    ines.sign_in_with_fly("ines").await;
    let path = "/organizations/saltmarsh-labs/auth/disable";
    ines.get(path).await;
    let leo = app.user("leo").await.id.to_string();
    ines.post_form(&format!("{path}/left-out"), &[("out", &leo)]).await.location();
    let page = ines.get("/organizations/saltmarsh-labs/members?q=leo").await;
    let leo = line(&page, &app, "leo");
    assert!(leo.contains("left out") && leo.contains("on purpose, by Ines Marlow"), "{leo}");
}
