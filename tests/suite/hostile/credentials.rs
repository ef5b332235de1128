//! Cookies and `Authorization` headers out of random bytes, and real ones that were changed: never a fault of ours,
//! and nobody is signed in.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Request};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use super::changes::change;
use super::lab::Lab;
use super::links::leads;
use crate::support::answer::Answer;
use crate::support::app::{ISSUER, TestApp};
use crate::support::browser_client::{Browser, send};
use crate::support::relying_party::{Rp, Tokens};

fn header(parts: &[&[u8]]) -> HeaderValue {
    HeaderValue::from_bytes(&parts.concat()).unwrap()
}

pub(super) async fn ask(app: &TestApp, path: &str, headers: &[(&'static str, HeaderValue)]) -> Answer {
    let mut request = Request::get(path).header("accept", "text/html").body(Body::empty()).unwrap();
    for (name, value) in headers {
        request.headers_mut().append(*name, value.clone());
    }
    send(&app.router, request).await
}

/// The cookies of a browser, with that of this name as given.
fn cookies(browser: &Browser, name: &str, value: &[u8]) -> HeaderValue {
    let others = browser.cookies.iter().filter(|(known, _)| *known != name);
    let others: Vec<String> = others.map(|(known, cookie)| format!("{known}={}", cookie.value)).collect();
    header(&[name.as_bytes(), b"=", value, b"; ", others.join("; ").as_bytes()])
}

/// Whether an answer gives a code or begins a session.
pub(super) fn signs_in(answer: &Answer) -> bool {
    let begins = |line: &HeaderValue| {
        let line = line.to_str().unwrap();
        line.starts_with("__Host-fb_session=") && !line.starts_with("__Host-fb_session=;")
    };
    answer.headers.get_all("set-cookie").iter().any(begins)
        || leads(answer).iter().any(|lead| lead.contains("code=fbc"))
}

#[track_caller]
pub(super) fn no_fault(answer: &Answer, what: &str) {
    assert!(!answer.status.is_server_error(), "{what}: {}", answer.said());
    assert!(!signs_in(answer), "{what}: {}", answer.said());
}

fn value(browser: &Browser, name: &str) -> String {
    browser.cookies[name].value.clone()
}

#[test]
fn a_changed_session_cookie_is_no_session() {
    let lab = Lab::new();
    let app = &lab.app;
    let [mut leo, mut ines] = [app.browser(), app.browser()];
    lab.wait(leo.sign_in_with_fly("leo"));
    lab.wait(ines.sign_in_with_fly("ines"));
    let name = "__Host-fb_session";
    let (real, other) = (value(&leo, name), value(&ines, name));
    let good = header(&[name.as_bytes(), b"=", real.as_bytes()]);
    let asked = app.standard().authorize();
    assert!(signs_in(&lab.wait(ask(app, &asked, &[("cookie", good.clone())]))), "the real one does");
    let before = app.dump();
    lab.holds(500, &(change(), 0..3_usize), async |(change, beside)| {
        let Some(changed) = change.of(&real, &other) else { return };
        let mut sent = vec![("cookie", cookies(&leo, name, &changed))];
        // Of two only one can be ours, and nobody can tell which. One that is no text may be left out of account.
        if beside > 0 {
            if changed.iter().any(|byte| !byte.is_ascii_graphic()) {
                return;
            }
            sent.insert(beside - 1, ("cookie", good.clone()));
        }
        for path in
            [asked.as_str(), "/sign-out", "/organizations/saltmarsh-labs/auth", "/set-up/now", "/oauth/logout"]
        {
            let answer = ask(app, path, &sent).await;
            no_fault(&answer, &format!("{path} {sent:?}"));
            assert!(answer.status != 200 && !answer.shows("logout-form"), "{path} {sent:?}: {}", answer.said());
        }
    });
    assert_eq!(app.dump(), before);
    assert!(lab.wait(leo.is_signed_in()));
}

#[test]
fn a_changed_sealed_cookie_is_no_sign_in_under_way() {
    let lab = Lab::new();
    let app = &lab.app;
    let mut browser = app.browser();
    let asked = app.standard().authorize();
    let (tx, other) = (lab.wait(browser.begin(&asked)), lab.wait(browser.begin(&asked)));
    let (name, other) = (format!("__Host-fb_tx_{tx}"), value(&browser, &format!("__Host-fb_tx_{other}")));
    let fly = lab.wait(browser.leave_for_fly(&tx));
    let back = lab.wait(browser.at_fly(&fly, "leo", "approve"));
    let back = back.strip_prefix(ISSUER).unwrap().to_owned();
    let real = value(&browser, &name);
    let before = app.dump();
    lab.holds(300, &change(), async |change| {
        let changed = change.of(&real, &other).unwrap_or_else(|| other.clone().into_bytes());
        let sent = [("cookie", cookies(&browser, &name, &changed))];
        for page in ["fly", "next", "denied"] {
            let answer = ask(app, &format!("/sign-in/{page}?tx={tx}"), &sent).await;
            no_fault(&answer, &format!("{page} {sent:?}"));
            assert_eq!(answer.status, 400, "{page} {sent:?}: {}", answer.said());
        }
        let answer = ask(app, &back, &sent).await;
        no_fault(&answer, &format!("{sent:?}"));
        assert_eq!(answer.status, 400, "{sent:?}: {}", answer.said());
        no_fault(&ask(app, &format!("/sign-in?tx={tx}"), &sent).await, &format!("{sent:?}"));
    });
    assert_eq!(app.dump(), before);
    assert!(lab.wait(browser.get(&back)).sent_back().contains_key("code"), "the real one goes on");
}

#[test]
fn rubbish_in_headers_is_never_a_fault() {
    let lab = Lab::new();
    let app = &lab.app;
    let names = select(&["session", "browser", "set_up", "device", "tx_aaaaaaaaaaaa", "tx_", ""][..]);
    let bytes = prop::collection::vec(prop_oneof![Just(b'\t'), b' '..=b'~', 0x80..=0xff_u8], 0..200);
    let scheme = select(&["Basic ", "Bearer ", "DPoP ", "basic", "BEARER  ", "Negotiate ", ""][..]);
    let inputs = (names, bytes.clone(), scheme, bytes, any::<bool>());
    let paths = ["/", "/sign-in", "/sign-in?tx=aaaaaaaaaaaa", "/set-up", "/forgot", "/sign-out", "/oauth/logout"];
    let before = app.dump();
    lab.holds(250, &inputs, async |(name, cookie, scheme, authorization, encoded)| {
        let inside = if encoded { STANDARD.encode(&authorization).into_bytes() } else { authorization };
        let authorization = header(&[scheme.as_bytes(), &inside]);
        let cookie = header(&[b"__Host-fb_", name.as_bytes(), b"=", &cookie]);
        let sent = [("cookie", cookie), ("authorization", authorization)];
        for path in paths {
            no_fault(&ask(app, path, &sent).await, &format!("{path} {sent:?}"));
        }
        for path in ["/oauth/userinfo", "/oauth/token/info"] {
            let answer = ask(app, path, &sent).await;
            assert_eq!(answer.status, 401, "{path} {sent:?}: {}", answer.said());
        }
        for path in ["/oauth/token", "/oauth/introspect", "/oauth/revoke", "/oauth/par"] {
            let form = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
            let mut form = form.body(Body::from("grant_type=refresh_token&refresh_token=x&token=x")).unwrap();
            form.headers_mut()
                .extend(sent.iter().cloned().map(|(n, v)| (n.parse().unwrap(), v)).collect::<HeaderMap>());
            let answer = send(&app.router, form).await;
            assert!([400, 401, 429].contains(&answer.status.as_u16()), "{path} {sent:?}: {}", answer.said());
        }
    });
    assert_eq!(app.dump_but_limits(), before);
}

#[test]
fn a_changed_token_or_secret_opens_nothing() {
    let lab = Lab::new();
    let (app, rp) = (&lab.app, lab.app.standard());
    let [leo, ines] = ["leo", "ines"].map(|who| lab.wait(async { rp.tokens(&mut app.browser(), who).await }));
    let basic = |rp: &Rp| rp.basic_header().strip_prefix("Basic ").unwrap().to_owned();
    let (proof, other_proof) = (basic(&rp), basic(&Rp::new(app, "es256")));
    let before = app.dump();
    lab.holds(300, &change(), async |change| {
        for (real, other) in [(&leo.access, &ines.access), (leo.id.as_ref().unwrap(), ines.id.as_ref().unwrap())] {
            let Some(changed) = change.of(real, other) else { continue };
            let sent = [("authorization", header(&[b"Bearer ", &changed]))];
            for path in ["/oauth/userinfo", "/oauth/token/info"] {
                let answer = ask(app, path, &sent).await;
                assert_eq!(answer.status, 401, "{path} {sent:?}: {}", answer.said());
            }
        }
        if let Some(text) = change.of(leo.refresh(), ines.refresh()).and_then(|bytes| String::from_utf8(bytes).ok()) {
            let answer = rp.refresh(&text).await;
            assert_eq!(answer.status, 400, "{text}: {}", answer.said());
            assert_eq!(rp.introspect(&text).await.json(), json!({"active": false}), "{text}");
        }
        let Some(changed) = change.of(&proof, &other_proof) else { return };
        // Another text that says the same, such as one with another case in a percent escape, would be no forgery.
        if STANDARD.decode(&changed).is_ok_and(|text| text == STANDARD.decode(&proof).unwrap()) {
            return;
        }
        let form = Request::post("/oauth/introspect").header("content-type", "application/x-www-form-urlencoded");
        let form = form.header("authorization", header(&[b"Basic ", &changed]));
        let answer = send(&app.router, form.body(Body::from("token=x")).unwrap()).await;
        assert!([400, 401, 429].contains(&answer.status.as_u16()), "{change:?}: {}", answer.said());
    });
    assert_eq!(app.dump_but_limits(), before);
    assert_eq!(lab.wait(rp.userinfo(&leo.access)).status, 200);
    Tokens::of(&lab.wait(rp.refresh(leo.refresh())));
}
