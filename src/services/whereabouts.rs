//! Where people are signed in, and word to the clients when that ends.
//!
//! A place is noted before the code for it leaves ([`Sessions::note_client`]), in one commit with a look at the session, and
//! it is taken out by the commit that ends the session, which also queues the word ([`Jobs::end_places`]). All of this lies
//! in the person's partition, so of a sign-in and a sign-out at the same moment one comes first: either the client is told,
//! or it gets no code. A code that was given out before may still be redeemed a few seconds after the word, while it lives.

use std::collections::BTreeMap;

use super::jobs::{Jobs, LogoutNotice};
use super::sessions::{Current, Sessions};
use crate::domain::ids::{ClientId, JobId, UserId};
use crate::domain::session::Session;
use crate::domain::user::User;
use crate::domain::whereabouts::{Place, Whereabouts};
use crate::store::records::{Entry, Stored, decode};
use crate::store::{Attempt, Key, Record, StoreError, Txn, keys};

impl Jobs {
    /// Takes the places that `over` picks out of a person's whereabouts and queues word to their clients; how many. To be
    /// added to the commit that ends them, in the person's partition, even where there are none: somebody may be about to
    /// note one. [`Jobs::logout`] is to be woken afterwards.
    ///
    /// # Errors
    /// When the store gives no answer.
    pub async fn end_places(
        &self,
        txn: &mut Txn,
        user: &UserId,
        over: impl Fn(&Place) -> bool,
    ) -> Result<usize, StoreError> {
        let key = keys::whereabouts(user);
        let Some(entry) = self.store.read(&key).await? else {
            txn.check_absent(key.into_key());
            return Ok(0);
        };
        txn.check(&entry);
        let now = txn.now();
        let (ended, rest) = entry.value.split(now, over);
        if ended.is_empty() {
            return Ok(0);
        }
        put(txn, user, &rest)?;
        let mut announced = BTreeMap::new();
        for Place { client, sid, .. } in &ended {
            let lane = self.logout.lane(client.as_str());
            if !announced.contains_key(client) {
                announced.insert(client, lane.announce(txn.partition(), now).await?);
            }
            let notice = LogoutNotice { client: client.clone(), user: user.clone(), sid: sid.clone() };
            lane.push(txn, &announced[client], &JobId::mint(self.store.random()), now, notice)?;
        }
        Ok(ended.len())
    }
}

impl Sessions {
    /// Notes that a client that wants to hear of its end signs the person in with this session. `false`: the session is
    /// over. The second time at the same client nothing is written.
    ///
    /// # Errors
    /// When the store gives no answer.
    pub async fn note_client(&self, current: &Current, client: &ClientId) -> Result<bool, StoreError> {
        let Some(sid) = &current.session.value.sid else { return Ok(true) };
        let user = &current.user.id;
        self.store
            .transact(|| async {
                let mut txn = self.store.txn(keys::user_partition(user));
                let (known, session, before) = self.standing(current).await?;
                let (Some(known), Some(session)) = (known, session) else { return Ok(Attempt::Done(false)) };
                if !session.value.still_counts(&known.value) {
                    return Ok(Attempt::Done(false));
                }
                let place = Place {
                    client: client.clone(),
                    sid: sid.clone(),
                    method: session.value.proof.method,
                    since: None,
                    until: session.value.ends_at(self.rules()),
                };
                let places = before.as_ref().map(|entry| entry.value.clone()).unwrap_or_default();
                let Some(after) = places.with(place, txn.now()) else { return Ok(Attempt::Done(true)) };
                txn.check(&known).check(&session);
                match &before {
                    Some(entry) => txn.check(entry),
                    None => txn.check_absent(keys::whereabouts(user).into_key()),
                };
                put(&mut txn, user, &after)?;
                Ok::<_, StoreError>(Attempt::Commit(txn, true))
            })
            .await
    }

    /// The person, the session and the whereabouts as they are now, in one round trip.
    async fn standing(&self, current: &Current) -> Result<Standing, StoreError> {
        let user = &current.user.id;
        let wanted = [keys::user(user).into_key(), current.session.key.clone(), keys::whereabouts(user).into_key()];
        let mut records = wanted.iter().zip(self.store.get(&wanted).await?);
        Ok((next(&mut records)?, next(&mut records)?, next(&mut records)?))
    }
}

type Standing = (Option<Entry<User>>, Option<Entry<Session>>, Option<Entry<Whereabouts>>);

fn next<'k, T: Stored>(
    records: &mut impl Iterator<Item = (&'k Key, Option<Record>)>,
) -> Result<Option<Entry<T>>, StoreError> {
    let Some((key, Some(record))) = records.next() else { return Ok(None) };
    decode(key, &record).map(Some)
}

/// Writes the whereabouts, which are gone with the last place.
pub(super) fn put(txn: &mut Txn, user: &UserId, whereabouts: &Whereabouts) -> Result<(), StoreError> {
    let key = keys::whereabouts(user);
    match whereabouts.until() {
        Some(until) => drop(txn.put_until(&key, whereabouts, until)?),
        None => drop(txn.delete(key.into_key())),
    }
    Ok(())
}
