//! At which clients a person is signed in, of those that want to hear when that ends (OpenID Connect Back-Channel Logout
//! 1.0).

use serde::{Deserialize, Serialize};

use super::ids::{ClientId, SessionId};
use super::organization::LoginMethod;
use crate::clock::Timestamp;

/// So many places of a person are kept. Of more, those that end first are forgotten, and their clients not told.
pub const MOST_PLACES: usize = 100;

/// One session at one client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub client: ClientId,
    pub sid: SessionId,
    /// How the person had signed in when the client last heard of the session.
    pub method: LoginMethod,
    /// How they have proven themselves in this session since, in a sign-in that the client did not hear of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<LoginMethod>,
    /// When the session ends at the latest. One that ends by itself is over without a word.
    pub until: Timestamp,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whereabouts {
    pub places: Vec<Place>,
}

impl Place {
    /// Whether the session rests on what was proven at Fly.io, or the client was told so.
    #[must_use]
    pub fn rests_on_fly(&self) -> bool {
        self.method == LoginMethod::Fly || self.since == Some(LoginMethod::Fly)
    }
}

impl Whereabouts {
    /// With one more place; none when it is there already as it is.
    #[must_use]
    pub fn with(&self, place: Place, now: Timestamp) -> Option<Self> {
        if self.places.contains(&place) {
            return None;
        }
        let others = self.places.iter().filter(|known| known.client != place.client || known.sid != place.sid);
        let mut places: Vec<Place> = others.filter(|known| now < known.until).cloned().collect();
        places.sort_by_key(|known| known.until);
        let too_many = (places.len() + 1).saturating_sub(MOST_PLACES);
        places.drain(..too_many);
        places.push(place);
        Some(Self { places })
    }

    /// With the places of a session that goes on until `until` with a new proof by `method`; none when nothing changes.
    #[must_use]
    pub fn prolonged(&self, sid: &SessionId, method: LoginMethod, until: Timestamp) -> Option<Self> {
        let after = |place: &Place| {
            if place.sid != *sid {
                return place.clone();
            }
            let since = (place.method != method).then_some(method);
            Place { since, until: place.until.max(until), ..place.clone() }
        };
        let places: Vec<Place> = self.places.iter().map(after).collect();
        (places != self.places).then_some(Self { places })
    }

    /// The places at `now` that `over` says are over, and what remains.
    #[must_use]
    pub fn split(&self, now: Timestamp, over: impl Fn(&Place) -> bool) -> (Vec<Place>, Self) {
        let live = self.places.iter().filter(|place| now < place.until).cloned();
        let (ended, places) = live.partition(over);
        (ended, Self { places })
    }

    /// When the last place is over; none without any.
    #[must_use]
    pub fn until(&self) -> Option<Timestamp> {
        self.places.iter().map(|place| place.until).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_000);

    fn place(client: &str, sid: &str, until: i64) -> Place {
        Place {
            client: client.parse().expect("an id"),
            sid: sid.parse().expect("an id"),
            method: LoginMethod::Fly,
            since: None,
            until: Timestamp::from_seconds(until),
        }
    }

    fn of(places: &[Place]) -> Whereabouts {
        places.iter().fold(Whereabouts::default(), |all, place| all.with(place.clone(), NOW).expect("a new place"))
    }

    #[test]
    fn a_place_is_noted_once() {
        let one = of(&[place("a", "s", 2_000)]);
        assert_eq!(one.with(place("a", "s", 2_000), NOW), None);
        let two = one.with(place("b", "s", 2_000), NOW).expect("another client");
        let three = two.with(place("a", "t", 2_000), NOW).expect("another session");
        assert_eq!(three.places.len(), 3);
        assert_eq!(three.until(), Some(Timestamp::from_seconds(2_000)));
    }

    #[test]
    fn another_way_of_signing_in_takes_the_place_of_the_one_before() {
        let by_password = Place { method: LoginMethod::Password, ..place("a", "s", 2_000) };
        let after = of(&[place("a", "s", 2_000)]).with(by_password.clone(), NOW).expect("a change");
        assert_eq!(after.places, [by_password]);
    }

    #[test]
    fn what_is_over_goes_with_the_next_change_and_is_told_to_nobody() {
        let both = of(&[place("a", "s", 1_001), place("b", "s", 2_000)]);
        let later = Timestamp::from_seconds(1_001);
        let after = both.with(place("c", "s", 2_000), later).expect("a new place");
        assert_eq!(after.places, [place("b", "s", 2_000), place("c", "s", 2_000)]);
        assert_eq!(both.split(later, |_| true), (vec![place("b", "s", 2_000)], Whereabouts::default()));
        assert_eq!(Whereabouts::default().until(), None);
    }

    #[test]
    fn of_too_many_the_one_that_ends_first_is_forgotten() {
        let many: Vec<Place> = (0..100).map(|n| place("a", &format!("s{n}"), 2_000 + (n * 7) % 100)).collect();
        let full = of(&many);
        assert_eq!(full.places.len(), MOST_PLACES);
        let after = full.with(place("a", "new", 1_500), NOW).expect("a new place");
        assert_eq!(after.places.len(), MOST_PLACES);
        assert!(after.places.contains(&place("a", "new", 1_500)), "the one just noted stays");
        assert!(!after.places.contains(&place("a", "s0", 2_000)));
    }

    #[test]
    fn a_session_that_goes_on_keeps_its_places() {
        let both = of(&[place("a", "s", 2_000), place("b", "t", 2_000)]);
        let sid = "s".parse().expect("an id");
        let until = Timestamp::from_seconds(3_000);
        let after = both.prolonged(&sid, LoginMethod::Fly, until).expect("a change");
        assert_eq!(after.places, [place("a", "s", 3_000), place("b", "t", 2_000)]);
        assert_eq!(after.prolonged(&sid, LoginMethod::Fly, Timestamp::from_seconds(2_500)), None);
        let proven = after.prolonged(&sid, LoginMethod::Password, until).expect("another proof");
        assert_eq!((proven.places[0].since, proven.places[1].since), (Some(LoginMethod::Password), None));
        assert!(proven.places[0].rests_on_fly(), "as the client was told");
        assert_eq!(proven.prolonged(&sid, LoginMethod::Fly, until), Some(after));
    }
}
