//! The load: callers that go through flows one after the other until the time is over.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode, header, redirect};
use serde::{Deserialize, Serialize};

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

pub(crate) async fn run(target: &Target, span: Duration, callers: usize, server: u32) -> Measured {
    let client = Client::builder().no_proxy().redirect(redirect::Policy::none()).tcp_nodelay(true).build();
    let client = client.expect("an HTTP client");
    let (done, failed) = (AtomicU64::new(0), AtomicU64::new(0));
    let (start, cpu) = (Instant::now(), cpu_time(server));
    let caller = || async {
        while start.elapsed() < span {
            let worked = match &target.cookie {
                Some(cookie) => flow(&client, target, cookie).await.is_some(),
                None => client.get(&target.base).send().await.is_ok_and(|answer| answer.status() == StatusCode::OK),
            };
            if worked { &done } else { &failed }.fetch_add(1, Ordering::Relaxed);
        }
    };
    futures_util::future::join_all((0..callers).map(|_| caller())).await;
    Measured {
        done: done.into_inner(),
        failed: failed.into_inner(),
        span: start.elapsed(),
        cpu: cpu_time(server).saturating_sub(cpu),
    }
}

#[derive(Deserialize)]
struct Tokens {
    access_token: String,
    id_token: String,
}

#[derive(Deserialize)]
struct Person {
    sub: String,
}

async fn flow(client: &Client, target: &Target, cookie: &str) -> Option<()> {
    let query = [
        ("client_id", target.client_id.as_str()),
        ("redirect_uri", &target.redirect_uri),
        ("response_type", "code"),
        ("scope", "openid email"),
        ("state", "bench"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    let authorize =
        client.get(format!("{}/oauth/authorize", target.base)).query(&query).header(header::COOKIE, cookie);
    let answer = authorize.send().await.ok()?;
    let location = url::Url::parse(answer.headers().get(header::LOCATION)?.to_str().ok()?).ok()?;
    let code = location.query_pairs().find(|(name, _)| name == "code")?.1.into_owned();
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", &target.redirect_uri),
        ("code_verifier", VERIFIER),
    ];
    let token = client.post(format!("{}/oauth/token", target.base)).form(&form);
    let token = token.basic_auth(&target.client_id, Some(&target.client_secret));
    let tokens: Tokens = token.send().await.ok()?.json().await.ok()?;
    let userinfo = client.get(format!("{}/oauth/userinfo", target.base)).bearer_auth(&tokens.access_token);
    let person: Person = userinfo.send().await.ok()?.json().await.ok()?;
    (!tokens.id_token.is_empty() && !person.sub.is_empty()).then_some(())
}

/// User and system time of a process so far (`proc(5)`, fields 14 and 15, in ticks of 10 ms).
fn cpu_time(process: u32) -> Duration {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let after_name = text.rsplit(')').next().unwrap_or_default();
    let ticks: u64 =
        after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}
