//! The forms of a store's URL.
//!
//! | form | what |
//! |---|---|
//! | `redis://[user:password@]host[:port][/database]` | one server |
//! | `redis+sentinel://[user:password@]host:port,host:port/primary[/database]` | the primary that Sentinel names |
//! | `redis+cluster://[user:password@]host:port,host:port` | a cluster, found through these nodes |
//!
//! `rediss` instead of `redis` means TLS. User and password are those of the servers; a Sentinel that wants its own gets
//! them as `?sentinel_username=..&sentinel_password=..`.

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _};

use crate::store::StoreError;

/// A store's URL, taken apart. Holds passwords, hence without `Debug`.
pub(super) enum Address {
    One(ConnectionInfo),
    Sentinel(Sentinel),
    Cluster(Vec<ConnectionInfo>),
}

pub(super) struct Sentinel {
    pub(super) sentinels: Vec<ConnectionAddr>,
    pub(super) primary: String,
    pub(super) tls: bool,
    /// User, password and database of the primary.
    pub(super) node: ConnectionInfo,
    pub(super) username: Option<String>,
    pub(super) password: Option<String>,
}

/// # Errors
/// [`StoreError::Misuse`] with the reason, which never repeats the URL, since that may hold a password.
pub(super) fn parse(url: &str) -> Result<Address, StoreError> {
    let wrong = |why: &str| StoreError::Misuse(format!("the store's URL: {why}"));
    let (scheme, rest) = url.split_once("://").ok_or_else(|| wrong("it has no scheme"))?;
    let (plain, kind) = scheme.split_once('+').map_or((scheme, None), |(plain, kind)| (plain, Some(kind)));
    if plain != "redis" && plain != "rediss" {
        return Err(wrong("the scheme is redis or rediss, with +sentinel or +cluster where that is meant"));
    }
    match kind {
        None => info(url).map(Address::One),
        Some("cluster") => {
            let parts = Parts::of(rest);
            if !parts.path.is_empty() {
                return Err(wrong("a cluster has no databases, so nothing follows the nodes"));
            }
            let nodes: Result<_, _> = parts.hosts().map(|host| info(&parts.single(plain, host))).collect();
            nodes.map(Address::Cluster)
        }
        Some("sentinel") => sentinel(plain, &Parts::of(rest)).map(Address::Sentinel),
        Some(_) => Err(wrong("after + comes sentinel or cluster")),
    }
}

fn sentinel(scheme: &str, parts: &Parts<'_>) -> Result<Sentinel, StoreError> {
    let (primary, database) = parts.path.split_once('/').unwrap_or((parts.path, ""));
    if primary.is_empty() {
        return Err(StoreError::Misuse("the store's URL: the name of the primary follows the Sentinels".to_owned()));
    }
    let mut sentinels = Vec::new();
    for host in parts.hosts() {
        sentinels.push(info(&format!("{scheme}://{host}"))?.addr().clone());
    }
    let first = parts.hosts().next().unwrap_or_default();
    let option = |name: &str| {
        let mut pairs = url::form_urlencoded::parse(parts.query.as_bytes());
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    };
    Ok(Sentinel {
        sentinels,
        primary: primary.to_owned(),
        tls: scheme == "rediss",
        node: info(&format!("{}/{database}", parts.single(scheme, first)))?,
        username: option("sentinel_username"),
        password: option("sentinel_password"),
    })
}

fn info(url: &str) -> Result<ConnectionInfo, StoreError> {
    url.into_connection_info().map_err(|error| {
        // The crate's messages name the rule, and never the URL; behind the dash stands a name of its own code.
        let text = error.to_string();
        let rule = text.split(" - ").next().unwrap_or_default();
        StoreError::Misuse(format!("the store's URL: {rule}"))
    })
}

/// `[user:password@]host:port,host:port[/path][?query]`
struct Parts<'a> {
    user: Option<&'a str>,
    hosts: &'a str,
    path: &'a str,
    query: &'a str,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Self {
        let (text, query) = text.split_once('?').unwrap_or((text, ""));
        let (authority, path) = text.split_once('/').unwrap_or((text, ""));
        let (user, hosts) = authority.rsplit_once('@').map_or((None, authority), |(user, hosts)| (Some(user), hosts));
        Self { user, hosts, path: path.trim_end_matches('/'), query }
    }

    fn hosts(&self) -> impl Iterator<Item = &'a str> {
        self.hosts.split(',')
    }

    fn single(&self, scheme: &str, host: &str) -> String {
        match self.user {
            Some(user) => format!("{scheme}://{user}@{host}"),
            None => format!("{scheme}://{host}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn misuse(url: &str) -> String {
        match parse(url) {
            Err(StoreError::Misuse(why)) => why,
            _ => panic!("{url} was accepted"),
        }
    }

    #[test]
    fn one_server_with_a_user_and_tls() {
        let Ok(Address::One(info)) = parse("rediss://app:p%40ss@redis.example:6380/2") else { panic!("one server") };
        assert!(matches!(info.addr(), ConnectionAddr::TcpTls { host, port: 6380, .. } if host == "redis.example"));
        let settings = info.redis_settings();
        assert_eq!((settings.username(), settings.password(), settings.db()), (Some("app"), Some("p@ss"), 2));
    }

    #[test]
    fn a_cluster_has_several_nodes_with_one_user() {
        let Ok(Address::Cluster(nodes)) = parse("redis+cluster://app:secret@a:7000,b:7001") else {
            panic!("cluster")
        };
        let addresses: Vec<String> = nodes.iter().map(|node| node.addr().to_string()).collect();
        assert_eq!(addresses, ["a:7000", "b:7001"]);
        assert!(nodes.iter().all(|node| node.redis_settings().password() == Some("secret")));
    }

    #[test]
    fn sentinels_have_their_own_password() {
        let url = "rediss+sentinel://app:secret@a:26379,b:26379/mymaster/3?sentinel_password=other";
        let Ok(Address::Sentinel(found)) = parse(url) else { panic!("sentinel") };
        assert_eq!((found.primary.as_str(), found.tls, found.sentinels.len()), ("mymaster", true, 2));
        assert_eq!(found.node.redis_settings().db(), 3);
        assert_eq!(found.node.redis_settings().password(), Some("secret"));
        assert_eq!(found.password.as_deref(), Some("other"));
    }

    #[test]
    fn refusals_say_why_and_never_repeat_a_password() {
        for url in [
            "secret",
            "http://app:secret@host",
            "redis+ring://app:secret@host",
            "redis+sentinel://app:secret@host:1",
            "redis+cluster://app:secret@host:1/0",
            "redis://app:secret@host/secret",
        ] {
            let why = misuse(url);
            assert!(why.starts_with("the store's URL: ") && !why.contains("secret"), "{why}");
        }
    }
}
