//! The load: callers that do one thing after the other until the time is over.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use reqwest::{Client, RequestBuilder, StatusCode, header, redirect};
use serde::{Deserialize, Serialize};

use crate::cpu::cpu_time;

/// What a server tells of itself.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Target {
    pub(crate) base: String,
    /// `name=value` of the session cookie; none for the bare handler.
    pub(crate) cookie: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    pub(crate) redirect_uri: String,
}

/// What the callers do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// One request to the bare handler.
    Bare,
    /// Authorize with a session, token with an `id_token`, userinfo.
    Flow,
    /// A refresh token used up for the next, with a new `id_token`.
    Refresh,
    Userinfo,
    Introspection,
    Discovery,
    Jwks,
}

impl Operation {
    /// All but the bare handler.
    pub(crate) const ALL: [Self; 6] =
        [Self::Flow, Self::Refresh, Self::Userinfo, Self::Introspection, Self::Discovery, Self::Jwks];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Flow => "flow",
            Self::Refresh => "refresh",
            Self::Userinfo => "userinfo",
            Self::Introspection => "introspection",
            Self::Discovery => "discovery",
            Self::Jwks => "jwks",
        }
    }

    pub(crate) fn requests(self) -> u32 {
        if self == Self::Flow { 3 } else { 1 }
    }
}

pub(crate) struct Measured {
    done: u64,
    pub(crate) failed: u64,
    span: Duration,
    cpu: Duration,
}

impl Measured {
    #[expect(clippy::cast_precision_loss, reason = "counts of a few seconds")]
    pub(crate) fn rate(&self) -> f64 {
        self.done as f64 / self.span.as_secs_f64()
    }

    pub(crate) fn cpu_per_operation(&self) -> Duration {
        self.cpu / u32::try_from(self.done.max(1)).unwrap_or(u32::MAX)
    }
}

/// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

pub(crate) async fn run(
    target: &Target,
    operation: Operation,
    span: Duration,
    callers: usize,
    server: u32,
) -> Measured {
    let client = Client::builder().no_proxy().redirect(redirect::Policy::none()).tcp_nodelay(true).build();
    let client = client.expect("an HTTP client");
    let begin = || async { Caller::begin(&client, target, operation).await.expect("a caller with tokens") };
    let mut ready = futures_util::future::join_all((0..callers).map(|_| begin())).await;
    let (done, failed) = (AtomicU64::new(0), AtomicU64::new(0));
    let (start, cpu) = (Instant::now(), cpu_time(server));
    let work = ready.iter_mut().map(async |caller| {
        while start.elapsed() < span {
            let worked = caller.perform(operation).await.is_some();
            if worked { &done } else { &failed }.fetch_add(1, Ordering::Relaxed);
        }
    });
    futures_util::future::join_all(work).await;
    Measured {
        done: done.into_inner(),
        failed: failed.into_inner(),
        span: start.elapsed(),
        cpu: cpu_time(server).saturating_sub(cpu),
    }
}

#[derive(Deserialize)]
struct Tokens {
    #[serde(rename = "access_token")]
    access: String,
    #[serde(rename = "refresh_token")]
    refresh: Option<String>,
    #[serde(rename = "id_token")]
    identity: String,
}

#[derive(Deserialize)]
struct Person {
    sub: String,
}

#[derive(Deserialize)]
struct Introspected {
    active: bool,
}

/// One of many at the same time, with tokens of its own.
struct Caller<'a> {
    client: &'a Client,
    target: &'a Target,
    access: String,
    refresh: String,
}

impl<'a> Caller<'a> {
    async fn begin(client: &'a Client, target: &'a Target, operation: Operation) -> Option<Self> {
        let mut caller = Self { client, target, access: String::new(), refresh: String::new() };
        if [Operation::Refresh, Operation::Userinfo, Operation::Introspection].contains(&operation) {
            let tokens = caller.tokens("openid email offline_access").await?;
            (caller.access, caller.refresh) = (tokens.access, tokens.refresh?);
        }
        Some(caller)
    }

    async fn perform(&mut self, operation: Operation) -> Option<()> {
        match operation {
            Operation::Bare => self.fetch("").await,
            Operation::Discovery => self.fetch("/.well-known/openid-configuration").await,
            Operation::Jwks => self.fetch("/oauth/jwks").await,
            Operation::Userinfo => self.userinfo(&self.access).await,
            Operation::Introspection => {
                let answer = self.post("/oauth/introspect", &[("token", &self.access)]).send().await.ok()?;
                answer.json::<Introspected>().await.ok()?.active.then_some(())
            }
            Operation::Refresh => {
                let form = [("grant_type", "refresh_token"), ("refresh_token", &self.refresh)];
                let tokens: Tokens = self.post("/oauth/token", &form).send().await.ok()?.json().await.ok()?;
                self.refresh = tokens.refresh?;
                (!tokens.identity.is_empty()).then_some(())
            }
            Operation::Flow => {
                let tokens = self.tokens("openid email").await?;
                self.userinfo(&tokens.access).await?;
                (!tokens.identity.is_empty()).then_some(())
            }
        }
    }

    async fn fetch(&self, path: &str) -> Option<()> {
        let answer = self.client.get(format!("{}{path}", self.target.base)).send().await.ok()?;
        let good = answer.status() == StatusCode::OK;
        (!answer.bytes().await.ok()?.is_empty() && good).then_some(())
    }

    /// A form from the client to one of the endpoints for clients.
    fn post(&self, path: &str, form: &[(&str, &str)]) -> RequestBuilder {
        let Target { base, client_id, client_secret, .. } = self.target;
        self.client.post(format!("{base}{path}")).form(form).basic_auth(client_id, Some(client_secret))
    }

    async fn tokens(&self, scope: &str) -> Option<Tokens> {
        let Target { base, cookie, client_id, redirect_uri, .. } = self.target;
        let query = [
            ("client_id", client_id.as_str()),
            ("redirect_uri", redirect_uri),
            ("response_type", "code"),
            ("scope", scope),
            ("state", "bench"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        let authorize = self.client.get(format!("{base}/oauth/authorize")).query(&query);
        let answer = authorize.header(header::COOKIE, cookie.as_deref()?).send().await.ok()?;
        let location = url::Url::parse(answer.headers().get(header::LOCATION)?.to_str().ok()?).ok()?;
        let code = location.query_pairs().find(|(name, _)| name == "code")?.1.into_owned();
        let form = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", redirect_uri),
            ("code_verifier", VERIFIER),
        ];
        self.post("/oauth/token", &form).send().await.ok()?.json().await.ok()
    }

    async fn userinfo(&self, access: &str) -> Option<()> {
        let userinfo = self.client.get(format!("{}/oauth/userinfo", self.target.base)).bearer_auth(access);
        let person: Person = userinfo.send().await.ok()?.json().await.ok()?;
        (!person.sub.is_empty()).then_some(())
    }
}
