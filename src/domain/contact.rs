//! An address of a person's own, beside the one at Fly.io. It signs in, and takes mail, only once whoever reads its mail
//! has confirmed it; the address at Fly.io goes on working.

use serde::{Deserialize, Serialize};

use super::email::EmailAddress;
use super::secret::TokenHash;
use crate::clock::Timestamp;

/// What a person gave us of their own addresses: at most one that is confirmed, and one that waits to be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// Rises with every address that is given; the link in a mail names it.
    pub generation: u32,
    pub confirmed: Option<Confirmed>,
    pub given: Option<Given>,
}

/// An address whose mail the person reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmed {
    pub address: EmailAddress,
    pub at: Timestamp,
    /// Of the link that confirmed it.
    pub generation: u32,
}

/// An address that was typed, and means nothing yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    pub address: EmailAddress,
    pub at: Timestamp,
    /// Of the link in the mail that was made last.
    pub hash: Option<TokenHash>,
    /// Counted from when that mail was made, and from when the address was given before there is one.
    pub expires_at: Timestamp,
}

/// What became of the link that was mailed for an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It confirms this address, until then.
    Live {
        address: EmailAddress,
        until: Timestamp,
    },
    /// It has confirmed this address, which signs in.
    Used(EmailAddress),
    Expired,
    /// Another address was given since, or a newer link was mailed.
    Superseded,
    /// The person took the address back.
    TakenBack,
}

impl Contact {
    /// Whether the address signs the person in.
    #[must_use]
    pub fn signs_in(&self, address: &EmailAddress) -> bool {
        self.confirmed.as_ref().is_some_and(|own| own.address.normalized() == address.normalized())
    }

    /// Whether nobody else may begin to sign in with the address: it is confirmed, or about to be.
    #[must_use]
    pub fn holds(&self, address: &EmailAddress, now: Timestamp) -> bool {
        let given = self.given.as_ref().filter(|given| now < given.expires_at);
        self.signs_in(address) || given.is_some_and(|given| given.address.normalized() == address.normalized())
    }

    /// The address that waits to be confirmed.
    #[must_use]
    pub fn waiting(&self, now: Timestamp) -> Option<&Given> {
        self.given.as_ref().filter(|given| now < given.expires_at)
    }

    /// What a link of ours of this generation is worth, of which `hash` is the hash.
    #[must_use]
    pub fn standing(&self, generation: u32, hash: &TokenHash, now: Timestamp) -> Standing {
        if let Some(own) = self.confirmed.as_ref().filter(|own| own.generation == generation) {
            return Standing::Used(own.address.clone());
        }
        if generation != self.generation {
            return Standing::Superseded;
        }
        match &self.given {
            None => Standing::TakenBack,
            Some(given) if given.hash.as_ref() != Some(hash) => Standing::Superseded,
            Some(given) if now >= given.expires_at => Standing::Expired,
            Some(given) => Standing::Live { address: given.address.clone(), until: given.expires_at },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(100);
    const LATER: Timestamp = Timestamp::from_seconds(200);

    fn address(text: &str) -> EmailAddress {
        text.parse().expect("an address")
    }

    fn hash() -> TokenHash {
        TokenHash::of(b"the link")
    }

    fn waiting() -> Contact {
        let given = Given { address: address("sam@a.example"), at: NOW, hash: Some(hash()), expires_at: LATER };
        Contact { generation: 2, confirmed: None, given: Some(given) }
    }

    #[test]
    fn an_address_that_waits_signs_nobody_in_and_is_kept_from_others() {
        let contact = waiting();
        assert!(!contact.signs_in(&address("sam@a.example")));
        assert!(contact.holds(&address("SAM@A.example"), NOW));
        assert!(!contact.holds(&address("sam@a.example"), LATER), "it was never confirmed");
        assert!(!contact.holds(&address("leo@a.example"), NOW));
    }

    #[test]
    fn each_link_says_what_became_of_it() {
        let contact = waiting();
        let live = Standing::Live { address: address("sam@a.example"), until: LATER };
        assert_eq!(contact.standing(2, &hash(), NOW), live);
        assert_eq!(contact.standing(2, &hash(), LATER), Standing::Expired);
        assert_eq!(contact.standing(1, &hash(), NOW), Standing::Superseded);
        assert_eq!(contact.standing(2, &TokenHash::of(b"another"), NOW), Standing::Superseded);
        let taken_back = Contact { given: None, ..contact.clone() };
        assert_eq!(taken_back.standing(2, &hash(), NOW), Standing::TakenBack);
        let confirmed = Confirmed { address: address("sam@a.example"), at: NOW, generation: 2 };
        let used = Contact { confirmed: Some(confirmed), given: None, ..contact };
        assert_eq!(used.standing(2, &hash(), LATER), Standing::Used(address("sam@a.example")));
        assert!(used.signs_in(&address("Sam@A.example")) && used.holds(&address("sam@a.example"), LATER));
    }
}
