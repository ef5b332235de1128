//! The main job: an organization leaves Fly.io, its people set passwords, and everybody stays who they are.

use flybridge::demo::world::{BRAMS_PASSWORD, SALTMARSH};

use super::post::PostOffice;
use super::visit::{Account, Visit};
use super::{admin, member};
use crate::support::chromium::{DESKTOP, PHONE, View, run};

#[test]
fn on_a_desktop() {
    run(leaving(DESKTOP));
}

#[test]
fn on_a_phone() {
    run(leaving(PHONE));
}

/// Who people are at Sentry through Fly.io, before anything changes.
struct Before {
    ines: Account,
    leo: Account,
    tomas: Account,
    bram: Account,
    jun: Account,
}

async fn leaving(view: View) {
    let post = PostOffice::open().await;
    let visit = Visit::with_settings(view, &post.settings()).await;
    let before = before(&visit).await;
    let run_page = admin_leaves(&visit, &post).await;
    members_follow(&visit, &before).await;
    member::belongs_to_two(&visit, &before.jun).await;
    member::others_stay(&visit).await;
    admin_comes_back(&visit, &before.ines, &run_page).await;
}

async fn before(visit: &Visit) -> Before {
    let through_fly = async |who: &str| {
        let account = visit.sign_in_with_fly(who).await;
        visit.sign_out_everywhere().await;
        account
    };
    let (leo, tomas) = (through_fly("leo").await, through_fly("tomas").await);
    let (bram, jun) = (through_fly("bram").await, through_fly("jun").await);
    Before { leo, tomas, bram, jun, ines: visit.sign_in_with_fly("ines").await }
}

/// Ines is signed in at Sentry. Returns where the page of the run is.
async fn admin_leaves(visit: &Visit, post: &PostOffice) -> String {
    admin::settings(visit).await;
    admin::preview(visit).await;
    admin::wrong_confirmation(visit).await;
    admin::marks_and_test_mail(visit).await;
    post.hold(&[member::address("leo"), member::address("tomas")]);
    admin::confirm(visit).await;
    admin::watch(visit, post).await;
    // Bram has had a password all along.
    admin::totals(visit, 1).await;
    let run_page = visit.browser.url().await;
    visit.sign_out_everywhere().await;
    run_page
}

async fn members_follow(visit: &Visit, before: &Before) {
    let leo = member::set_up_by_mail(visit, "leo").await;
    assert_eq!(leo.identity(), before.leo.identity());
    assert_eq!(leo.organizations, [SALTMARSH]);
    visit.sign_out_everywhere().await;
    let leo = member::sign_in_with_password(visit, "leo").await;
    assert_eq!(leo.identity(), before.leo.identity());
    assert!(leo.recognized);
    visit.sign_out_everywhere().await;

    let tomas = member::set_up_on_the_spot(visit, "tomas").await;
    assert_eq!(tomas.identity(), before.tomas.identity());
    visit.sign_out_everywhere().await;

    member::is_told_to_use_the_password(visit, "bram").await;
    visit.fill_password_form(&member::address("bram"), BRAMS_PASSWORD).await;
    assert_eq!(visit.account().await.identity(), before.bram.identity());
    visit.sign_out_everywhere().await;
}

/// Ines turns Fly.io on again. Priya's link, which nobody has used, opens nothing any more.
async fn admin_comes_back(visit: &Visit, before: &Account, run_page: &str) {
    let browser = &visit.browser;
    visit.follow_mail(&member::address("ines"), member::SUBJECT).await;
    let ines = member::set_password(visit).await;
    assert_eq!(ines.identity(), before.identity());
    admin::members_and_audit(visit).await;
    admin::enable(visit, run_page).await;
    visit.sign_out_everywhere().await;

    visit.follow_mail(&member::address("priya"), member::SUBJECT).await;
    assert_eq!(browser.text("#error-title").await, "You do not need this link");
    assert_eq!(browser.count("#setup-form, #renew-form").await, 0);
    browser.look("set-up-not-needed").await;

    let ines = visit.sign_in_with_fly("ines").await;
    assert_eq!(ines.identity(), before.identity());
    assert_eq!(ines.organizations, [SALTMARSH]);
}
