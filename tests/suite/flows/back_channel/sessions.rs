//! The record of where a person is signed in, and sessions that go on.

use std::time::Duration;

use flybridge::domain::organization::LoginMethod;
use flybridge::domain::whereabouts::Place;
use flybridge::services::jobs::Jobs;
use flybridge::services::sessions::{Current, Sessions};
use flybridge::store::Store;

use super::{Two, at_once, sid, sign_out};
use crate::support::app::START;
use crate::support::browser_client::Browser;
use crate::support::interrupted::Interrupted;

#[tokio::test]
async fn a_place_is_noted_before_the_code_leaves_and_once() {
    let two = Two::new().await;
    let mut browser = two.app.browser();
    two.rs256().code(&mut browser, "ines").await;
    let noted = two.whereabouts("ines").await.unwrap().places;
    assert_eq!(noted.len(), 1, "the code is not redeemed yet");
    let Place { client, method, until, .. } = &noted[0];
    assert_eq!(
        (client.as_str(), *method, *until),
        ("told-rs256", LoginMethod::Fly, START.plus(Duration::from_hours(14 * 24)))
    );

    let here = |two: &Two| two.app.dump().without("grant/");
    let before = here(&two);
    at_once(&two.rs256(), &mut browser).await;
    assert_eq!(here(&two), before, "the second sign-in at the same client writes its grant alone");
    at_once(&two.es256(), &mut browser).await;
    assert_eq!(two.whereabouts("ines").await.unwrap().places.len(), 2);
}

#[tokio::test]
async fn a_client_that_is_not_told_leaves_no_trace() {
    let two = Two::new().await;
    let mut browser = two.app.browser();
    two.app.standard().tokens(&mut browser, "ines").await;
    assert_eq!(two.whereabouts("ines").await, None);
    sign_out(&mut browser).await;
    assert!(two.app.jobs().is_empty());
}

#[tokio::test]
async fn a_session_that_ends_by_itself_is_told_to_nobody() {
    let two = Two::new().await;
    let (mut browser, ..) = two.signed_in("ines").await;
    browser.keep_everything();
    two.app.advance(Duration::from_hours(14 * 24));
    assert!(!browser.is_signed_in().await);
    assert_eq!(two.whereabouts("ines").await, None);
    let (mut again, _, sid) = two.signed_in("ines").await;
    assert_eq!(two.whereabouts("ines").await.unwrap().places.len(), 1, "what is over was not kept");
    sign_out(&mut again).await;
    two.app.work().await;
    assert_eq!(two.rs.one().claim("sid"), sid);
}

#[tokio::test]
async fn who_signs_in_once_more_in_the_same_browser_is_signed_out_nowhere() {
    let two = Two::new().await;
    let (mut browser, _, first) = two.signed_in("ines").await;
    two.app.advance(Duration::from_hours(20));
    let request = two.es256().request().with("prompt", "login");
    let code = two.es256().code_for(&mut browser, &request, "ines").await;
    let tokens = crate::support::relying_party::Tokens::of(&two.es256().redeem(&code).await);
    assert_eq!(sid(&tokens), first, "to clients it is one session");
    two.app.work().await;
    assert!(two.rs.heard().is_empty() && two.es.heard().is_empty());
    // It goes on for as long as a new one, and so do its places.
    browser.keep_everything();
    for _ in 0..27 {
        two.app.advance(Duration::from_hours(12));
        assert!(browser.is_signed_in().await);
    }
    sign_out(&mut browser).await;
    two.app.work().await;
    assert_eq!((two.rs.one().claim("sid"), two.es.one().claim("sid")), (first.clone(), first));
}

#[tokio::test]
async fn somebody_else_in_the_same_browser_ends_the_session_before() {
    let two = Two::new().await;
    let (mut browser, _, of_ines) = two.signed_in("ines").await;
    browser.sign_in_with_fly("leo").await;
    two.app.work().await;
    let heard = two.rs.one();
    assert_eq!((heard.claim("sub"), heard.claim("sid")), (two.id("ines").await.to_string(), of_ines));
}

/// The sessions of another node, whose store is `store`.
fn sessions_over(two: &Two, store: &Store) -> std::sync::Arc<Sessions> {
    let jobs = Jobs::new(store.clone(), Duration::from_mins(1));
    Sessions::new(store.clone(), jobs, *two.app.program.app.web.sessions.rules())
}

async fn current(two: &Two, browser: &Browser) -> Current {
    let cookie = &browser.cookie("fb_session").unwrap().value;
    two.app.program.app.web.sessions.find(cookie).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_sign_in_at_a_client_during_the_sign_out_is_told_or_comes_to_nothing() {
    let two = Two::new().await;
    let (browser, _, sid) = two.signed_in("ines").await;
    let (here, there) = (std::sync::Arc::clone(&two.app.program.app.web.sessions), current(&two, &browser).await);
    let client = "told-es256".parse().unwrap();

    // The sign-in comes first: the sign-out sees it.
    let (sessions, session, also) = (here.clone(), there.clone(), "told-es256".parse().unwrap());
    let noted = async move { assert!(sessions.note_client(&session, &also).await.unwrap()) };
    let interrupted = Interrupted::new(&two.app.store, "user/", noted);
    sessions_over(&two, &interrupted.store()).end(&there).await.unwrap();
    assert!(interrupted.happened());
    two.app.work().await;
    assert_eq!((two.rs.one().claim("sid"), two.es.one().claim("sid")), (sid.clone(), sid));

    // The sign-out comes first: there is nothing left to sign in with.
    let (browser, ..) = two.signed_in("ines").await;
    let session = current(&two, &browser).await;
    let ended = async move { here.end(&session).await.unwrap() };
    let session = current(&two, &browser).await;
    let interrupted = Interrupted::new(&two.app.store, "user/", ended);
    let noted = sessions_over(&two, &interrupted.store()).note_client(&session, &client).await.unwrap();
    assert!(interrupted.happened() && !noted);
    two.app.work().await;
    assert_eq!((two.rs.heard().len(), two.es.heard().len()), (1, 0));
    assert_eq!(two.whereabouts("ines").await, None);
}
