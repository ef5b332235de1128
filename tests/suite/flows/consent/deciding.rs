//! The answer: yes, no, or none at all, and by whom to which page.

use std::time::Duration;

use super::{Outside, allow, answer, asked, asked_at_once, path, redeemed};
use crate::support::app::{ISSUER, PASSWORD};
use crate::support::relying_party::STATE;

#[tokio::test]
async fn no_goes_back_to_the_client_and_leaves_nothing() {
    let outside = Outside::new().await;
    let client = outside.outside();
    let mut browser = outside.app.browser();
    let tx = asked(&mut browser, &client.request(), "ines").await;
    let before = outside.app.dump();
    let sent = answer(&mut browser, &tx, "deny").await.sent_back();
    assert_eq!((sent["error"].as_str(), sent["state"].as_str()), ("access_denied", STATE));
    assert_eq!(sent["iss"], ISSUER);
    assert_eq!(outside.app.dump(), before);
    assert!(browser.cookie(&format!("fb_tx_{tx}")).is_none(), "the sign-in is over");
    asked_at_once(&mut browser, &client.request()).await;
}

#[tokio::test]
async fn no_stays_on_our_page_for_a_client_that_would_start_over() {
    let outside = Outside::new().await;
    let client = outside.own_page();
    let mut browser = outside.app.browser();
    let tx = asked(&mut browser, &client.request(), "ines").await;
    let page = answer(&mut browser, &tx, "deny").await;
    assert_eq!((page.status.as_u16(), page.heading().as_str()), (403, "You did not allow Tideline own-page"));
    assert_eq!(page.element("error-id").unwrap(), page.header("x-request-id"));
    let links = page.attributes("href");
    assert!(links.contains(&path(&tx)) && links.iter().any(|link| link == "https://rp.test/home"), "{links:?}");
    redeemed(&client, &allow(&mut browser, &tx).await).await;
}

#[tokio::test]
async fn no_to_more_takes_nothing_back() {
    let outside = Outside::new().await;
    let client = outside.outside();
    let less = client.request().with("scope", "openid email");
    let mut browser = outside.app.browser();
    let tx = asked(&mut browser, &less, "ines").await;
    let tokens = redeemed(&client, &allow(&mut browser, &tx).await).await;
    for request in [client.request(), less.clone().with("prompt", "consent")] {
        let tx = asked_at_once(&mut browser, &request).await;
        assert_eq!(answer(&mut browser, &tx, "deny").await.sent_back()["error"], "access_denied");
    }
    assert_eq!(client.userinfo(&tokens.access).await.status, 200);
    assert!(browser.get(&less.authorize()).await.sent_back().contains_key("code"));
}

#[tokio::test]
async fn nothing_is_allowed_without_the_word_the_token_and_the_page() {
    let outside = Outside::new().await;
    let mut browser = outside.app.browser();
    let tx = asked(&mut browser, &outside.outside().request(), "ines").await;
    let told = browser.get(&path(&tx)).await.hidden("told").unwrap();
    let before = outside.app.dump();
    let fields: [&[(&str, &str)]; 5] = [
        &[("told", &told)],
        &[("told", &told), ("answer", "")],
        &[("told", &told), ("answer", "Allow")],
        &[("answer", "allow")],
        &[("told", &told[1..]), ("answer", "allow")],
    ];
    for fields in fields {
        let page = browser.post_form(&path(&tx), fields).await;
        assert!(page.status == 200 && page.shows("consent-form"), "{fields:?}: {}", page.said());
    }
    let good = [("told", told.as_str()), ("answer", "allow")];
    let csrf = browser.csrf.clone();
    let with = |token: &str| {
        [&good[..], &[("csrf", token)]]
            .concat()
            .iter()
            .map(|(n, v)| (n.to_string(), v.to_string()))
            .collect::<Vec<_>>()
    };
    for (token, site) in [("", "same-origin"), ("AAAA", "same-origin"), (csrf.as_str(), "cross-site")] {
        let fields = with(token);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let refused = browser.post_bare(&path(&tx), &fields, &[("sec-fetch-site", site), ("origin", ISSUER)]).await;
        assert_eq!(refused.status, 403, "{site}: {}", refused.said());
    }
    assert_eq!(outside.app.dump(), before);
}

#[tokio::test]
async fn nobody_allows_what_was_told_to_somebody_else() {
    let outside = Outside::new().await;
    let client = outside.outside();
    let mut browser = outside.app.browser();
    let tx = asked(&mut browser, &client.request(), "ines").await;
    let told = browser.get(&path(&tx)).await.hidden("told").unwrap();
    // In another tab.
    browser.sign_in_with_fly("leo").await;
    browser.get("/forgot").await;
    let page = browser.post_form(&path(&tx), &[("told", &told), ("answer", "allow")]).await;
    assert_eq!(page.element("consent-person").as_deref(), Some("Leo Brandt"), "{}", page.said());
    assert_eq!(outside.kept("leo", &client).await.or(outside.kept("ines", &client).await), None);
    let tokens = redeemed(&client, &allow(&mut browser, &tx).await).await;
    assert_eq!(tokens.claims()["sub"], outside.app.user("leo").await.id.as_str());
    assert_eq!(outside.kept("ines", &client).await, None);
}

#[tokio::test]
async fn what_the_page_told_must_still_be_so() {
    let outside = Outside::new().await;
    let client = outside.outside();
    let mut jun = outside.app.browser();
    let tx = asked(&mut jun, &client.request(), "jun").await;
    let told = jun.get(&path(&tx)).await.hidden("told").unwrap();
    // Saltmarsh Labs leaves meanwhile: first the question which of the two it is about.
    outside.app.leave().await;
    let on = jun.post_form(&path(&tx), &[("told", &told), ("answer", "allow")]).await.location();
    assert_eq!(on, format!("/sign-in/next?tx={tx}"));
    let page = jun.get(&on).await;
    let person = page.hidden("person").unwrap();
    assert_eq!(jun.post_form(&on, &[("person", &person)]).await.location(), path(&tx));
    let page = jun.post_form(&path(&tx), &[("told", &told), ("answer", "allow")]).await;
    let items = page.element("consent-items").unwrap();
    assert!(items.contains("Harbour Tools") && !items.contains("Saltmarsh"), "{items}");
    assert_eq!(outside.kept("jun", &client).await, None);
    redeemed(&client, &allow(&mut jun, &tx).await).await;
}

#[tokio::test]
async fn who_has_said_which_organization_may_go_back_and_say_another() {
    let outside = Outside::new().await;
    let (app, client) = (&outside.app, outside.outside());
    app.leave().await;
    app.settle_in("jun").await;
    let mut jun = app.browser();
    let tx = jun.begin(&client.authorize()).await;
    let next = format!("/sign-in/next?tx={tx}");
    let page = jun.fly(&tx, "jun").await;
    let on = jun.post_form(&next, &[("person", &page.hidden("person").unwrap())]).await.location();
    for _ in 0..2 {
        let items = jun.get(&on).await.element("consent-items").unwrap();
        assert!(items.contains("Harbour Tools") && !items.contains("Saltmarsh"), "{items}");
    }
    assert!(jun.get(&next).await.shows("choose-form"), "back");
    // By the other way in, which is a choice as well.
    let page = jun.password(&tx, &app.address("jun"), PASSWORD).await;
    let items = page.element("consent-items").unwrap_or_else(|| panic!("{}", page.said()));
    assert!(items.contains("Saltmarsh Labs") && !items.contains("Harbour"), "{items}");
    let tokens = redeemed(&client, &allow(&mut jun, &tx).await).await;
    let told = client.userinfo(&tokens.access).await.json();
    assert_eq!(told["organizations"][0]["slug"], "saltmarsh-labs");
}

#[tokio::test]
async fn a_session_that_is_over_allows_nothing() {
    let outside = Outside::new().await;
    let mut browser = outside.app.browser();
    let tx = asked(&mut browser, &outside.outside().request(), "ines").await;
    let told = browser.get(&path(&tx)).await.hidden("told").unwrap();
    browser.get("/sign-out").await;
    browser.post_form("/sign-out", &[("answer", "yes")]).await.location();
    browser.get("/forgot").await;
    for answer in
        [browser.get(&path(&tx)).await, browser.post_form(&path(&tx), &[("told", &told), ("answer", "allow")]).await]
    {
        assert_eq!(answer.location(), format!("/sign-in?tx={tx}"));
    }
    assert!(outside.app.dump().named("consent/").is_empty());
    outside.app.advance(Duration::from_mins(31));
    assert_eq!(browser.get(&path(&tx)).await.status, 400, "it was begun too long ago");
}

#[tokio::test]
async fn a_sign_in_older_than_the_client_takes_is_not_good_enough_for_the_question() {
    let outside = Outside::new().await;
    let mut browser = outside.app.browser();
    browser.sign_in_with_fly("ines").await;
    outside.app.advance(Duration::from_mins(2));
    for asked in [("prompt", "login"), ("max_age", "60")] {
        let tx = browser.begin(&outside.outside().request().with(asked.0, asked.1).authorize()).await;
        assert_eq!(browser.get(&path(&tx)).await.location(), format!("/sign-in?tx={tx}"), "{asked:?}");
    }
}
