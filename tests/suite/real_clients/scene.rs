//! A running Flybridge, with two clients and a person who signs in.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use flybridge::demo::world::World;
use flybridge::store::keys;
use serde_json::json;

use super::front::{Front, Place};
use super::program::Seen;
use crate::processes::fly::{Fly, Reserved};
use crate::processes::{Letters, link_saltmarsh};
use crate::support::client_key::{ClientKey, set};
use crate::support::process::{Home, Node, until};
use crate::support::smtp::SmtpSink;
use crate::support::visitor::Visitor;

/// Nobody listens there; the tests read where a browser would be sent.
pub(super) const REDIRECT: &str = "https://rp.example.com/callback";
pub(super) const POST_LOGOUT: &str = "https://rp.example.com/signed-out";
pub(super) const SCOPE: &str = "openid profile email offline_access";

const PASSWORD: &str = "heron sluice anvil 72 marsh";

/// The service that access tokens are meant for, where they are JWTs.
pub(super) const SERVICE: &str = "https://api.example.com/";

/// What a client does beside the plain way, and is registered for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// It hands over its requests (RFC 9126), and has to.
    Par,
    /// It gets its access tokens as JWTs (RFC 9068).
    Jwt,
    /// It gets no token that is not bound to a key (RFC 9449).
    Dpop,
}

impl Use {
    /// What programs know it by.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Par => "par",
            Self::Jwt => "jwt",
            Self::Dpop => "dpop",
        }
    }

    fn settings(self) -> String {
        match self {
            Self::Par => "require_par = true\n".to_owned(),
            Self::Dpop => "dpop_bound_access_tokens = true\n".to_owned(),
            Self::Jwt => format!("access_token_format = \"jwt\"\naccess_token_audience = \"{SERVICE}\"\n"),
        }
    }
}

/// A client as it is registered.
#[derive(Clone, Copy)]
pub(super) struct Registration {
    pub(super) id: &'static str,
    /// None of a client that signs, with the key of the scene.
    pub(super) secret: Option<&'static str>,
    pub(super) token_auth: &'static str,
    pub(super) algorithm: &'static str,
    pub(super) uses: &'static [Use],
}

/// The secret has the characters of base64, and a percent sign for good measure: in the `Authorization` header some
/// clients encode them, as RFC 6749 (section 2.3.1) wants it, and some do not.
pub(super) const BASIC_RS256: Registration = Registration {
    id: "basic-rs256",
    secret: Some("6tqN+Uz/3f%2BpLover=wReN:4c81e7f0=="),
    token_auth: "client_secret_basic",
    algorithm: "RS256",
    uses: &[],
};

pub(super) const POST_ES256: Registration = Registration {
    id: "post-es256",
    secret: Some("Kn0t+Rd/9a%2FgAnnEt=tErN:b26e94d8=="),
    token_auth: "client_secret_post",
    algorithm: "ES256",
    uses: &[],
};

pub(super) const SIGNS_RS256: Registration = Registration {
    id: "signs-rs256",
    secret: None,
    token_auth: "private_key_jwt",
    algorithm: "RS256",
    uses: &[Use::Jwt],
};

pub(super) const SIGNS_AND_PUSHES: Registration = Registration {
    id: "signs-and-pushes",
    secret: None,
    token_auth: "private_key_jwt",
    algorithm: "ES256",
    uses: &[Use::Par, Use::Jwt],
};

pub(super) const BINDS: Registration = Registration {
    id: "binds",
    secret: Some("B1tt+Rn/7e%2FsWan=hErOn:91d03c5a=="),
    token_auth: "client_secret_basic",
    algorithm: "ES256",
    uses: &[Use::Dpop],
};

pub(super) const BINDS_AND_PUSHES: Registration =
    Registration { id: "binds-and-pushes", uses: &[Use::Dpop, Use::Par, Use::Jwt], ..SIGNS_AND_PUSHES };

const ALL: [Registration; 6] = [BASIC_RS256, POST_ES256, SIGNS_RS256, SIGNS_AND_PUSHES, BINDS, BINDS_AND_PUSHES];

impl Registration {
    fn configuration(&self, key: &ClientKey) -> String {
        let Self { id, token_auth, algorithm, .. } = self;
        let proof = match self.secret {
            Some(secret) => format!("secret = \"{secret}\""),
            None => format!("jwks = '{}'", set(&[key])),
        };
        let uses: String = self.uses.iter().map(|part| part.settings()).collect();
        format!(
            r#"
[[clients]]
id = "{id}"
name = "Grafana"
token_auth = "{token_auth}"
algorithm = "{algorithm}"
{proof}
redirect_uris = ["{REDIRECT}"]
post_logout_redirect_uris = ["{POST_LOGOUT}"]
{uses}"#
        )
    }

    pub(super) fn uses(&self, part: Use) -> bool {
        self.uses.contains(&part)
    }
}

/// How Leo signs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Fly,
    /// His organization has left Fly.io.
    Password,
}

pub(super) struct Scene {
    home: Home,
    key: ClientKey,
    issuer: String,
    _running: (Node, Option<Front>, Fly),
    method: Method,
    address: String,
    sub: String,
    files: AtomicU32,
}

impl Scene {
    pub(super) async fn new(method: Method) -> Self {
        Self::behind(None, method).await
    }

    /// The published keys are not those that sign.
    pub(super) async fn with_other_keys() -> Self {
        Self::behind(Some(Place::new().await), Method::Fly).await
    }

    async fn behind(place: Option<Place>, method: Method) -> Self {
        let (sink, reserved) = (SmtpSink::start().await, Reserved::new().await);
        let key = ClientKey::p256("2026-11");
        let mut home = Home::new(sink.address()).fly(&reserved.url());
        for client in ALL {
            home = home.line("clients", client.configuration(&key));
        }
        if let Some(place) = &place {
            home = home.issuer(place.url());
        }
        link_saltmarsh(&home);
        let node = Node::start(&home).await;
        let issuer = place.as_ref().map_or_else(|| node.url(""), Place::url);
        let front = place.map(|place| place.serve(&node));
        let fly = reserved.serve_at(vec![issuer.clone()]);
        let leo = World::demo().person("leo").unwrap().clone();
        Visitor::of(issuer.clone()).sign_in_with_fly("/sign-in", "leo").await;
        let store = home.open_store().await;
        let identity = keys::fly_identity(&leo.user_id.parse().unwrap());
        let sub = store.read(&identity).await.unwrap().unwrap().value.as_str().to_owned();
        let address = leo.email.unwrap();
        if method == Method::Password {
            leave(&issuer, &sink, &address).await;
        }
        Self { home, key, issuer, _running: (node, front, fly), method, address, sub, files: AtomicU32::new(0) }
    }

    pub(super) fn issuer(&self) -> String {
        self.issuer.clone()
    }

    /// A path where no file is yet.
    pub(super) fn fresh_file(&self) -> PathBuf {
        self.home.path(&format!("file-{}", self.files.fetch_add(1, Ordering::SeqCst)))
    }

    /// What clients that sign do it with, as a private JWK.
    pub(super) fn key(&self) -> String {
        self.key.private_jwk().to_string()
    }

    pub(super) fn leo(&self) -> Leo<'_> {
        Leo { scene: self, visitor: Visitor::of(self.issuer()) }
    }

    /// Whether a client saw Leo, and the tokens did what they should.
    pub(super) fn check(&self, seen: &Seen, client: &Registration) {
        assert_eq!(seen.algorithm, client.algorithm);
        let claims = &seen.claims;
        assert_eq!(claims["iss"], self.issuer());
        // One text or a list of one: libraries read both, and some write what they have read as a list.
        assert!([json!(client.id), json!([client.id])].contains(&claims["aud"]), "{claims}");
        assert_eq!(claims["sub"], self.sub, "the same, whichever way he signs in");
        assert!(claims["nonce"].is_string(), "the client asked for one: {claims}");

        assert_eq!(seen.access_token.is_some(), client.uses(Use::Jwt));
        for token in seen.access_token.iter().flatten() {
            assert_eq!(token["sub"], self.sub, "{token}");
            assert_eq!(token["client_id"], client.id, "{token}");
            assert_eq!(token["aud"], json!([SERVICE, self.issuer]), "{token}");
        }

        let userinfo = &seen.userinfo;
        assert_eq!(userinfo["sub"], self.sub);
        assert_eq!(userinfo["name"], "Leo Brandt");
        assert_eq!(userinfo["email"], self.address);
        assert_eq!(userinfo["email_verified"], true);

        let refreshed = &seen.refreshed;
        for same in ["iss", "aud", "sub", "auth_time", "amr", "acr"] {
            assert_eq!(refreshed[same], claims[same], "{same} (OIDC Core, section 12.2)");
        }
        assert!(refreshed["iat"].as_i64() >= claims["iat"].as_i64(), "{refreshed}");
        assert!(refreshed.get("nonce").is_none_or(serde_json::Value::is_null), "{refreshed}");
        assert!(seen.rotated);

        if let Some(introspected) = &seen.introspected {
            assert_eq!(introspected["active"], true, "{introspected}");
            assert_eq!(introspected["sub"], self.sub, "{introspected}");
            assert_eq!(introspected["client_id"], client.id, "{introspected}");
            assert_eq!(seen.introspected_after.as_ref().unwrap()["active"], json!(false));
        }
        if let Some(refusal) = &seen.refusal {
            assert_eq!(refusal, "invalid_grant");
        }
    }
}

/// Leo's organization leaves Fly.io, and he sets a password with the link he is mailed.
async fn leave(issuer: &str, sink: &SmtpSink, address: &str) {
    let mut ines = Visitor::of(issuer.to_owned());
    ines.sign_in_with_fly("/sign-in", "ines").await;
    ines.disable("saltmarsh-labs").await;
    let link = until("the mail with the link", async || {
        let letters = Letters::of(&sink.messages());
        letters.0.get(address).map(|mails| mails[0].0.clone())
    })
    .await;
    let mut leo = Visitor::of(issuer.to_owned());
    leo.get(&format!("/set-up/{link}")).await;
    let form = leo.get("/set-up").await;
    let fields = [("csrf", &*form.csrf()), ("person", &*form.hidden("person")), ("password", PASSWORD)];
    let set = leo.post("/set-up", &fields).await;
    assert_eq!(set.status, 303, "{}", set.text);
}

/// Leo with a browser of his own.
pub(super) struct Leo<'a> {
    scene: &'a Scene,
    visitor: Visitor,
}

impl Leo<'_> {
    /// Opens the address where a sign-in starts; gives the one of the client that he ends at.
    pub(super) async fn sign_in(&mut self, start: &str) -> String {
        let answer = match self.scene.method {
            Method::Fly => self.visitor.sign_in_with_fly(start, "leo").await,
            Method::Password => self.visitor.sign_in_with_password(start, &self.scene.address, PASSWORD).await,
        };
        let callback = answer.location();
        assert!(callback.starts_with(&format!("{REDIRECT}?")), "{callback}");
        callback.to_owned()
    }

    /// Whether a request for a sign-in leads back to the client without asking him.
    pub(super) async fn is_signed_in(&mut self) -> bool {
        let mut start = url::Url::parse(&format!("{}/oauth/authorize", self.scene.issuer)).unwrap();
        start
            .query_pairs_mut()
            .extend_pairs([("client_id", BASIC_RS256.id), ("redirect_uri", REDIRECT), ("response_type", "code")])
            .extend_pairs([("scope", "openid"), ("code_challenge_method", "S256")])
            .append_pair("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        self.visitor.get(start.as_str()).await.location().starts_with(REDIRECT)
    }

    /// Opens the address where a sign-in starts that is refused before it begins; where he is sent back to.
    pub(super) async fn turned_back(&mut self, start: &str) -> String {
        let answer = self.visitor.get(start).await;
        assert!(answer.location().starts_with(&format!("{REDIRECT}?error=")), "{}", answer.location());
        answer.location().to_owned()
    }

    /// Opens the address where a logout starts; gives the one of the client that he ends at.
    pub(super) async fn sign_out(&mut self, start: &str) -> String {
        let answer = self.visitor.get(start).await;
        assert!(answer.location().starts_with(&format!("{POST_LOGOUT}?")), "{}", answer.location());
        answer.location().to_owned()
    }
}
