//! A parameter that is sent twice counts in neither of its values (RFC 6749, section 3.1).

use axum::body::Body;
use axum::http::Request;
use flybridge::demo::world::BRAMS_PASSWORD;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::lab::Lab;
use super::links::{is_registered, leads};
use super::percent_encoded;
use crate::support::answer::Answer;
use crate::support::app::{ISSUER, TestApp};
use crate::support::browser_client::{Browser, encode, query, send};
use crate::support::relying_party::{Parameters, Rp, STATE, Tokens, refused};

/// How one parameter of a good request is sent a second time.
#[derive(Debug, Clone)]
struct Again {
    which: Index,
    other: String,
    /// Where the other value stands among the parameters.
    at: Index,
    /// The name of the other one written with percent signs, which is the same name.
    encoded: bool,
}

/// Values that mean something somewhere.
const KNOWN: &[&str] = &[
    "standard",
    "es256",
    "https://rp.test/cb",
    "https://rp.test/cb2?keep=a%20b",
    "https://evil.test/",
    "https://rp.test/signed-out",
    "openid",
    "openid email offline_access",
    "none",
    "login",
    "form_post",
    "token",
    "plain",
    "0",
    "yes",
    "leo",
    "authorization_code",
    "refresh_token",
];

fn again() -> impl Strategy<Value = Again> {
    let other = prop_oneof![2 => select(KNOWN).prop_map(str::to_owned), 1 => ".{1,30}"];
    let parts = (any::<Index>(), other, any::<Index>(), any::<bool>());
    parts.prop_map(|(which, other, at, encoded)| Again { which, other, at, encoded })
}

impl Again {
    /// The name that stands twice now, and the request as it goes over the wire. A value that happens to be the same
    /// stands twice all the same.
    fn of(&self, good: &Parameters) -> (String, String) {
        let name = good.0[self.which.index(good.0.len())].0.clone();
        let mut parts: Vec<String> = good.0.iter().map(|(name, value)| encode(&[(name, value)])).collect();
        let value = encode(&[("", &self.other)]);
        let written = if self.encoded { percent_encoded(&name) } else { name.clone() };
        parts.insert(self.at.index(parts.len() + 1), format!("{written}{value}"));
        (name, parts.join("&"))
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

async fn get(browser: &mut Browser, path: &str, query: &str) -> Answer {
    let request = Request::get(format!("{path}?{query}")).header("sec-fetch-site", "same-origin");
    browser.send(request.body(Body::empty()).unwrap()).await
}

async fn post(browser: &mut Browser, path: &str, body: &str) -> Answer {
    let request = Request::post(path).header("sec-fetch-site", "same-origin").header("origin", ISSUER);
    browser.send(request.header("content-type", FORM).body(Body::from(body.to_owned())).unwrap()).await
}

/// A form for clients, from one that proves itself in the header or in the form.
async fn client_form(app: &TestApp, path: &str, basic: Option<&Rp>, body: &str) -> Answer {
    let request = Request::post(path).header("content-type", FORM);
    let request = match basic {
        Some(rp) => request.header("authorization", rp.basic_header()),
        None => request,
    };
    send(&app.router, request.body(Body::from(body.to_owned())).unwrap()).await
}

fn signed_in(lab: &Lab) -> Browser {
    let mut browser = lab.app.browser();
    lab.wait(browser.sign_in_with_fly("leo"));
    browser
}

#[test]
fn at_authorize_nothing_comes_of_it() {
    let lab = Lab::new();
    let browser = signed_in(&lab);
    let before = lab.app.dump();
    let clients = [lab.app.standard(), lab.app.sentry(), lab.app.sentry_oidc()];
    let extra = select(&["nonce", "prompt", "max_age", "response_mode", "login_hint", "organization", "made_up"][..]);
    lab.holds(400, &(again(), 0..clients.len(), extra, any::<bool>()), async |(again, client, extra, by_post)| {
        let rp = &clients[client];
        let value = match extra {
            "prompt" => "consent",
            "max_age" => "3600",
            "response_mode" => "query",
            _ => "saltmarsh-labs",
        };
        let (name, sent) = again.of(&rp.request().and(extra, value));
        let mut leo = browser.clone();
        let answer = if by_post {
            post(&mut leo, "/oauth/authorize", &sent).await
        } else {
            get(&mut leo, "/oauth/authorize", &sent).await
        };
        assert_eq!(leo.cookies.len(), browser.cookies.len(), "{sent} begins a sign-in");
        if answer.status == 400 {
            assert_eq!(leads(&answer), <[String; 0]>::default(), "{sent}");
            return;
        }
        assert!(name != "client_id" && name != "redirect_uri" && rp.id == "standard", "{sent}: {}", answer.said());
        let location = answer.location();
        assert!(is_registered(&location, rp.redirect), "{location}");
        let back = answer.sent_back();
        assert_eq!(back["error"], "invalid_request", "{sent}");
        assert_eq!(back.get("state").map(String::as_str), (name != "state").then_some(STATE), "{sent}");
    });
    assert_eq!(lab.app.dump(), before);
}

#[test]
fn at_the_token_endpoint_it_is_an_error_and_uses_nothing_up() {
    let lab = Lab::new();
    let (app, browser) = (&lab.app, signed_in(&lab));
    let clients = [app.standard(), app.sentry(), app.sentry_oidc()];
    lab.holds(60, &(prop::collection::vec(again(), 1..8), 0..clients.len()), async |(many, client)| {
        let rp = &clients[client];
        // A client that proves itself in the form sends these parameters once as well.
        let basic = (rp.id == "standard").then_some(rp);
        let proven = |asked: Parameters| match basic {
            Some(_) => asked.and("client_id", rp.id),
            None => asked.and("client_id", rp.id).and("client_secret", &rp.secret),
        };
        let code = browser.clone().get(&rp.authorize()).await.sent_back()["code"].clone();
        for again in &many {
            let (_, sent) = again.of(&proven(rp.request().without("client_id")));
            refused(&client_form(app, "/oauth/par", basic, &sent).await, 400, "invalid_request");
            let (_, sent) = again.of(&proven(rp.redemption(&code)));
            refused(&client_form(app, "/oauth/token", basic, &sent).await, 400, "invalid_request");
        }
        let tokens = Tokens::of(&rp.redeem(&code).await);
        for again in &many {
            let refreshment = Rp::refreshment(tokens.refresh());
            let (_, sent) = again.of(&proven(refreshment.and("scope", tokens.json["scope"].as_str().unwrap())));
            refused(&client_form(app, "/oauth/token", basic, &sent).await, 400, "invalid_request");
            for path in ["/oauth/revoke", "/oauth/introspect"] {
                let (_, sent) = again.of(&proven(Parameters::of(&[("token", &tokens.access)])));
                refused(&client_form(app, path, basic, &sent).await, 400, "invalid_request");
            }
        }
        assert_eq!(rp.info(&tokens.access).await.status, 200, "not revoked");
        Tokens::of(&rp.refresh(tokens.refresh()).await);
    });
}

#[test]
fn nobody_is_signed_out_by_it() {
    let lab = Lab::new();
    let app = &lab.app;
    let mut browser = app.browser();
    let tokens = lab.wait(app.standard().tokens(&mut browser, "leo"));
    let hint = tokens.id.unwrap();
    let good = Parameters::of(&[
        ("id_token_hint", &hint),
        ("client_id", "standard"),
        ("post_logout_redirect_uri", "https://rp.test/signed-out"),
        ("state", "s"),
        ("ui_locales", "de"),
    ]);
    let question = lab.wait(browser.get("/oauth/logout?client_id=standard"));
    let csrf = question.csrf().unwrap();
    let answered = Parameters::of(&[("csrf", &csrf), ("answer", "yes"), ("then", "nothing")]);
    let before = app.dump();
    lab.holds(300, &(again(), any::<bool>()), async |(again, by_post)| {
        let mut leo = browser.clone();
        let (_, sent) = again.of(&good);
        let mut answer = get(&mut leo, "/oauth/logout", &sent).await;
        if by_post {
            answer = post(&mut leo, "/oauth/logout", &sent).await;
        }
        assert_eq!((answer.status.as_u16(), leads(&answer).len()), (400, 0), "{sent}: {}", answer.said());
        let (_, sent) = again.of(&answered);
        let answer = post(&mut leo, "/sign-out", &sent).await;
        assert!(answer.status.is_client_error(), "{sent}: {}", answer.said());
        assert_eq!(leo.cookies.len(), browser.cookies.len(), "{sent}");
        assert!(leo.is_signed_in().await, "{sent}");
    });
    assert_eq!(app.dump(), before);
}

#[test]
fn nobody_is_signed_in_by_it() {
    let lab = Lab::new();
    let app = &lab.app;
    let mut browser = app.browser();
    let tx = lab.wait(browser.begin(&app.standard().authorize()));
    let page = lab.wait(browser.get(&format!("/sign-in?tx={tx}")));
    let (csrf, email) = (page.csrf().unwrap(), app.address("bram"));
    let right = Parameters::of(&[("csrf", &csrf), ("email", &email), ("password", BRAMS_PASSWORD)]);
    let before = app.dump();
    lab.holds(150, &again(), async |again| {
        let mut bram = browser.clone();
        let (_, sent) = again.of(&right);
        let answer = post(&mut bram, &format!("/sign-in/password?tx={tx}"), &sent).await;
        assert!(answer.status.is_client_error(), "{sent}: {}", answer.said());
        let (_, twice) = again.of(&Parameters::of(&[("tx", &tx)]));
        for path in ["/sign-in", "/sign-in/fly", "/sign-in/next", "/sign-in/consent", "/sign-in/denied", "/forgot"] {
            let answer = get(&mut bram, path, &twice).await;
            assert_eq!((answer.status.as_u16(), leads(&answer).len()), (400, 0), "{path}?{twice}");
        }
        let answer = post(&mut bram, &format!("/sign-in/password?{twice}"), &right.encode()).await;
        assert_eq!(answer.status, 400, "{twice}: {}", answer.said());
        assert!(bram.cookie("fb_session").is_none());
    });
    assert_eq!(app.dump(), before);
}

#[test]
fn nobody_comes_back_from_fly_with_it() {
    let lab = Lab::new();
    let app = &lab.app;
    let clients = [app.standard(), app.sentry()];
    lab.holds(80, &(again(), 0..clients.len()), async |(again, client)| {
        let mut leo = app.browser();
        let tx = leo.begin(&clients[client].authorize()).await;
        let asked = leo.leave_for_fly(&tx).await;
        let back = leo.at_fly(&asked, "leo", "approve").await;
        let back = query(&back.parse().unwrap());
        let back = Parameters::of(&[("state", &back["state"]), ("code", &back["code"])]);
        let (name, sent) = again.of(&back);
        let answer = get(&mut leo, "/connectors/fly/callback", &sent).await;
        assert!(leo.cookie("fb_session").is_none(), "{sent}: {}", answer.said());
        assert!(answer.status != 303 || !answer.sent_back().contains_key("code"), "{sent}: {}", answer.said());
        if name == "state" {
            assert_eq!((answer.status.as_u16(), leads(&answer).len()), (400, 0), "{sent}");
        }
        // The client was told that it did not work, and the sign-in is over; or nothing is used up.
        if answer.status == 303 {
            assert_eq!(answer.sent_back()["error"], "temporarily_unavailable", "{sent}");
            return;
        }
        let answer = get(&mut leo, "/connectors/fly/callback", &back.encode()).await;
        assert!(answer.sent_back().contains_key("code"), "{sent}: {}", answer.said());
    });
}
