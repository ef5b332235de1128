//! Taking back what was allowed: on a page of the person's own, with all that was given under it.

use super::{LEAST, Outside, allow, asked_at_once, at_once, redeemed, remove};
use crate::support::app::ISSUER;
use crate::support::relying_party::{Tokens, refused};

#[tokio::test]
async fn the_page_lists_what_was_allowed_and_since_when() {
    let outside = Outside::new().await;
    let (mut browser, _) = outside.allowed(&outside.outside(), "ines").await;
    let least = outside.told().request().with("scope", LEAST);
    let tx = asked_at_once(&mut browser, &least).await;
    allow(&mut browser, &tx).await.sent_back();
    let page = browser.get("/account/applications").await;
    assert_eq!(page.attributes("data-client"), ["outside", "told"], "{}", page.said());
    let (first, second) =
        page.text().split_once("data-client=\"told\"").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    for words in ["Tideline outside", "rp.test", "15 January", "your email address", "while you are away"] {
        assert!(first.contains(words), "{words} in {first}");
    }
    assert!(second.contains("Tideline told") && !second.contains("your email address"), "{second}");
    assert_eq!(page.header("cache-control"), "no-store");
    // Somebody else allowed nothing.
    let mut leo = outside.app.browser();
    leo.sign_in_with_fly("leo").await;
    let page = leo.get("/account/applications").await;
    assert!(page.shows("no-applications") && !page.text().contains("Tideline"), "{}", page.said());
}

#[tokio::test]
async fn everything_that_was_given_is_dead_at_once() {
    let outside = Outside::new().await;
    let client = outside.outside();
    let (mut browser, tokens) = outside.allowed(&client, "ines").await;
    let code = browser.get(&client.authorize()).await.sent_back()["code"].clone();
    let other = client.tokens(&mut outside.app.browser(), "ines").await;
    let (_, of_leo) = outside.allowed(&client, "leo").await;
    let own = at_once(&mut browser, &outside.app.standard(), &outside.app.standard().request()).await;

    let done = remove(&mut browser, &client).await;
    assert_eq!(done.location(), "/account/applications?removed=outside");
    let page = browser.get(&done.location()).await;
    assert!(page.element("notice").unwrap().contains("Tideline outside"), "{}", page.said());
    assert!(page.shows("no-applications"));

    for tokens in [&tokens, &other] {
        assert_eq!(client.userinfo(&tokens.access).await.status, 401);
        for token in [&tokens.access, tokens.refresh()] {
            assert_eq!(client.introspect(token).await.json()["active"], false);
        }
        refused(&client.refresh(tokens.refresh()).await, 400, "invalid_grant");
    }
    refused(&client.redeem(&code).await, 400, "invalid_grant");
    let silent = client.request().with("prompt", "none").authorize();
    assert_eq!(browser.get(&silent).await.sent_back()["error"], "consent_required");
    // What has nothing to do with it goes on.
    assert_eq!(client.userinfo(&of_leo.access).await.status, 200);
    Tokens::of(&client.refresh(of_leo.refresh()).await);
    assert_eq!(outside.app.standard().userinfo(&own.access).await.status, 200);
    assert!(browser.is_signed_in().await);
}

#[tokio::test]
async fn nothing_comes_to_life_again_with_a_new_consent() {
    let outside = Outside::new().await;
    let client = outside.outside();
    let (mut browser, old) = outside.allowed(&client, "ines").await;
    let first = outside.kept("ines", &client).await.unwrap();
    remove(&mut browser, &client).await;
    let tx = asked_at_once(&mut browser, &client.request()).await;
    let new = redeemed(&client, &allow(&mut browser, &tx).await).await;
    assert_ne!(outside.kept("ines", &client).await.unwrap().id, first.id);
    assert_eq!(client.userinfo(&old.access).await.status, 401);
    refused(&client.refresh(old.refresh()).await, 400, "invalid_grant");
    Tokens::of(&client.refresh(new.refresh()).await);
}

#[tokio::test]
async fn the_client_that_wants_to_hear_of_it_is_told_and_no_other() {
    let outside = Outside::new().await;
    let (mut browser, tokens) = outside.allowed(&outside.told(), "ines").await;
    let tx = asked_at_once(&mut browser, &outside.outside().request()).await;
    let other = redeemed(&outside.outside(), &allow(&mut browser, &tx).await).await;
    remove(&mut browser, &outside.outside()).await;
    outside.app.work().await;
    assert!(outside.heard.heard().is_empty());
    assert_eq!(outside.outside().userinfo(&other.access).await.status, 401);
    assert_eq!(outside.told().userinfo(&tokens.access).await.status, 200);

    remove(&mut browser, &outside.told()).await;
    outside.app.work().await;
    let heard = outside.heard.one();
    assert_eq!(heard.claim("sid"), tokens.claims()["sid"].as_str().unwrap());
    assert_eq!(heard.claim("sub"), outside.app.user("ines").await.id.as_str());
    // The session that is over there is not told of again when it ends here.
    browser.get("/sign-out").await;
    browser.post_form("/sign-out", &[("answer", "yes")]).await.location();
    outside.app.work().await;
    assert!(outside.heard.heard().is_empty());
}

#[tokio::test]
async fn what_is_not_there_is_as_good_as_removed() {
    let outside = Outside::new().await;
    let (mut browser, _) = outside.allowed(&outside.outside(), "ines").await;
    browser.get("/account/applications").await;
    let before = outside.app.dump();
    for (client, to) in [
        ("", "/account/applications"),
        ("../x", "/account/applications"),
        ("told", "/account/applications?removed=told"),
        ("standard", "/account/applications?removed=standard"),
        ("nobody", "/account/applications?removed=nobody"),
    ] {
        assert_eq!(browser.post_form("/account/applications", &[("client", client)]).await.location(), to);
        let page = browser.get(to).await;
        assert_eq!(page.shows("notice"), client == "told", "only what is so is said: {client}");
    }
    let page = browser.get("/account/applications?removed=outside").await;
    assert!(!page.shows("notice"), "it is still there");
    let refused = browser
        .post_bare(
            "/account/applications",
            &[("client", "outside")],
            &[("origin", ISSUER), ("sec-fetch-site", "same-origin")],
        )
        .await;
    assert_eq!(refused.status, 403);
    assert_eq!(outside.app.dump(), before);
}

#[tokio::test]
async fn the_page_is_found_from_the_sign_out_page_and_after_a_sign_in() {
    let outside = Outside::new().await;
    let client = outside.outside();
    let (mut browser, _) = outside.allowed(&client, "ines").await;
    let page = browser.get("/sign-out").await;
    assert!(page.shows("applications") && page.attributes("href").iter().any(|href| href == "/account/applications"));
    remove(&mut browser, &client).await;
    assert!(!browser.get("/sign-out").await.shows("applications"), "there is nothing to see");

    let mut stranger = outside.app.browser();
    let tx = stranger.begin("/account/applications").await;
    let page = stranger.get(&format!("/sign-in?tx={tx}")).await;
    assert!(page.text().contains("you go on to applications you allowed"), "{}", page.said());
    assert_eq!(stranger.fly(&tx, "ines").await.location(), "/account/applications");
}
