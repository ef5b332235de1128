//! Two tabs, two nodes: what is allowed, taken back and given out at the same moment.

use std::sync::Arc;

use flybridge::clock::Clock;
use flybridge::http::routes;
use flybridge::services::consents::Consents;
use flybridge::services::jobs::Jobs;
use flybridge::store::Store;
use futures_util::future::join_all;

use super::{Outside, allow, asked, asked_at_once, redeemed};
use crate::support::interrupted::Interrupted;
use crate::support::relying_party::refused;

/// The consents of another node, whose store is `store`.
fn consents_over(store: &Store) -> Arc<Consents> {
    Consents::new(store.clone(), Jobs::new(store.clone(), std::time::Duration::from_mins(1)))
}

#[tokio::test]
async fn two_tabs_that_are_asked_at_once_make_one_consent() {
    let outside = Outside::new().await;
    let client = outside.outside();
    let mut browser = outside.app.browser();
    let tx = asked(&mut browser, &client.request().with("scope", "openid email"), "ines").await;
    let mut tabs = vec![(browser.clone(), tx)];
    for scope in ["openid profile", "openid organizations", "openid offline_access"] {
        let mut tab = browser.clone();
        let tx = asked_at_once(&mut tab, &client.request().with("scope", scope)).await;
        tabs.push((tab, tx));
    }
    let answers = join_all(tabs.iter_mut().map(|(tab, tx)| allow(tab, tx))).await;
    for answer in &answers {
        let tokens = redeemed(&client, answer).await;
        assert_eq!(client.userinfo(&tokens.access).await.status, 200);
    }
    assert_eq!(outside.app.dump().named("consent/").len(), 1);
    assert_eq!(outside.kept("ines", &client).await.unwrap().allowed.len(), 5, "each added its own");
}

#[tokio::test]
async fn of_two_first_consents_at_once_one_is_built_on() {
    let outside = Outside::new().await;
    let app = &outside.app;
    app.browser().sign_in_with_fly("ines").await;
    let user = app.user("ines").await.id;
    let client = app.program.app.clients.get("outside").unwrap();
    let both = [flybridge::domain::consent::Permission::Identity, flybridge::domain::consent::Permission::Email];
    let [one, other] = both.map(|permission| [permission].into());
    let first = {
        let (here, user, client) = (Arc::clone(&app.program.app.consents), user.clone(), Arc::clone(&client));
        async move { drop(here.give(&user, &client, &one).await.unwrap()) }
    };
    let interrupted = Interrupted::new(&app.store, "user/", first);
    let id = consents_over(&interrupted.store()).give(&user, &client, &other).await.unwrap();
    assert!(interrupted.happened());
    let kept = outside.kept("ines", &outside.outside()).await.unwrap();
    assert_eq!((kept.id, kept.allowed), (id, both.into()));
}

#[tokio::test]
async fn a_code_that_is_made_while_the_consent_is_taken_back_is_of_no_use() {
    let outside = Outside::new().await;
    let (app, client) = (&outside.app, outside.told());
    let (browser, _) = outside.allowed(&client, "ines").await;
    let taking_back = {
        let (consents, user) = (Arc::clone(&app.program.app.consents), app.user("ines").await.id);
        let told = app.program.app.clients.get("told");
        async move { assert!(consents.remove(&user, &"told".parse().unwrap(), told.as_deref()).await.unwrap()) }
    };
    // The other node has looked at the consent, and is about to write the grant.
    let interrupted = Interrupted::new(&app.store, "grant/", taking_back);
    let clock: Arc<dyn Clock> = Arc::clone(app.store.clock());
    let node = app.node(interrupted.clone(), clock).await;
    let mut there = browser.clone().at(&routes::router(&node.app));
    let code = there.get(&client.authorize()).await.sent_back()["code"].clone();
    assert!(interrupted.happened());
    refused(&client.redeem(&code).await, 400, "invalid_grant");
    app.work().await;
    outside.heard.one();
    let tx = asked_at_once(&mut browser.clone(), &client.request()).await;
    assert_eq!(tx.len(), 12);
}

#[tokio::test]
async fn a_place_that_is_noted_while_the_consent_is_taken_back_is_told() {
    let outside = Outside::new().await;
    let (app, client) = (&outside.app, outside.told());
    outside.allowed(&client, "ines").await;
    // A second session at the client begins at the worst moment.
    let mut second = app.browser();
    second.sign_in_with_fly("ines").await;
    let cookie = second.cookie("fb_session").unwrap().value.clone();
    let sessions = Arc::clone(&app.program.app.web.sessions);
    let current = sessions.find(&cookie).await.unwrap().unwrap();
    let noting = async move { assert!(sessions.note_client(&current, &"told".parse().unwrap()).await.unwrap()) };
    let interrupted = Interrupted::new(&app.store, "user/", noting);
    let user = app.user("ines").await.id;
    let told = app.program.app.clients.get("told");
    let consents = consents_over(&interrupted.store());
    assert!(consents.remove(&user, &"told".parse().unwrap(), told.as_deref()).await.unwrap());
    assert!(interrupted.happened());
    app.work().await;
    assert_eq!(outside.heard.heard().len(), 2, "both sessions");
}
