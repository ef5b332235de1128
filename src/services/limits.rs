//! Throttling of guesses, and of changes by programs, shared by all nodes: delays, and none that a stranger can put on somebody else.
//!
//! Each [`Subject`] has leaky buckets: so many attempts at once, then one every so often, by the stored level and the
//! time alone. An attempt is counted before it is tried, so parallel guesses count as well, and given back when it
//! succeeds or when nothing was tried after all.
//!
//! A password has several buckets. The strict one is that of the account seen from one network: guessing at somebody
//! delays the guesser. The others are so large that one network alone never fills those of an account or of everybody.
//! Many networks together do, so a browser that the person has signed in with before has a bucket of its own instead of
//! all these.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::vault::{Purpose, Vault};
use crate::clock::Timestamp;
use crate::store::records::{Stored, TypedKey};
use crate::store::{Attempt, Store, StoreError, keys};

/// The total is spread over so many records, so that no single one is written at every sign-in.
const SHARDS: u8 = 16;

/// What is being guessed, or who is guessing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// Passwords of one sign-in address from one network.
    AccountFromNetwork,
    /// Passwords from one network.
    Network,
    /// Passwords from the /56 of an IPv6 address, which is what a home is given (RFC 6177, section 2; RIPE-690).
    Home,
    /// Passwords from the /48 of an IPv6 address, the most that one subscriber is given.
    Site,
    /// Passwords of one sign-in address from all networks.
    Account,
    /// All passwords; one of several parts.
    Total,
    /// Passwords of one sign-in address from one browser that its person has signed in with before.
    Device,
    /// Links asked for, by sign-in address and by network. Whoever asks, the link goes to whom the address belongs.
    LinkAccount,
    LinkNetwork,
    /// Addresses that a person gives as their own, and that one address is given as anybody's: each is mailed.
    ContactPerson,
    ContactAddress,
    /// Test mails that an admin has sent to themselves.
    TestMail,
    /// Secrets of one client, from one network.
    Client,
    /// Clients that do not exist, from one network.
    UnknownClient,
    /// Changes that one client makes at the API.
    Change,
}

impl Subject {
    fn word(self) -> &'static str {
        match self {
            Self::AccountFromNetwork => "account-from-network",
            Self::Network => "network",
            Self::Home => "home",
            Self::Site => "site",
            Self::Account => "account",
            Self::Total => "total",
            Self::Device => "device",
            Self::LinkAccount => "link-account",
            Self::LinkNetwork => "link-network",
            Self::ContactPerson => "contact-person",
            Self::ContactAddress => "contact-address",
            Self::TestMail => "test-mail",
            Self::Client => "client",
            Self::UnknownClient => "unknown-client",
            Self::Change => "change",
        }
    }

    /// A network may stand for a whole office.
    fn rate(self) -> Rate {
        let (burst, every) = match self {
            Self::AccountFromNetwork | Self::Device => (5, Duration::from_secs(12)),
            Self::Network => (60, Duration::from_secs(2)),
            Self::Home => (120, Duration::from_secs(1)),
            Self::Site => (240, Duration::from_millis(500)),
            Self::Account => (100, Duration::from_secs(10)),
            // 1024 at once and 50 a second over all parts.
            Self::Total => (64, Duration::from_millis(320)),
            Self::LinkAccount | Self::ContactAddress | Self::TestMail => (3, Duration::from_mins(5)),
            Self::ContactPerson => (5, Duration::from_mins(5)),
            Self::LinkNetwork => (30, Duration::from_secs(5)),
            Self::Client | Self::UnknownClient => (30, Duration::from_secs(2)),
            // A program that moves many organizations, one after the other.
            Self::Change => (120, Duration::from_millis(500)),
        };
        Rate { burst, every }
    }
}

/// How many attempts at once, and how long until one comes back.
#[derive(Debug, Clone, Copy)]
struct Rate {
    burst: u32,
    every: Duration,
}

/// What is stored of a bucket: when all of its attempts are back. Absent is the same as in the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Level {
    full_at: Timestamp,
}

impl Stored for Level {}

impl Level {
    /// With one attempt less; or, when none is left, the time until the next. That is never longer than one takes to
    /// come back, whatever the clocks of other nodes say.
    fn take(before: Option<Self>, rate: Rate, now: Timestamp) -> Result<Self, Wait> {
        let full_at = before.map_or(now, |level| level.full_at.max(now)).plus(rate.every);
        let over = full_at.since(now).saturating_sub(rate.every * rate.burst);
        if over.is_zero() { Ok(Self { full_at }) } else { Err(Wait(over.min(rate.every))) }
    }

    /// With one attempt more; none when that makes it full.
    fn give_back(self, rate: Rate, now: Timestamp) -> Option<Self> {
        let full_at = self.full_at.minus(rate.every);
        (full_at > now).then_some(Self { full_at })
    }
}

/// Too many attempts; the next one is possible after this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait(pub Duration);

impl Wait {
    /// In whole seconds, never too few of them.
    #[must_use]
    pub fn rounded_up(self) -> Duration {
        let partly = u64::from(self.0.subsec_nanos() > 0);
        Duration::from_secs(self.0.as_secs().saturating_add(partly))
    }
}

/// Where an attempt is counted.
#[derive(Debug)]
pub struct Bucket {
    rate: Rate,
    key: TypedKey<Level>,
}

pub struct Limits {
    store: Store,
    vault: Arc<Vault>,
}

impl Limits {
    #[must_use]
    pub fn new(store: Store, vault: Arc<Vault>) -> Arc<Self> {
        Arc::new(Self { store, vault })
    }

    /// The buckets of a password for `account` that came from the network address `address`.
    #[must_use]
    pub fn of_password(&self, account: &str, address: &str) -> Vec<Bucket> {
        let network = network(address);
        let wider = [(Subject::Home, prefix(address, 56)), (Subject::Site, prefix(address, 48))];
        let wider = wider.into_iter().filter_map(|(subject, prefix)| Some(self.bucket(subject, &[&prefix?])));
        let shard = self.mac(Subject::Total, &[account, &network])[0] % SHARDS;
        let mut buckets = vec![
            self.bucket(Subject::AccountFromNetwork, &[account, &network]),
            self.bucket(Subject::Network, &[&network]),
        ];
        buckets.extend(wider);
        buckets.push(self.bucket(Subject::Account, &[account]));
        buckets.push(self.bucket(Subject::Total, &[&shard.to_string()]));
        buckets
    }

    /// The bucket of a password from the browser `device`, with which the person of the account has signed in before.
    #[must_use]
    pub fn of_device(&self, device: &str) -> Vec<Bucket> {
        vec![self.bucket(Subject::Device, &[device])]
    }

    /// The buckets of a link to `account` that was asked for from `network`.
    #[must_use]
    pub fn of_link(&self, account: &str, network: &str) -> [Bucket; 2] {
        [self.bucket(Subject::LinkNetwork, &[network]), self.bucket(Subject::LinkAccount, &[account])]
    }

    /// The buckets of an address that a person gives as their own.
    #[must_use]
    pub fn of_contact(&self, person: &str, address: &str) -> [Bucket; 2] {
        [self.bucket(Subject::ContactPerson, &[person]), self.bucket(Subject::ContactAddress, &[address])]
    }

    /// The bucket of wrong secrets from `network`: one for each client there is, and one for all others.
    #[must_use]
    pub fn of_client(&self, known: Option<&str>, network: &str) -> Bucket {
        match known {
            Some(client) => self.bucket(Subject::Client, &[client, network]),
            None => self.bucket(Subject::UnknownClient, &[network]),
        }
    }

    /// Counts an attempt in one bucket, or says how long to wait; then nothing is counted.
    pub async fn attempt(&self, subject: Subject, who: &str) -> Result<Result<(), Wait>, StoreError> {
        self.take(&self.bucket(subject, &[who])).await
    }

    /// Counts an attempt in all of `buckets`; or in none, and says how long to wait.
    pub async fn attempt_all(&self, buckets: &[Bucket]) -> Result<Result<(), Wait>, StoreError> {
        for (counted, bucket) in buckets.iter().enumerate() {
            if let Err(wait) = self.take(bucket).await? {
                self.give_back(&buckets[..counted]).await?;
                return Ok(Err(wait));
            }
        }
        Ok(Ok(()))
    }

    /// Takes back an attempt that was counted in all of `buckets`: it was right, or nothing was tried.
    pub async fn give_back(&self, buckets: &[Bucket]) -> Result<(), StoreError> {
        for bucket in buckets {
            self.put_back(bucket).await?;
        }
        Ok(())
    }

    async fn take(&self, Bucket { rate, key }: &Bucket) -> Result<Result<(), Wait>, StoreError> {
        self.store
            .transact(|| async {
                let before = self.store.read(key).await?;
                let mut txn = self.store.txn(key.key().partition().clone());
                let level = match Level::take(before.as_ref().map(|entry| entry.value), *rate, txn.now()) {
                    Ok(level) => level,
                    Err(wait) => return Ok(Attempt::Done(Err(wait))),
                };
                match &before {
                    Some(entry) => txn.check(entry),
                    None => txn.check_absent(key.key().clone()),
                };
                txn.put_until(key, &level, level.full_at)?;
                Ok::<_, StoreError>(Attempt::Commit(txn, Ok(())))
            })
            .await
    }

    async fn put_back(&self, Bucket { rate, key }: &Bucket) -> Result<(), StoreError> {
        self.store
            .transact(|| async {
                let Some(entry) = self.store.read(key).await? else { return Ok(Attempt::Done(())) };
                let mut txn = self.store.txn(key.key().partition().clone());
                txn.check(&entry);
                match entry.value.give_back(*rate, txn.now()) {
                    Some(level) => txn.put_until(key, &level, level.full_at)?,
                    None => txn.delete(key.key().clone()),
                };
                Ok::<_, StoreError>(Attempt::Commit(txn, ()))
            })
            .await
    }

    fn bucket(&self, subject: Subject, who: &[&str]) -> Bucket {
        let hash = URL_SAFE_NO_PAD.encode(self.mac(subject, who));
        Bucket { rate: subject.rate(), key: keys::limit(&hash) }
    }

    fn mac(&self, subject: Subject, who: &[&str]) -> [u8; 32] {
        let parts: Vec<&[u8]> = [subject.word()].iter().chain(who).map(|part| part.as_bytes()).collect();
        self.vault.mac(Purpose::PrivacyHash, &parts)
    }
}

/// What counts as one place among network addresses: an IPv4 address, or the /64 of an IPv6 address, all of which one
/// machine may use as it likes (RFC 4291, section 2.5.4; RFC 8981).
#[must_use]
pub fn network(address: &str) -> String {
    let other = || address.parse::<IpAddr>().map_or_else(|_| address.to_owned(), |ip| ip.to_canonical().to_string());
    prefix(address, 64).unwrap_or_else(other)
}

/// The first `bits` of an IPv6 address; none for another.
fn prefix(address: &str, bits: u32) -> Option<String> {
    let IpAddr::V6(address) = address.parse::<IpAddr>().ok()?.to_canonical() else { return None };
    let prefix = Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << (128 - bits)));
    Some(format!("{prefix}/{bits}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { burst: 5, every: Duration::from_secs(12) };
    const NOW: Timestamp = Timestamp::from_seconds(100);

    fn after(count: u32, now: Timestamp) -> Option<Level> {
        (0..count).fold(None, |level, _| Some(Level::take(level, RATE, now).unwrap()))
    }

    #[test]
    fn a_burst_is_free_and_then_one_comes_back_at_a_time() {
        let spent = after(5, NOW);
        assert_eq!(Level::take(spent, RATE, NOW), Err(Wait(Duration::from_secs(12))));
        let soon = NOW.plus(Duration::from_millis(11_999));
        assert_eq!(Level::take(spent, RATE, soon), Err(Wait(Duration::from_millis(1))));
        let then = NOW.plus(Duration::from_secs(12));
        let again = Level::take(spent, RATE, then).unwrap();
        assert_eq!(Level::take(Some(again), RATE, then), Err(Wait(Duration::from_secs(12))));
    }

    #[test]
    fn everything_is_back_after_a_while_and_no_more_than_that() {
        let spent = after(5, NOW).unwrap();
        assert_eq!(spent.full_at, NOW.plus(Duration::from_mins(1)));
        let later = NOW.plus(Duration::from_hours(1));
        let level = (0..5).try_fold(spent, |level, _| Level::take(Some(level), RATE, later)).unwrap();
        assert!(Level::take(Some(level), RATE, later).is_err());
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let spent = after(5, NOW).unwrap();
        assert_eq!(spent.give_back(RATE, NOW), after(4, NOW));
        assert_eq!(after(1, NOW).unwrap().give_back(RATE, NOW), None);
        let later = NOW.plus(Duration::from_secs(50));
        assert_eq!(spent.give_back(RATE, later), None);
    }

    #[test]
    fn a_node_whose_clock_is_behind_waits_no_longer() {
        let spent = after(5, NOW);
        let behind = NOW.minus(Duration::from_hours(1));
        assert_eq!(Level::take(spent, RATE, behind), Err(Wait(Duration::from_secs(12))));
    }

    #[test]
    fn one_network_does_not_use_up_what_others_share() {
        let per_second = |subject: Subject| subject.rate().every.as_secs_f64().recip();
        for (one, shared) in [
            (Subject::AccountFromNetwork, Subject::Account),
            (Subject::Network, Subject::Home),
            (Subject::Home, Subject::Site),
            (Subject::Network, Subject::Total),
        ] {
            assert!(one.rate().burst < shared.rate().burst, "{one:?}");
            assert!(per_second(one) < per_second(shared), "{one:?}");
        }
        assert!(Subject::Site.rate().burst < Subject::Total.rate().burst * u32::from(SHARDS));
        assert!(per_second(Subject::Site) < per_second(Subject::Total));
    }

    #[test]
    fn a_network_is_an_ipv4_address_or_the_64_of_an_ipv6_one() {
        assert_eq!(network("192.0.2.7"), "192.0.2.7");
        assert_eq!(network("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(network("2001:db8:1:2:ffff::1"), network("2001:db8:1:2::9"));
        assert_ne!(network("2001:db8:1:3::1"), network("2001:db8:1:2::1"));
        assert_eq!(network("nowhere"), "nowhere");
    }

    #[test]
    fn ipv6_addresses_lie_in_wider_networks_too() {
        assert_eq!(prefix("2001:db8:1:12ff::1", 56).as_deref(), Some("2001:db8:1:1200::/56"));
        assert_eq!(prefix("2001:db8:1:12ff::1", 48).as_deref(), Some("2001:db8:1::/48"));
        for address in ["192.0.2.7", "::ffff:192.0.2.7", "nowhere"] {
            assert_eq!(prefix(address, 56), None, "{address}");
        }
    }
}
