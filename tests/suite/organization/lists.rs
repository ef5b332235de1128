//! Members and audit log.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::http::StatusCode;
use flybridge::domain::member::{Member, Role};
use flybridge::domain::organization::LoginMethod;
use flybridge::services::disable::ledger::Settlement;
use flybridge::store::{Outcome, keys};

use super::world::{BASE, World, organization_id};

#[tokio::test]
async fn members_by_name_in_pages() {
    let world = World::paid().await;
    let ines = world.admin().await;
    for n in 0..60 {
        world.member(&format!("M{n:02}"), Role::Member, Some(&format!("m{n}@saltmarsh.example"))).await;
    }
    let members = format!("{BASE}/members");
    let first = world.get(&ines, &members).await;
    assert_eq!(first.status, StatusCode::OK);
    assert_eq!(first.attributes("data-member").len(), 50);
    assert_eq!(first.attributes("data-member")[0], ines.user.id.as_str());
    assert!(first.text.contains("1 to 50 of 61") && first.text.contains("href=\"?after=50\""), "{}", first.text);
    let second = world.get(&ines, &format!("{members}?after=50")).await;
    assert_eq!(second.attributes("data-member").len(), 11);
    assert!(second.text.contains("51 to 61 of 61") && second.text.contains("rel=\"prev\""));
    let found = world.get(&ines, &format!("{members}?q=m05&role=member")).await;
    assert_eq!(found.attributes("data-member").len(), 1);
    assert!(world.get(&ines, &format!("{members}?role=admin&q=m05")).await.text.contains("Nobody fits"));
}

#[tokio::test]
async fn an_address_to_which_mail_failed_is_marked() {
    let world = World::paid().await;
    let ines = world.admin().await;
    world.leave(&ines).await;
    let job = world.take_mail().await;
    world.settle(&job, Settlement::Failed { detail: "No such mailbox (550).".to_owned() }).await;
    let ines = world.sign_in(ines.user, LoginMethod::Password).await;
    let page = world.get(&ines, &format!("{BASE}/members")).await;
    assert!(page.text.contains("<span class=\"badge failed\">unreachable</span>"), "{}", page.text);
}

#[tokio::test]
async fn the_log_is_newest_first_and_can_be_searched() {
    let world = World::paid().await;
    world.pass(Duration::from_millis(1));
    let ines = world.admin().await;
    for n in 0..60 {
        world.member(&format!("M{n:02}"), Role::Member, None).await;
        world.pass(Duration::from_millis(1));
    }
    let audit = format!("{BASE}/audit");
    let first = world.get(&ines, &audit).await;
    assert_eq!(first.attributes("data-kind").len(), 50);
    assert!(first.text.contains("50 events, the newest of 22 November 2026, 14:37"), "{}", first.text);
    let place = |text: &str| first.text.find(text).unwrap_or_else(|| panic!("{text} is missing"));
    assert!(place("M59") < place("M58") && place("M58") < place("M10"));
    let older =
        first.attributes("href").into_iter().find(|url| url.contains("after=")).expect("older ones").to_owned();
    let second = world.get(&ines, &format!("{audit}{older}")).await;
    assert_eq!(second.attributes("data-kind").len(), 12);
    assert_eq!(second.attributes("data-kind").last(), Some(&"organization-added"));
    assert!(second.text.contains("rel=\"prev\"") && !second.text.contains("rel=\"next\""));
    let found = world.get(&ines, &format!("{audit}?kind=members&q=m07")).await;
    assert_eq!(found.attributes("data-kind"), ["member-added"]);
    assert!(world.get(&ines, &format!("{audit}?kind=refusals")).await.text.contains("Nothing fits"));
}

/// 6,100 members, written as the store keeps them.
async fn crowd(world: &World) {
    let like = world.member("M", Role::Member, Some("m@saltmarsh.example")).await;
    let like = world.admin.directory.member(&organization_id(), &like.id).await.unwrap().unwrap().value;
    for chunk in 0..61 {
        let mut txn = world.admin.store.txn(keys::org(&organization_id()));
        for n in chunk * 100..chunk * 100 + 100 {
            let user = format!("x{n:05}").parse().unwrap();
            let member = Member { user, name: format!("Crowd {n}"), ..like.clone() };
            txn.put(&keys::member(&organization_id(), &member.user), &member).unwrap();
        }
        txn.add(keys::member_count(&organization_id()), 100);
        assert_eq!(world.admin.store.commit(txn).await.unwrap(), Outcome::Committed);
    }
}

#[tokio::test]
async fn more_members_than_one_look_are_read_piece_by_piece() {
    let world = World::paid().await;
    let ines = world.admin().await;
    crowd(&world).await;
    let members = format!("{BASE}/members");
    let mut seen = BTreeSet::new();
    let mut url = String::new();
    for _ in 0..123 {
        let page = world.get(&ines, &format!("{members}{url}")).await;
        let ids = page.attributes("data-member");
        assert_eq!(ids.iter().filter(|id| seen.insert((**id).to_owned())).count(), ids.len(), "none twice");
        assert!(page.text.contains(" of 6,102, in no particular order"), "{}", page.text);
        match page.attributes("href").into_iter().find(|url| url.contains("after=")) {
            Some(next) => next.clone_into(&mut url),
            None => break,
        }
    }
    assert_eq!(seen.len(), 6_102);
    // The one who is found lies behind the first look.
    let cut = world.get(&ines, &format!("{members}?q=crowd+6099")).await;
    assert!(cut.text.contains("Nobody fits") && cut.text.contains("None among the 5,000 looked at"), "{}", cut.text);
    let on = cut.attributes("href").into_iter().find(|url| url.contains("after=")).expect("a way on").to_owned();
    let found = world.get(&ines, &format!("{members}{}", on.replace("&#38;", "&"))).await;
    assert_eq!(found.attributes("data-member"), ["x06099"]);
}
