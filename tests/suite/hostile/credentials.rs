//! Cookies, `Authorization` headers and JWTs out of random bytes, and real ones that were changed: never a fault of ours,
//! and nobody is signed in.

use aws_lc_rs::hmac;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Request};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

use super::lab::Lab;
use super::links::leads;
use crate::support::answer::Answer;
use crate::support::app::{ISSUER, TestApp};
use crate::support::browser_client::{Browser, send};
use crate::support::relying_party::{Parameters, Rp, Tokens};

/// What is done to a text that proves something.
#[derive(Debug, Clone)]
enum Change {
    /// A character that is replaced by another.
    Replace(Index, char),
    Insert(Index, char),
    Remove(Index),
    Swap(Index),
    Case(Index),
    /// Cut off after so many characters.
    Cut(Index),
    Twice,
    Reversed,
    Append(String),
    Prepend(String),
    /// The last part of another one, from a sign-in of somebody else.
    Splice(Index),
    Other(Vec<u8>),
}

/// No semicolon: what follows it is another cookie. No white space: around a value it means nothing.
fn character() -> impl Strategy<Value = char> {
    let plain = "AZaz09-_.=+/%~\"\\,:!{}";
    prop_oneof![4 => select(plain.chars().collect::<Vec<_>>()), 1 => "[\u{a1}-\u{ff}]".prop_map(|c| c.chars().next().unwrap())]
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    prop_oneof![
        4 => (at(), character()).prop_map(|(at, c)| Change::Replace(at, c)),
        2 => (at(), character()).prop_map(|(at, c)| Change::Insert(at, c)),
        2 => at().prop_map(Change::Remove),
        2 => at().prop_map(Change::Swap),
        2 => at().prop_map(Change::Case),
        2 => at().prop_map(Change::Cut),
        1 => Just(Change::Twice),
        1 => Just(Change::Reversed),
        1 => "[!-:<-~]{1,20}".prop_map(Change::Append),
        1 => "[!-:<-~]{1,20}".prop_map(Change::Prepend),
        2 => at().prop_map(Change::Splice),
        2 => prop::collection::vec(prop_oneof![Just(b'\t'), b'!'..=b':', b'<'..=b'~', 0x80..=0xff_u8], 0..120)
            .prop_map(Change::Other),
    ]
}

impl Change {
    /// `real` after the change, as the bytes of a header; none when nothing has changed.
    fn of(&self, real: &str, other: &str) -> Option<Vec<u8>> {
        let mut characters: Vec<char> = real.chars().collect();
        let length = characters.len();
        match self {
            Self::Replace(at, c) => characters[at.index(length)] = *c,
            Self::Insert(at, c) => characters.insert(at.index(length + 1), *c),
            Self::Remove(at) => drop(characters.remove(at.index(length))),
            Self::Swap(at) => characters.swap(at.index(length - 1), at.index(length - 1) + 1),
            Self::Case(at) => {
                let c = &mut characters[at.index(length)];
                *c = if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
            }
            Self::Cut(at) => characters.truncate(at.index(length)),
            Self::Twice => characters.extend(real.chars()),
            Self::Reversed => characters.reverse(),
            Self::Append(text) => characters.extend(text.chars()),
            Self::Prepend(text) => characters = text.chars().chain(real.chars()).collect(),
            Self::Splice(at) => {
                let at = at.index(length.min(other.chars().count()));
                characters = real.chars().take(at).chain(other.chars().skip(at)).collect();
            }
            Self::Other(bytes) => return Some(bytes.clone()),
        }
        let changed: Vec<u8> = characters.iter().flat_map(|c| u8::try_from(u32::from(*c))).collect();
        // Half of one and half of the other may be the whole other one.
        (changed != real.as_bytes() && changed != other.as_bytes()).then_some(changed)
    }
}

fn header(parts: &[&[u8]]) -> HeaderValue {
    HeaderValue::from_bytes(&parts.concat()).unwrap()
}

async fn ask(app: &TestApp, path: &str, headers: &[(&'static str, HeaderValue)]) -> Answer {
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
fn signs_in(answer: &Answer) -> bool {
    let begins = |line: &HeaderValue| {
        let line = line.to_str().unwrap();
        line.starts_with("__Host-fb_session=") && !line.starts_with("__Host-fb_session=;")
    };
    answer.headers.get_all("set-cookie").iter().any(begins)
        || leads(answer).iter().any(|lead| lead.contains("code=fbc"))
}

#[track_caller]
fn no_fault(answer: &Answer, what: &str) {
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
    let inputs = (prop::collection::vec(change(), 1..3), any::<bool>());
    lab.holds(500, &inputs, async |(changes, beside_the_real_one)| {
        let Some(changed) = changes[0].of(&real, &other) else { return };
        let mut sent = vec![("cookie", cookies(&leo, name, &changed))];
        if beside_the_real_one {
            // Of two only one can be ours, and nobody can tell which.
            sent.push(("cookie", good.clone()));
            if changed.iter().any(|byte| !byte.is_ascii() || *byte == b'\t') {
                return;
            }
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
        for path in ["/oauth/token", "/oauth/introspect", "/oauth/revoke"] {
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

/// A JWT with another header or other claims, under a signature that somebody without our keys can make.
fn forged(real: &str, change: &Forgery, jwks: &Value) -> String {
    let mut parts = real.split('.').map(str::to_owned);
    let [head, claims, signature] = std::array::from_fn(|_| parts.next().unwrap());
    let read = |part: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    let write = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let edited = |part: &str, name: &str, value: Value| {
        let mut object = read(part);
        object[name] = value;
        write(&object)
    };
    let signed = |head: &str, key: &[u8]| {
        let text = format!("{head}.{claims}");
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes());
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(tag))
    };
    match change {
        Forgery::None(spelled) => format!("{}.{claims}.", edited(&head, "alg", json!(spelled))),
        Forgery::NoneSigned(spelled) => format!("{}.{claims}.{signature}", edited(&head, "alg", json!(spelled))),
        // The public key taken for a shared secret (RFC 8725, section 2.1).
        Forgery::Symmetric => {
            let key = URL_SAFE_NO_PAD.decode(jwks["keys"][0]["n"].as_str().unwrap_or("AA")).unwrap();
            signed(&edited(&head, "alg", json!("HS256")), &key)
        }
        Forgery::SymmetricText => {
            signed(&edited(&head, "alg", json!("HS256")), jwks["keys"][0].to_string().as_bytes())
        }
        Forgery::Header(name, value) => format!("{}.{claims}.{signature}", edited(&head, name, value.clone())),
        Forgery::Claim(name, value) => format!("{head}.{}.{signature}", edited(&claims, name, value.clone())),
        Forgery::Parts(count) => {
            vec![head, claims, signature].into_iter().cycle().take(*count).collect::<Vec<_>>().join(".")
        }
        Forgery::Deep => format!("{}.{claims}.{signature}", URL_SAFE_NO_PAD.encode("[".repeat(3_000))),
    }
}

#[derive(Debug, Clone)]
enum Forgery {
    None(&'static str),
    NoneSigned(&'static str),
    Symmetric,
    SymmetricText,
    Header(&'static str, Value),
    Claim(&'static str, Value),
    Parts(usize),
    Deep,
}

fn forgery() -> impl Strategy<Value = Forgery> {
    let spelled = select(&["none", "None", "NONE", "nOnE", ""][..]);
    let names = select(&["alg", "kid", "typ", "crit", "jwk", "jku", "x5u", "x5c", "b64", "zip", "enc"][..]);
    let claims = select(&["sub", "aud", "iss", "exp", "iat", "nbf", "nonce", "sid"][..]);
    let value = prop_oneof![
        Just(json!(null)),
        any::<i64>().prop_map(|number| json!(number)),
        ".{0,30}".prop_map(|text| json!(text)),
        select(&["ES256", "RS256", "PS256", "RS512", "at+jwt", "logout+jwt", "standard", "../../dev/null"][..])
            .prop_map(|text| json!(text)),
        Just(json!(["b64"])),
        Just(json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"})),
        Just(json!(["standard", "es256"])),
        Just(json!(1e300)),
    ];
    prop_oneof![
        spelled.clone().prop_map(Forgery::None),
        spelled.prop_map(Forgery::NoneSigned),
        Just(Forgery::Symmetric),
        Just(Forgery::SymmetricText),
        (names, value.clone()).prop_map(|(name, value)| Forgery::Header(name, value)),
        (claims, value).prop_map(|(name, value)| Forgery::Claim(name, value)),
        (0..7_usize).prop_filter("those are the parts of a JWT", |count| *count != 3).prop_map(Forgery::Parts),
        Just(Forgery::Deep),
    ]
}

#[test]
fn a_changed_or_forged_jwt_says_nothing() {
    let lab = Lab::new();
    let (app, rp) = (&lab.app, lab.app.standard());
    let [mut leo, mut ines, mut stranger] = [app.browser(), app.browser(), app.browser()];
    let hint = lab.wait(rp.tokens(&mut leo, "leo")).id.unwrap();
    let other = lab.wait(rp.tokens(&mut ines, "ines")).id.unwrap();
    let jwks = lab.wait(stranger.get("/oauth/jwks")).json();
    let silent = rp.request().with("prompt", "none").and("id_token_hint", "");
    let told = |hint: &str| silent.clone().with("id_token_hint", hint).authorize();
    assert!(signs_in(&lab.wait(leo.get(&told(&hint)))), "the real one says who is meant");
    assert_eq!(lab.wait(stranger.get(&told(&hint))).sent_back()["error"], "login_required", "but proves nobody");
    let before = app.dump();
    let changed = prop_oneof![change().prop_map(Ok), forgery().prop_map(Err)];
    lab.holds(400, &changed, async |made| {
        let text = match &made {
            Ok(change) => change.of(&hint, &other).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
            Err(forgery) => Some(forged(&hint, forgery, &jwks)),
        };
        let Some(text) = text.filter(|text| !text.is_empty() && *text != hint) else { return };
        for browser in [&leo, &stranger] {
            let answer = browser.clone().get(&told(&text)).await;
            no_fault(&answer, &text);
            assert_eq!(answer.sent_back()["error"], "invalid_request", "{made:?}");
        }
        let logout =
            Parameters::of(&[("id_token_hint", &text), ("post_logout_redirect_uri", "https://rp.test/signed-out")]);
        let answer = leo.clone().get(&format!("/oauth/logout?{}", logout.encode())).await;
        assert_eq!((answer.status.as_u16(), leads(&answer).len()), (400, 0), "{made:?}: {}", answer.said());
        if let Ok(bearer) = HeaderValue::from_str(&format!("Bearer {text}")) {
            let answer = ask(app, "/oauth/userinfo", &[("authorization", bearer)]).await;
            assert_eq!(answer.status, 401, "{made:?}");
        }
    });
    assert_eq!(app.dump(), before);
    assert!(lab.wait(leo.is_signed_in()));
}
