//! Whatever is sent, no answer leads to an origin but our own, Fly.io's, and addresses that the client has registered.

use std::cell::Cell;

use axum::body::Body;
use axum::http::Request;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use url::Url;

use super::lab::Lab;
use super::links::{is_ours, is_registered, leads, links};
use super::scenes::{CLIENTS, DOORS, Door, HOME, SIGNED_OUT, Scene, base};
use super::uris::corpus;
use crate::support::answer::Answer;
use crate::support::app::{FLY_CLIENT, ISSUER};
use crate::support::browser_client::{Browser, query};
use crate::support::relying_party::Parameters;

const NAMES: &[&str] = &[
    "client_id",
    "redirect_uri",
    "response_type",
    "response_mode",
    "scope",
    "state",
    "nonce",
    "prompt",
    "max_age",
    "id_token_hint",
    "login_hint",
    "code_challenge",
    "code_challenge_method",
    "request",
    "request_uri",
    "claims",
    "acr_values",
    "organization",
    "post_logout_redirect_uri",
    "tx",
    "all",
    "code",
    "error",
    "error_description",
    "iss",
    "then",
    "answer",
    "csrf",
    "email",
    "password",
    "person",
    "redirect_uri[]",
    "REDIRECT_URI",
    "redirect_url",
    "target_link_uri",
    "next",
    "return_to",
    "continue",
    "url",
    "home",
];

/// Values that lead further than nonsense does. Those in braces are filled in with what the browser has.
const PLAUSIBLE: &[&str] = &[
    "sentry",
    "sentry-oidc",
    "standard",
    "es256",
    "https://rp.test/cb",
    "https://rp.test/cb2?keep=a%20b",
    "https://sentry.test/auth/sso/",
    SIGNED_OUT,
    HOME,
    "code",
    "query",
    "form_post",
    "fragment",
    "none",
    "login",
    "0",
    "openid",
    "read",
    "yes",
    "no",
    "access_denied",
    "server_error",
    "saltmarsh-labs",
    "{tx}",
    "{state}",
    "{code}",
    "{hint}",
    "{then}",
    "{csrf}",
    "a\r\nLocation: https://evil.test/\r\n\r\n",
    "\"><meta http-equiv=\"refresh\" content=\"0; url=https://evil.test/\">",
    "\"><form action=\"https://evil.test/\" id=\"form-post\">",
    "</title><base href=\"https://evil.test/\">",
    "javascript:alert(1)",
    "{\"userinfo\":{\"sub\":{\"value\":\"https://evil.test/\"}}}",
];

#[derive(Debug, Clone)]
enum Edit {
    /// Of one of the parameters that the request has.
    Change(Index, String),
    Set(String, String),
    Add(String, String),
    Remove(String),
}

impl Edit {
    fn apply(self, sent: Parameters) -> Parameters {
        match self {
            Self::Change(_, _) if sent.0.is_empty() => sent,
            Self::Change(which, value) => {
                let name = sent.0[which.index(sent.0.len())].0.clone();
                sent.with(&name, &value)
            }
            Self::Set(name, value) => sent.with(&name, &value),
            Self::Add(name, value) => sent.and(&name, &value),
            Self::Remove(name) => sent.without(&name),
        }
    }
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let registered = ["https://rp.test/cb", "https://sentry.test/auth/sso/", SIGNED_OUT];
    let value = prop_oneof![
        3 => select(PLAUSIBLE).prop_map(str::to_owned),
        3 => select(corpus(&registered)),
        1 => ".{0,40}",
    ];
    let name = prop_oneof![8 => select(NAMES).prop_map(str::to_owned), 1 => "[a-zA-Z_\\[\\]%]{1,12}"];
    let edit = prop_oneof![
        4 => (any::<Index>(), value.clone()).prop_map(|(which, value)| Edit::Change(which, value)),
        3 => (name.clone(), value.clone()).prop_map(|(name, value)| Edit::Set(name, value)),
        2 => (name.clone(), value).prop_map(|(name, value)| Edit::Add(name, value)),
        1 => name.prop_map(Edit::Remove),
    ];
    prop::collection::vec(edit, 0..5)
}

/// Where this request may lead but to us and to Fly.io.
fn allowed(door: Door, sent: &Parameters, scene: &Scene) -> Vec<&'static str> {
    // An empty parameter is none.
    let ids = sent.0.iter().filter(|(name, value)| name == "client_id" && !value.is_empty());
    let named: Vec<&str> = ids.map(|(_, id)| id.as_str()).collect();
    let of = |id: &str| CLIENTS.iter().find(|(known, _)| *known == id).map_or(&[][..], |(_, uris)| *uris).to_vec();
    match door {
        Door::Authorize if named.len() == 1 => of(named[0]),
        Door::Authorize => Vec::new(),
        Door::Logout if !named.is_empty() && named != ["standard"] => Vec::new(),
        Door::Logout | Door::SignOut => vec![SIGNED_OUT],
        _ => scene.client.map(|client| CLIENTS[client].1.to_vec()).unwrap_or_default(),
    }
}

/// How often the answers of a run led to the client and to Fly.io: a property about nothing would hold as well.
#[derive(Default)]
struct Seen {
    client: Cell<u32>,
    fly: Cell<u32>,
}

impl Seen {
    #[track_caller]
    fn check(&self, answer: &Answer, allowed: &[&str], fly: &str, what: &str) {
        assert!(answer.status != 500, "{what}: {}", answer.said());
        for lead in leads(answer) {
            if allowed.iter().any(|uri| is_registered(&lead, uri)) {
                self.client.set(self.client.get() + 1);
            } else if is_fly(&lead, fly) {
                self.fly.set(self.fly.get() + 1);
            } else {
                assert!(is_ours(&lead) || lead == HOME, "{what} leads to {lead:?}");
            }
        }
        for link in links(answer) {
            let known = is_ours(&link) || link == HOME || allowed.iter().any(|uri| is_registered(&link, uri));
            assert!(known, "{what} has a link to {link:?}");
        }
    }
}

/// Fly.io's page for consent, and back to us afterwards.
fn is_fly(lead: &str, fly: &str) -> bool {
    let Some(asked) = lead.strip_prefix(fly).filter(|rest| rest.starts_with('?')) else { return false };
    let asked = query(&Url::parse(&format!("{fly}{asked}")).unwrap());
    asked["client_id"] == FLY_CLIENT && asked["redirect_uri"] == format!("{ISSUER}/connectors/fly/callback")
}

async fn knock(browser: &mut Browser, path: &str, sent: &Parameters, post: bool, cross_site: bool) -> Answer {
    let site = if cross_site { "cross-site" } else { "same-origin" };
    if !post {
        let request = Request::get(format!("{path}?{}", sent.encode())).header("sec-fetch-site", site);
        return browser.send(request.body(Body::empty()).unwrap()).await;
    }
    // Which sign-in a form belongs to stands in its address.
    let (address, form): (Vec<_>, Vec<_>) = sent.0.iter().cloned().partition(|(name, _)| name == "tx");
    let fields: Vec<(&str, &str)> = form.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let path = if address.is_empty() { path.to_owned() } else { format!("{path}?{}", Parameters(address).encode()) };
    browser.post_bare(&path, &fields, &[("sec-fetch-site", site)]).await
}

#[test]
fn no_answer_leads_anywhere_else() {
    let lab = Lab::new();
    let (app, seen) = (&lab.app, Seen::default());
    let scenes = lab.wait(Scene::all(app));
    let mut midway = scenes[2].clone();
    let fly = lab.wait(midway.browser.leave_for_fly(&midway.tx.clone()));
    let fly = fly.as_str().split('?').next().unwrap();
    let doors = prop_oneof![4 => select(&DOORS[..1]), 3 => select(&DOORS[1..2]), 9 => select(&DOORS[2..])];
    let inputs = (doors, 0..scenes.len(), 0..CLIENTS.len(), edits(), any::<bool>(), prop::bool::weighted(0.2));
    lab.holds(4_000, &inputs, async |((door, path), scene, client, edits, post, cross_site)| {
        let mut scene = scenes[scene].clone();
        if door == Door::Callback {
            scene.approved().await;
        }
        let form_token = if post { base(app, door, client).and("csrf", "{csrf}") } else { base(app, door, client) };
        let edited = edits.into_iter().fold(form_token, |sent, edit| edit.apply(sent));
        let sent = Parameters(edited.0.into_iter().map(|(name, value)| (name, scene.filled(&value))).collect());
        let allowed = allowed(door, &sent, &scene);
        let mut answer = knock(&mut scene.browser, path, &sent, post, cross_site).await;
        for _ in 0..4 {
            seen.check(&answer, &allowed, fly, &format!("{door:?} {sent:?}"));
            let location = answer.header("location").to_owned();
            if location.is_empty() || !is_ours(&location) {
                break;
            }
            answer = scene.browser.get(&location).await;
        }
    });
    // Asking for links makes mail, which nobody reads here.
    app.leave_jobs();
    let (client, fly) = (seen.client.get(), seen.fly.get());
    assert!(client > 400 && fly > 40, "{client} answers led to a client, {fly} to Fly.io");
}
