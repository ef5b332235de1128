//! The OpenID Connect provider's endpoints.

pub mod authorize;
pub mod client_auth;
pub mod discovery;
pub mod introspection;
pub mod logout;
pub mod redirect;
pub mod revocation;
pub mod token;
pub mod token_info;
pub mod userinfo;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::client::Client;
use crate::domain::ids::ClientId;

/// The registered relying parties.
#[derive(Debug, Clone, Default)]
pub struct Clients(BTreeMap<ClientId, Arc<Client>>);

impl Clients {
    #[must_use]
    pub fn new(clients: Vec<Client>) -> Self {
        Self(clients.into_iter().map(|client| (client.id.clone(), Arc::new(client))).collect())
    }

    #[must_use]
    pub fn get(&self, id: &str) -> Option<Arc<Client>> {
        id.parse().ok().and_then(|id: ClientId| self.0.get(&id).cloned())
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<Client>> {
        self.0.values()
    }

    /// A client with an address at `origin`.
    #[must_use]
    pub fn at(&self, origin: &url::Origin) -> Option<&Arc<Client>> {
        self.0.values().find(|client| {
            let addresses = client.redirect_uris.iter().chain(&client.post_logout_redirect_uris).map(String::as_str);
            let mut addresses = addresses.chain(client.home.as_ref().map(url::Url::as_str));
            addresses.any(|address| url::Url::parse(address).is_ok_and(|url| url.origin() == *origin))
        })
    }

    /// The client that people without a pending request go on to: the first with a home.
    #[must_use]
    pub fn with_home(&self) -> Option<&Arc<Client>> {
        self.0.values().find(|client| client.home.is_some())
    }
}
