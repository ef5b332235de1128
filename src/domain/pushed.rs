//! An authorization request that its client handed over at the back, before it sent the person (RFC 9126).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::authorize::AuthorizationRequest;
use super::client::Client;
use super::ids::{ClientId, RegistrationId, UserId};

/// How long the person may take to arrive with it.
pub const LIFETIME: Duration = Duration::from_secs(90);

/// What every `request_uri` of ours begins with (RFC 9126, section 2.2).
pub const URN: &str = "urn:ietf:params:oauth:request_uri:";

/// A request that passed every check when it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushedRequest {
    pub client: ClientId,
    pub registration: Option<RegistrationId>,
    /// One of those that the client registered.
    pub redirect_uri: String,
    pub state: Option<String>,
    pub request: AuthorizationRequest,
    /// The only person the client wants back.
    pub hinted: Option<UserId>,
}

impl PushedRequest {
    /// Whether the client is the one that handed it over.
    #[must_use]
    pub fn is_of(&self, client: &Client) -> bool {
        self.client == client.id && client.stands_by(self.registration.as_ref())
    }
}
