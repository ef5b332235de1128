//! The registered relying parties, held ready: finding one never asks the store.

use std::collections::BTreeMap;
use std::sync::Arc;

use url::{Origin, Url};

use crate::domain::client::Client;
use crate::domain::ids::ClientId;

/// Every client there is.
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

    /// A client with an address at `origin`.
    #[must_use]
    pub fn at(&self, origin: &Origin) -> Option<Arc<Client>> {
        let mut clients = self.0.values();
        clients.find(|client| is_at(client, origin)).cloned()
    }

    /// The client that people without a pending request go on to: the first with a home.
    #[must_use]
    pub fn with_home(&self) -> Option<Arc<Client>> {
        self.0.values().find(|client| client.home.is_some()).cloned()
    }
}

fn is_at(client: &Client, origin: &Origin) -> bool {
    let addresses = client.redirect_uris.iter().chain(&client.post_logout_redirect_uris).map(String::as_str);
    let mut addresses = addresses.chain(client.home.as_ref().map(Url::as_str));
    addresses.any(|address| Url::parse(address).is_ok_and(|url| url.origin() == *origin))
}
