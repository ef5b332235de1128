//! `/oauth/logout`, by GET and by POST.

use axum::body::Body;
use axum::http::Request;

use super::{HINT, NAMED, SECRET, Told, UNNAMED, both, watched_with_a_secret};
use crate::support::browser_client::send;
use crate::support::relying_party::{Parameters, STATE};

const LOGOUT: &str = "/oauth/logout";

#[tokio::test]
async fn of_logout() {
    let mut watched = watched_with_a_secret().await;
    let tokens = watched.app.standard().tokens(&mut watched.app.browser(), "leo").await;
    let hint = tokens.id.clone().unwrap();
    watched.keep_secret(&hint);
    let invalid = |parameter| Told::of("invalid_request", parameter);
    let of = Parameters::of;
    let back = "https://rp.test/signed-out/";
    let full = format!("https://rp.test/signed-out?state={STATE}");
    let rows = [
        (of(&[("id_token_hint", HINT)]), UNNAMED, invalid("id_token_hint").from(None).because("not a signed token")),
        (
            of(&[("id_token_hint", HINT), ("client_id", "standard")]),
            NAMED,
            invalid("id_token_hint").because("not a signed token"),
        ),
        (
            of(&[("client_id", "nobody")]),
            UNNAMED,
            invalid("client_id").from(None).received("nobody").because("no client of this id"),
        ),
        (of(&[("client_id", SECRET)]), UNNAMED, invalid("client_id").from(None).because("changed places")),
        (
            of(&[("id_token_hint", &hint), ("client_id", SECRET)]),
            UNNAMED,
            invalid("client_id").from(None).because("changed places"),
        ),
        (
            of(&[("id_token_hint", &hint), ("post_logout_redirect_uri", &full)]),
            NAMED,
            invalid("post_logout_redirect_uri")
                .received("https://rp.test/signed-out?state=...")
                .because("in its query"),
        ),
        (
            of(&[("id_token_hint", &hint), ("client_id", "es256")]),
            "The fault is at Kibana",
            invalid("client_id").from(Some("es256")).received("es256"),
        ),
        (of(&[("client_id", "standard"), ("state", "a"), ("state", "b")]), NAMED, invalid("state")),
        (of(&[("post_logout_redirect_uri", back)]), UNNAMED, invalid("client_id").from(None)),
        (
            of(&[("id_token_hint", &hint), ("post_logout_redirect_uri", back)]),
            NAMED,
            invalid("post_logout_redirect_uri")
                .received(back)
                .because("the registered https://rp.test/signed-out in its trailing slash"),
        ),
    ];
    for (request, side, told) in rows {
        for answer in both(&watched, LOGOUT, &request).await {
            watched.page(&answer, (400, side), &told, LOGOUT);
            assert!(answer.attributes("href").contains(&"/sign-out".to_owned()), "{told:?}");
        }
    }
    let post = Request::post(LOGOUT).header("content-type", "application/x-www-form-urlencoded");
    let answer = send(&watched.app.router, post.body(Body::from("state=%ff")).unwrap()).await;
    watched.page(&answer, (400, UNNAMED), &invalid("state").from(None), LOGOUT);
    watched.nothing_leaked();
}
