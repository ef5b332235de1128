//! A client that an operator registered by command, as the store keeps it.

mod change;

use std::time::Duration;

pub use change::{Ending, SettingChange, differences, endings};

use serde::{Deserialize, Serialize};

use super::client::{Client, ClientSecret, MOST_SECRETS};
use super::ids::RegistrationId;
use super::organization::Actor;
use crate::clock::Timestamp;

/// How long a replaced secret may be accepted beside the new one at most.
pub const LONGEST_OVERLAP: Duration = Duration::from_hours(30 * 24);

/// A registered client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    pub id: RegistrationId,
    /// What was set, all of it, whichever preset it began with.
    pub settings: Client,
    /// The newest first; none of a client that signs. Those whose time is over leave with the next change.
    pub secrets: Vec<ClientSecret>,
    pub created_at: Timestamp,
    pub changed_at: Timestamp,
}

/// One more secret would be one too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the client has {MOST_SECRETS} secrets that are accepted, the most there can be")]
pub struct TooManySecrets;

impl Registration {
    #[must_use]
    pub fn new(id: RegistrationId, settings: Client, secret: Option<ClientSecret>, now: Timestamp) -> Self {
        Self { id, settings, secrets: secret.into_iter().collect(), created_at: now, changed_at: now }
    }

    /// What requests are held against.
    #[must_use]
    pub fn client(&self) -> Client {
        Client { secrets: self.secrets.clone(), registration: Some(self.id.clone()), ..self.settings.clone() }
    }

    /// With `secret` in place of those there are, which are accepted for `overlap` more at most.
    ///
    /// # Errors
    /// When more than [`MOST_SECRETS`] would be accepted.
    pub fn with_secret(
        &self,
        secret: ClientSecret,
        overlap: Duration,
        now: Timestamp,
    ) -> Result<Self, TooManySecrets> {
        let end = now.plus(overlap);
        let replaced = self.secrets.iter().map(|old| ClientSecret {
            accepted_until: Some(old.accepted_until.map_or(end, |until| until.min(end))),
            ..old.clone()
        });
        let replaced = replaced.filter(|old| old.is_accepted(now));
        let secrets: Vec<_> = std::iter::once(secret).chain(replaced).collect();
        if secrets.len() > MOST_SECRETS {
            return Err(TooManySecrets);
        }
        Ok(Self { secrets, changed_at: now, ..self.clone() })
    }

    /// With other settings, and with the secret that `mint` makes where they ask for one and there was none. Secrets that
    /// mean nothing any more leave at once; and where everything ends that people gave the client ([`Ending::Grants`]), it
    /// goes on as another registration, named by `id`.
    #[must_use]
    pub fn with_settings(
        &self,
        settings: Client,
        id: RegistrationId,
        mint: impl FnOnce() -> ClientSecret,
        now: Timestamp,
    ) -> Self {
        let (before, after) = (self.settings.token_auth.takes_secret(), settings.token_auth.takes_secret());
        let secrets = match (before, after) {
            (_, false) => Vec::new(),
            (true, true) => self.secrets.iter().filter(|secret| secret.is_accepted(now)).cloned().collect(),
            (false, true) => vec![mint()],
        };
        let ends = endings(&self.settings, &settings).contains(&Ending::Grants);
        let id = if ends { id } else { self.id.clone() };
        Self { id, settings, secrets, created_at: self.created_at, changed_at: now }
    }
}

/// Something that was done to a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientEvent {
    pub at: Timestamp,
    pub what: ClientChange,
    pub who: Actor,
    /// Of [`ClientChange::Changed`]: which settings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<SettingChange>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientChange {
    Added,
    Changed,
    SecretRotated,
    Removed,
}

impl ClientChange {
    /// As a sentence about the client goes on.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Added => "was added",
            Self::Changed => "was changed",
            Self::SecretRotated => "got a new secret",
            Self::Removed => "was removed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SeededRandom;

    const NOW: Timestamp = Timestamp::from_seconds(1_000);
    const DAY: Duration = Duration::from_hours(24);

    /// As the first version wrote them: a setting that came later must not keep them from being read.
    fn settings() -> Client {
        let written = serde_json::json!({
            "id": "grafana",
            "name": "Grafana",
            "redirect_uris": ["https://rp.test/cb"],
            "post_logout_redirect_uris": [],
            "home": "https://rp.test/",
            "token_auth": "client_secret_post",
            "algorithm": "ES256",
            "require_pkce": true,
            "require_openid": true,
            "claims_in_id_token": false,
            "always_refresh_token": false,
            "denials_on_own_page": true,
            "subject": "fly_user_id",
        });
        serde_json::from_value(written).expect("settings")
    }

    fn secret(seed: u64, now: Timestamp) -> (String, ClientSecret) {
        let (secret, kept) = ClientSecret::mint(now, &SeededRandom::new(seed));
        (secret.expose().clone(), kept)
    }

    fn registered() -> (String, Registration) {
        let (text, kept) = secret(1, NOW);
        (text, Registration::new("r1".parse().expect("an id"), settings(), Some(kept), NOW))
    }

    #[test]
    fn a_replaced_secret_is_accepted_until_its_overlap_ends_and_not_a_moment_longer() {
        let (old, first) = registered();
        assert!(first.client().knows(&old, NOW.plus(1_000 * DAY)), "as long as nobody replaces it");
        let (new, kept) = secret(2, NOW);
        let client = first.with_secret(kept, DAY, NOW).expect("there is room").client();
        let last = NOW.plus(DAY).minus(Duration::from_millis(1));
        assert!(client.knows(&old, last) && client.knows(&new, last));
        assert!(!client.knows(&old, NOW.plus(DAY)) && client.knows(&new, NOW.plus(DAY)));
        assert!(!client.knows("", NOW) && !client.knows(&new[1..], NOW));
    }

    #[test]
    fn no_overlap_ends_every_older_secret_at_once() {
        let (old, first) = registered();
        let (middle, kept) = secret(2, NOW);
        let second = first.with_secret(kept, 3 * DAY, NOW).expect("there is room");
        let (new, kept) = secret(3, NOW);
        let third = second.with_secret(kept, Duration::ZERO, NOW).expect("there is room");
        assert_eq!(third.secrets.len(), 1, "what is over is not kept");
        let client = third.client();
        assert!(!client.knows(&old, NOW) && !client.knows(&middle, NOW) && client.knows(&new, NOW));
    }

    #[test]
    fn a_later_rotation_prolongs_nothing() {
        let (old, first) = registered();
        let second = first.with_secret(secret(2, NOW).1, DAY, NOW).expect("there is room");
        let third = second.with_secret(secret(3, NOW).1, 7 * DAY, NOW).expect("there is room");
        assert!(!third.client().knows(&old, NOW.plus(DAY)));
    }

    #[test]
    fn as_many_are_accepted_side_by_side_as_in_the_configuration() {
        let mut registration = registered().1;
        for seed in 2..=4 {
            registration = registration.with_secret(secret(seed, NOW).1, DAY, NOW).expect("there is room");
        }
        assert_eq!(registration.secrets.len(), MOST_SECRETS);
        assert_eq!(registration.with_secret(secret(5, NOW).1, DAY, NOW), Err(TooManySecrets));
        let later = NOW.plus(DAY);
        let after = registration.with_secret(secret(5, later).1, DAY, later).expect("those that ended make room");
        assert_eq!(after.secrets.len(), 2);
        assert_eq!((after.created_at, after.changed_at), (NOW, later));
    }

    #[test]
    fn what_is_kept_reads_back_and_holds_no_secret() {
        let (text, registration) = registered();
        let json = serde_json::to_string(&registration).expect("JSON");
        assert!(!json.contains(&text));
        assert_eq!(text.len(), 43, "256 bits");
        assert_eq!(serde_json::from_str::<Registration>(&json).expect("a registration"), registration);
        assert!(!format!("{registration:?}").contains(&registration.secrets[0].hash.to_text()));
    }

    #[test]
    fn what_was_registered_before_others_than_the_operators_own_were_known_is_the_operators_own() {
        assert!(settings().first_party);
        let written = serde_json::to_value(Client { first_party: false, ..settings() }).expect("JSON");
        assert!(!serde_json::from_value::<Client>(written).expect("settings").first_party);
    }

    #[test]
    fn a_grant_belongs_to_one_registration_unless_the_client_is_configured() {
        let client = registered().1.client();
        let [own, other] = ["r1", "r2"].map(|id| id.parse::<RegistrationId>().expect("an id"));
        assert!(client.stands_by(Some(&own)));
        assert!(!client.stands_by(Some(&other)) && !client.stands_by(None));
        assert!(settings().stands_by(Some(&other)) && settings().stands_by(None));
    }
}
