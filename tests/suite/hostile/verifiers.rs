//! A token is never given without the verifier that belongs to the challenge (RFC 7636).

use aws_lc_rs::digest::{SHA256, digest};
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use proptest::prelude::*;

use super::lab::Lab;
use super::percent_encoded;
use crate::support::answer::Answer;
use crate::support::browser_client::Browser;
use crate::support::relying_party::{Parameters, Rp, Tokens};

fn sha256(text: &str) -> Vec<u8> {
    digest(&SHA256, text.as_bytes()).as_ref().to_vec()
}

/// RFC 7636, section 4.2.
fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(sha256(verifier))
}

/// What somebody sends who has the code and has seen the challenge, or some of the verifier.
#[derive(Debug, Clone)]
enum Guess {
    Missing,
    Empty,
    Other(String),
    Cut(prop::sample::Index),
    Longer(char),
    OtherCase(prop::sample::Index),
    OtherCharacter(prop::sample::Index, char),
    Swapped(prop::sample::Index),
    Reversed,
    Challenge,
    /// The challenge with its method, as if it had been `plain`.
    Plain,
    PaddedChallenge,
    StandardChallenge,
    Hexadecimal,
    TwiceHashed,
    Spaced(&'static str, &'static str),
    Encoded,
    /// The right one beside another.
    Repeated(String, bool),
    /// The right one in the address, where no parameter of this endpoint is read.
    InTheAddress,
    /// The right one under a name that is almost right.
    Misnamed(&'static str),
}

fn unreserved(length: impl Into<prop::collection::SizeRange>) -> impl Strategy<Value = String> {
    let any = prop::sample::select("ABCXYZabcxyz0189-._~".chars().collect::<Vec<_>>());
    prop::collection::vec(any, length).prop_map(|characters| characters.into_iter().collect())
}

fn guess() -> impl Strategy<Value = Guess> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        Just(Guess::Missing),
        Just(Guess::Empty),
        unreserved(43..=128).prop_map(Guess::Other),
        ".{0,60}".prop_map(Guess::Other),
        at().prop_map(Guess::Cut),
        any::<char>().prop_map(Guess::Longer),
        at().prop_map(Guess::OtherCase),
        (at(), any::<char>()).prop_map(|(at, c)| Guess::OtherCharacter(at, c)),
        at().prop_map(Guess::Swapped),
        Just(Guess::Reversed),
        Just(Guess::Challenge),
        Just(Guess::Plain),
        Just(Guess::PaddedChallenge),
        Just(Guess::StandardChallenge),
        Just(Guess::Hexadecimal),
        Just(Guess::TwiceHashed),
        prop::sample::select(vec![(" ", ""), ("", " "), ("", "\n"), ("\t", ""), ("\0", ""), ("", "\0"), ("", "=")])
            .prop_map(|(before, after)| Guess::Spaced(before, after)),
        Just(Guess::Encoded),
        (unreserved(43..=50), any::<bool>()).prop_map(|(other, first)| Guess::Repeated(other, first)),
        Just(Guess::InTheAddress),
        prop::sample::select(vec!["codeverifier", "Code_Verifier", "code_verifier[]", " code_verifier", "verifier"])
            .prop_map(Guess::Misnamed),
    ]
}

/// The character at `at` changed.
fn changed(text: &str, at: prop::sample::Index, change: impl Fn(char) -> char) -> String {
    let at = at.index(text.len());
    text.chars().enumerate().map(|(n, c)| if n == at { change(c) } else { c }).collect()
}

fn other_case(c: char) -> char {
    if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }
}

/// The verifier as guessed; none when the guess lies in the shape of the request.
fn guessed(guess: &Guess, right: &str) -> Option<String> {
    let hash = sha256(right);
    Some(match guess {
        Guess::Other(other) => other.clone(),
        Guess::Cut(at) => right[..at.index(right.len())].to_owned(),
        Guess::Longer(c) => format!("{right}{c}"),
        Guess::OtherCase(at) => changed(right, *at, other_case),
        Guess::OtherCharacter(at, other) => changed(right, *at, |_| *other),
        Guess::Swapped(at) => {
            let at = at.index(right.len());
            format!("{}{}", &right[at..], &right[..at])
        }
        Guess::Reversed => right.chars().rev().collect(),
        Guess::Challenge | Guess::Plain => challenge(right),
        Guess::PaddedChallenge => URL_SAFE.encode(hash),
        Guess::StandardChallenge => STANDARD.encode(hash),
        Guess::Hexadecimal => hash.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat(),
        Guess::TwiceHashed => challenge(&challenge(right)),
        Guess::Spaced(before, after) => format!("{before}{right}{after}"),
        Guess::Encoded => percent_encoded(right),
        _ => return None,
    })
}

/// The answer to a redemption with this guess; none when the guess happens to be the verifier.
async fn attempt(rp: &Rp, code: &str, guess: &Guess, right: &str) -> Option<Answer> {
    let asked = rp.redemption(code).without("code_verifier");
    let verifier = guessed(guess, right);
    if verifier.as_deref() == Some(right) {
        return None;
    }
    let asked = match (guess, verifier) {
        (Guess::Plain, Some(verifier)) => asked.and("code_verifier", &verifier).and("code_challenge_method", "plain"),
        (_, Some(verifier)) => asked.and("code_verifier", &verifier),
        (Guess::Empty, _) => asked.and("code_verifier", ""),
        (Guess::Repeated(other, true), _) => asked.and("code_verifier", other).and("code_verifier", right),
        (Guess::Repeated(other, false), _) => asked.and("code_verifier", right).and("code_verifier", other),
        (Guess::Misnamed(name), _) => asked.and(name, right),
        (Guess::InTheAddress, _) => {
            let path = format!("/oauth/token?code_verifier={right}");
            return Some(rp.form(&path, asked).await);
        }
        _ => asked,
    };
    Some(rp.token(asked).await)
}

#[track_caller]
fn no_token(answer: &Answer, why: &str) {
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{why}: {}", answer.said());
    let json = answer.json();
    assert!(["invalid_grant", "invalid_request"].contains(&json["error"].as_str().unwrap()), "{why}: {json}");
    for token in ["access_token", "refresh_token", "id_token"] {
        assert!(json.get(token).is_none(), "{why}: {json}");
    }
}

async fn code_for(mut browser: Browser, request: &Parameters) -> String {
    browser.get(&request.authorize()).await.sent_back()["code"].clone()
}

fn signed_in(lab: &Lab) -> Browser {
    let mut browser = lab.app.browser();
    lab.wait(browser.sign_in_with_fly("leo"));
    browser
}

#[test]
fn no_token_without_the_verifier_and_one_with_it() {
    let lab = Lab::new();
    let browser = signed_in(&lab);
    // Where PKCE is required, and where it is the client's choice.
    let clients = [lab.app.standard(), lab.app.sentry(), lab.app.sentry_oidc()];
    let inputs = (unreserved(43..=128), prop::collection::vec(guess(), 1..10), 0..clients.len());
    lab.holds(300, &inputs, async |(right, guesses, client)| {
        let rp = &clients[client];
        let request = rp.request().with("code_challenge", &challenge(&right)).with("code_challenge_method", "S256");
        let code = code_for(browser.clone(), &request).await;
        for guess in &guesses {
            if let Some(answer) = attempt(rp, &code, guess, &right).await {
                no_token(&answer, &format!("{guess:?} for {right}"));
            }
        }
        Tokens::of(&rp.token(rp.redemption(&code).with("code_verifier", &right)).await);
    });
}

#[test]
fn a_verifier_that_is_too_short_or_too_long_gives_nothing_though_its_hash_is_right() {
    let lab = Lab::new();
    let (browser, rp) = (signed_in(&lab), lab.app.standard());
    let inputs = prop_oneof![unreserved(1..=42), unreserved(129..=200)];
    lab.holds(40, &inputs, async |verifier| {
        let request = rp.request().with("code_challenge", &challenge(&verifier));
        let code = code_for(browser.clone(), &request).await;
        let asked = rp.redemption(&code).with("code_verifier", &verifier);
        no_token(&rp.token(asked).await, &verifier);
    });
}

#[test]
fn a_code_without_a_challenge_takes_no_verifier() {
    let lab = Lab::new();
    let (browser, rp) = (signed_in(&lab), lab.app.sentry());
    lab.holds(40, &prop_oneof![unreserved(43..=128), ".{1,60}"], async |verifier| {
        let code = code_for(browser.clone(), &rp.request()).await;
        no_token(&rp.token(rp.redemption(&code).and("code_verifier", &verifier)).await, &verifier);
        Tokens::of(&rp.redeem(&code).await);
    });
}

#[test]
fn a_challenge_in_any_other_method_gives_no_code() {
    let lab = Lab::new();
    let browser = signed_in(&lab);
    let clients = [lab.app.standard(), lab.app.sentry()];
    let methods = prop_oneof![
        Just(None),
        prop::sample::select(vec!["plain", "s256", "S256 ", "S-256", "S512", "none", "S256,plain"])
            .prop_map(|method| Some(method.to_owned())),
        "[ -~]{1,8}".prop_map(Some)
    ];
    // Fit to be a challenge, and to be a verifier that stands for itself.
    let text = "[A-Za-z0-9_-]{43,128}";
    lab.holds(200, &(methods, text, 0..clients.len()), async |(method, verifier, client)| {
        if method.as_deref() == Some("S256") {
            return;
        }
        let request = clients[client].request().without("code_challenge_method");
        let request = request.with("code_challenge", &verifier);
        let request = match &method {
            Some(method) => request.and("code_challenge_method", method),
            None => request,
        };
        let answer = browser.clone().get(&request.authorize()).await;
        let back = if answer.status == 303 { answer.sent_back() } else { [].into() };
        assert!(!back.contains_key("code"), "{method:?}: {}", answer.said());
        assert!(answer.status == 400 || back["error"] == "invalid_request", "{method:?}: {}", answer.said());
    });
}
