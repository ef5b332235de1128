//! `[fly]`: Fly.io as the upstream that proves who somebody is.

use std::time::Duration;

use url::Url;

use super::parse;
use super::problem::Wrong;
use super::section::Section;
use crate::domain::secret::Secret;

/// Our registration at Fly.io, and how we speak to it.
#[derive(Debug, Clone)]
pub struct Fly {
    pub client_id: String,
    pub client_secret: Secret,
    pub authorize_url: Url,
    pub token_url: Url,
    pub token_info_url: Url,
    pub scope: String,
    /// For one whole call, connection included.
    pub timeout: Duration,
    /// Bytes of an answer that are read at most.
    pub max_body: usize,
}

pub(super) fn read(mut section: Section<'_>) -> Option<Fly> {
    let client_id = section.required("client_id", "Write the client id that Fly.io gave you", parse::text);
    let client_secret = section.secret("client_secret", "client_secret_file", parse::own_secret);
    let authorize_url = section.set("authorize_url", parse::web_url);
    let token_url = section.set("token_url", parse::web_url);
    let token_info_url = section.set("token_info_url", parse::web_url);
    let scope = section.set("scope", parse::text);
    let timeout = section.set("timeout", parse::duration(Duration::from_millis(100)..=Duration::from_secs(5)));
    let max_body = section.set("max_body", parse::size(4096..=1_048_576));
    if matches!(client_secret, Some(None)) {
        let remedy =
            "Put the secret that Fly.io gave you into fly.client_secret_file or FLYBRIDGE_FLY__CLIENT_SECRET";
        section.refuse("client_secret", None, Wrong::new("the client secret is missing", remedy));
    }
    section.finish();
    Some(Fly {
        client_id: client_id?,
        client_secret: client_secret??,
        authorize_url: authorize_url?,
        token_url: token_url?,
        token_info_url: token_info_url?,
        scope: scope?,
        timeout: timeout?,
        max_body: max_body?,
    })
}
