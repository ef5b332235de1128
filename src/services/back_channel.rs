//! Telling a client that a session is over (OpenID Connect Back-Channel Logout 1.0): one POST with a signed token.
//!
//! Bounds: one deadline for everything, no redirects, and nothing is read of the answer but its status. Addresses of the
//! own network are not blocked, since targets come from operators alone, by configuration or command: no client, person or
//! token names one.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{StatusCode, redirect};

use super::clients::Clients;
use super::jobs::LogoutNotice;
use super::signing::{SigningError, SigningKeys};
use crate::clock::Timestamp;
use crate::domain::claims::{LogoutEvents, LogoutToken};
use crate::domain::client::Client;
use crate::domain::ids::random_text;
use crate::random::Random;

/// For the whole of one attempt.
pub const TIMEOUT: Duration = Duration::from_secs(5);
/// How long a logout token may be used. Made anew for each attempt, so short (section 2.4).
const LIFETIME: Duration = Duration::from_mins(2);
/// What it is (section 2.4): never to be taken for an `id_token`.
const TYP: &str = "logout+jwt";

/// How telling a client ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// The client has understood.
    Done,
    /// The client does not want to be told any more.
    NotWanted,
    /// The client says that it will never accept this.
    Refused(u16),
    /// It may go better later.
    Failed(String),
}

pub struct BackChannel {
    issuer: String,
    signing: Arc<SigningKeys>,
    clients: Arc<Clients>,
    http: reqwest::Client,
}

impl BackChannel {
    /// # Errors
    /// When no HTTP client can be made. The crypto provider must be installed before.
    pub fn new(
        issuer: &str,
        signing: Arc<SigningKeys>,
        clients: Arc<Clients>,
        timeout: Duration,
    ) -> reqwest::Result<Self> {
        let http = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .timeout(timeout)
            .user_agent(concat!("flybridge/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { issuer: issuer.to_owned(), signing, clients, http })
    }

    /// Sends a token made at `now` to where the client wants it now.
    pub async fn tell(&self, notice: &LogoutNotice, now: Timestamp, random: &dyn Random) -> Told {
        let Some(client) = self.clients.get(notice.client.as_str()) else {
            // Perhaps this process is older than the client's configuration, and another one knows it.
            return Told::Failed("the client is not known here".to_owned());
        };
        let Some(uri) = client.backchannel_logout_uri.clone() else { return Told::NotWanted };
        let token = match self.token(&client, notice, now, random) {
            Ok(token) => token,
            Err(error) => return Told::Failed(format!("no logout token could be made: {error}")),
        };
        match self.http.post(uri).form(&[("logout_token", token)]).send().await {
            Ok(answer) => judge(answer.status()),
            Err(error) => Told::Failed(reason(&error).to_owned()),
        }
    }

    fn token(
        &self,
        client: &Client,
        notice: &LogoutNotice,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<String, SigningError> {
        let claims = LogoutToken {
            iss: &self.issuer,
            sub: &notice.user,
            aud: client.id.as_str(),
            iat: now.as_seconds(),
            exp: now.plus(LIFETIME).as_seconds(),
            jti: random_text(random),
            sid: &notice.sid,
            events: LogoutEvents::default(),
        };
        self.signing.sign(client.algorithm.into(), TYP, &claims)
    }
}

/// 400 means that the token is not accepted (section 2.8), and the next one would not be either.
fn judge(status: StatusCode) -> Told {
    let later = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
    if status.is_success() {
        Told::Done
    } else if status.is_server_error() || later.contains(&status) {
        Told::Failed(format!("status {}", status.as_u16()))
    } else {
        Told::Refused(status.as_u16())
    }
}

/// Without the URL, which may hold what no log should.
fn reason(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection"
    } else {
        "the connection broke"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16) -> Told {
        judge(StatusCode::from_u16(status).expect("a status"))
    }

    #[test]
    fn only_what_may_get_better_is_tried_again() {
        for status in [200, 201, 204] {
            assert_eq!(of(status), Told::Done);
        }
        for status in [408, 429, 500, 502, 503, 504] {
            assert_eq!(of(status), Told::Failed(format!("status {status}")));
        }
        for status in [301, 307, 400, 401, 403, 404, 410, 413] {
            assert_eq!(of(status), Told::Refused(status));
        }
    }
}
