//! Where connections come from: the clients of the `redis` crate, with our settings.

use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClient;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{AsyncConnectionConfig, Client, ConnectionInfo, RedisError, TlsCertificates, TlsMode};

use super::Settings;
use super::address::Sentinel;

/// Makes connections to one server.
pub(super) enum Source {
    One(Box<Client>),
    Sentinel(Box<SentinelClient>),
}

impl Source {
    pub(super) fn one(info: ConnectionInfo, settings: &Settings) -> Result<Self, RedisError> {
        let client = match certificates(settings) {
            Some(certificates) => Client::build_with_tls(info, certificates),
            None => Client::open(info),
        };
        client.map(|client| Self::One(Box::new(client)))
    }

    pub(super) fn sentinel(sentinel: Sentinel, settings: &Settings) -> Result<Self, RedisError> {
        sentinel_client(sentinel, settings).map(|client| Self::Sentinel(Box::new(client)))
    }

    /// A new connection; behind Sentinel, to the server that is the primary now.
    pub(super) async fn connect(
        &mut self,
        config: &AsyncConnectionConfig,
    ) -> Result<MultiplexedConnection, RedisError> {
        match self {
            Self::One(client) => client.get_multiplexed_async_connection_with_config(config).await,
            Self::Sentinel(client) => client.get_async_connection_with_config(config).await,
        }
    }
}

/// The crate's own retries are off: they would repeat writes whose answer was lost.
pub(super) fn cluster(nodes: Vec<ConnectionInfo>, settings: &Settings) -> Result<ClusterClient, RedisError> {
    let mut builder = ClusterClient::builder(nodes)
        .retries(0)
        .min_retry_wait(1)
        .max_retry_wait(50)
        .connection_timeout(settings.connect)
        .response_timeout(settings.response)
        .overall_response_timeout(Some(settings.response));
    if let Some(certificates) = certificates(settings) {
        builder = builder.certs(certificates);
    }
    builder.build()
}

fn sentinel_client(sentinel: Sentinel, settings: &Settings) -> Result<SentinelClient, RedisError> {
    let primary = SentinelServerType::Master;
    let mut builder = SentinelClientBuilder::new(sentinel.sentinels, &sentinel.primary, primary)?;
    let node = sentinel.node.redis_settings();
    builder = builder.set_client_to_redis_db(node.db());
    if let Some(username) = node.username() {
        builder = builder.set_client_to_redis_username(username);
    }
    if let Some(password) = node.password() {
        builder = builder.set_client_to_redis_password(password);
    }
    if let Some(username) = sentinel.username {
        builder = builder.set_client_to_sentinel_username(username);
    }
    if let Some(password) = sentinel.password {
        builder = builder.set_client_to_sentinel_password(password);
    }
    if sentinel.tls {
        builder = builder.set_client_to_redis_tls_mode(TlsMode::Secure);
        if let Some(certificates) = certificates(settings) {
            builder = builder
                .set_client_to_redis_certificates(certificates.clone())
                .set_client_to_sentinel_certificates(certificates);
        }
    }
    builder.build()
}

fn certificates(settings: &Settings) -> Option<TlsCertificates> {
    let root_cert = settings.root_certificates.clone()?;
    Some(TlsCertificates { client_tls: None, root_cert: Some(root_cert) })
}
