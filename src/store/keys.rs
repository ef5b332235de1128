//! The whole key space on one page.
//!
//! | partition | name | kept there |
//! |---|---|---|
//! | `org/<id>` | `organization` | the organization |
//! | | `member/<user>` | its members |
//! | | `#members` | how many |
//! | | `run/<run>` | disable runs |
//! | | `row/<run>/<user>` | the ledger of a run |
//! | | `#run/<run>/<status>` | its totals |
//! | | `resent.<run>.<form>.<whom>` | forms that had mail sent again, as long as they could be sent once more |
//! | | `answered.<hash>` | answers to requests of programs, as long as they may be repeated |
//! | | `audit/<time, newest first>-<id>` | the audit log |
//! | | `job/...`, `dead/...` | the queue: fan-out, resending, reminding, mails of a run |
//! | | `refused.<user>.<reason>.<hour>` | refusals that the audit log tells of |
//! | `user/<id>` | `user`, `credential`, `link` | the person, their password, their set-up link |
//! | | `contact` | an address of the person's own, and one that waits to be confirmed |
//! | | `upstream` | sealed tokens of Fly.io |
//! | | `session.<hash>` | sessions |
//! | | `whereabouts` | at which clients they are signed in, of those that want to hear when that ends |
//! | | `consent/<client>` | what they allowed clients that are not the operator's own |
//! | | `job/...` | the queue: mails to the person, projections, word to clients that a session is over |
//! | `grant/<id>` | `grant`, `at.<hash>` | the grant, its access tokens |
//! | `identity/fly.<id>` | `user` | which user a Fly.io id is |
//! | `address/<hash>` | `user` | which user signs in with an address |
//! | `slug/<slug>` | `organization` | which organization a short name is |
//! | `organizations/all` | `by-slug/<slug>` | the list for operators |
//! | `clients/all` | `client/<id>` | registered clients, with the hashes of their secrets |
//! | | `event/<id>/<time, newest first>-<id>` | what became of a client |
//! | `assertion/<hash>` | `used` | names (`jti`) of assertions by which clients proved themselves |
//! | `proof/<hash>` | `used` | names (`jti`) of proofs by which somebody showed that they have a key |
//! | `machine/<id>` | `token` | an access token that a client was given in its own name |
//! | `pushed/<hash>` | `request` | authorization requests that clients handed over, until the person arrives |
//! | `state/<hash>` | `used` | upstream states that came back |
//! | `limit/<hash>` | `level` | failed attempts |
//! | `signing/keys` | `ring` | the signing keys, sealed |
//! | `master/keys` | `walk` | how far everything is sealed with the current master key |
//! | | `job/...` | the queue: the rest of that |
//! | `mail/all` | `trouble` | why no mail leaves, while none does |
//! | `due/<shard>` | `mark/...` | where work is due |
//! | `store/installation` | `mark` | by what nodes know that the store is still the same |
//!
//! A record that expires has no `/` in its name: it would stand in the index of its partition, from which Redis does not
//! remove a name when it removes the record.
//!
//! What crosses partitions, and what if the process dies in between:
//!
//! - Fly.io sign-in: identity, then members, then user and session. Each step is repeated by the next sign-in; an
//!   identity without a user is completed by it, under the id it names. A password that is set meanwhile is told only to
//!   organizations that the user names by then: so the commit of the user checks that there is none, and if there is one,
//!   the members are written again.
//! - Click: one commit in `org/<id>`. Slugs never change, so nothing else follows.
//! - Mail: the link is written in `user/<id>`, then the mail leaves, then the row is settled in `org/<id>`. Dying in
//!   between repeats the mail with the same link and Message-ID. A link that was asked for is written together with the
//!   job that mails it, so that requests in different places make one mail.
//! - Mail that came back: the delivery is taken out of the link in `user/<id>`, then the row fails in `org/<id>`. Dying in
//!   between leaves the rest to the report, which is handed over again.
//! - Reminder: reserved in the link in `user/<id>`, so that of several organizations one reminds, then the mail leaves, then
//!   the row is settled in `org/<id>`. Dying in between repeats the mail with the same link and Message-ID.
//! - Password set: one commit in `user/<id>` that also queues the projection to the members and rows of the person's
//!   organizations, which is idempotent.
//! - Sign-in at a client that wants to hear of its end: the place is noted in `user/<id>`, then the grant is written and its
//!   code leaves. Dying in between leaves a place without a sign-in, and some day a client hears of a session it never had.
//! - Consent: written in `user/<id>`, then the place is noted and the grant is written, which names it. Dying in between
//!   leaves a consent without a sign-in, which the person finds among what they allowed.
//! - Consent taken back: one commit in `user/<id>` that also ends the places at that client and queues word to it. Its
//!   grants stay and are dead, since each names the consent that it was given under.
//! - Sign-out, password set, Fly.io's refusal: one commit in `user/<id>` that ends sessions, takes their places out of the
//!   whereabouts, and queues word to the clients.
//! - Leaving Fly.io: the fan-out does the same in the `user/<id>` of each member, then writes the members' rows in
//!   `org/<id>`. Dying in between repeats it for members who have no such places any more, so no client is told twice; but
//!   one where a member has signed in through Fly.io meanwhile, for another organization, signs them out once for nothing.
//! - Turning Fly.io Auth on again: the walk does the same for those who had signed in with a password, then goes on in
//!   `org/<id>`. Dying in between repeats it likewise.
//! - Client removed: one commit in `clients/all`. Its grants stay and are dead, since each names the registration that it
//!   was given under.
//! - Master key replaced: what is sealed in `user/<id>` is sealed anew person by person, then the walk goes on in
//!   `master/keys`. Dying in between looks at some people twice.
//! - Address: written before the user that claims it, or before the person's own address counts; a sign-in compares with
//!   both, so a stale entry opens nothing. Whose own address it is, or is about to be, keeps the entry.

use super::records::{Collection, Stored, TypedKey};
use super::{Key, Partition};
use crate::clock::Timestamp;
use crate::domain::access::Closed;
use crate::domain::audit::AuditEntry;
use crate::domain::consent::Consent;
use crate::domain::contact::Contact;
use crate::domain::disable::{Row, RowStatus, Run, Which};
use crate::domain::grant::{AccessToken, Grant};
use crate::domain::ids::{
    ClientId, FormId, GrantId, MachineTokenId, OrganizationId, RunId, Slug, UpstreamUserId, UserId,
};
use crate::domain::machine::MachineToken;
use crate::domain::member::Member;
use crate::domain::organization::Organization;
use crate::domain::pushed::PushedRequest;
use crate::domain::registration::{ClientEvent, Registration};
use crate::domain::secret::TokenHash;
use crate::domain::session::Session;
use crate::domain::setup_link::SetUpLink;
use crate::domain::user::{Credential, User};
use crate::domain::whereabouts::Whereabouts;

impl Stored for Organization {}
impl Stored for Member {}
impl Stored for Run {}
impl Stored for Row {}
impl Stored for AuditEntry {}
impl Stored for User {}
impl Stored for Credential {}
impl Stored for SetUpLink {}
impl Stored for Session {}
impl Stored for Whereabouts {}
impl Stored for Consent {}
impl Stored for Contact {}
impl Stored for Grant {}
impl Stored for AccessToken {}
impl Stored for MachineToken {}
impl Stored for PushedRequest {}
impl Stored for Registration {}
impl Stored for ClientEvent {}
impl Stored for UserId {}
impl Stored for OrganizationId {}

fn record<T>(partition: Partition, name: impl Into<String>) -> TypedKey<T> {
    TypedKey::new(Key::record(partition, name))
}

#[must_use]
pub fn org(id: &OrganizationId) -> Partition {
    Partition::new("org", id.as_str())
}

#[must_use]
pub fn organization(id: &OrganizationId) -> TypedKey<Organization> {
    record(org(id), "organization")
}

#[must_use]
pub fn members(id: &OrganizationId) -> Collection<Member> {
    Collection::new(org(id), "member/")
}

#[must_use]
pub fn member(id: &OrganizationId, user: &UserId) -> TypedKey<Member> {
    members(id).item(user.as_str())
}

#[must_use]
pub fn member_count(id: &OrganizationId) -> Key {
    Key::counter(org(id), "members")
}

#[must_use]
pub fn runs(id: &OrganizationId) -> Collection<Run> {
    Collection::new(org(id), "run/")
}

#[must_use]
pub fn run(id: &OrganizationId, run: &RunId) -> TypedKey<Run> {
    runs(id).item(run.as_str())
}

#[must_use]
pub fn rows(id: &OrganizationId, run: &RunId) -> Collection<Row> {
    Collection::new(org(id), format!("row/{run}/"))
}

#[must_use]
pub fn row(id: &OrganizationId, run: &RunId, user: &UserId) -> TypedKey<Row> {
    rows(id, run).item(user.as_str())
}

#[must_use]
pub fn run_total(id: &OrganizationId, run: &RunId, status: RowStatus) -> Key {
    Key::counter(org(id), format!("run/{run}/{}", status.as_str()))
}

#[must_use]
pub fn run_members(id: &OrganizationId, run: &RunId) -> Key {
    Key::counter(org(id), format!("run/{run}/members"))
}

#[must_use]
pub fn run_ready(id: &OrganizationId, run: &RunId) -> Key {
    Key::counter(org(id), format!("run/{run}/ready"))
}

#[must_use]
pub fn run_left_out(id: &OrganizationId, run: &RunId) -> Key {
    Key::counter(org(id), format!("run/{run}/left_out"))
}

/// That a form had mail sent again to one member. The same form may still be sent for another.
#[must_use]
pub fn resent_one<T>(id: &OrganizationId, run: &RunId, form: &FormId, user: &UserId) -> TypedKey<T> {
    record(org(id), format!("resent.{run}.{form}.{user}"))
}

/// That a form had mail sent again to all whom `which` means. No id has a `.` in it.
#[must_use]
pub fn resent_all<T>(id: &OrganizationId, run: &RunId, form: &FormId, which: Which) -> TypedKey<T> {
    record(org(id), format!("resent.{run}.{form}.all.{}", which.as_str()))
}

/// `name` is the hash of a client and the key of its request.
#[must_use]
pub fn answered<T>(id: &OrganizationId, name: &TokenHash) -> TypedKey<T> {
    record(org(id), format!("answered.{}", name.to_text()))
}

#[must_use]
pub fn audit_log(id: &OrganizationId) -> Collection<AuditEntry> {
    Collection::new(org(id), "audit/")
}

#[must_use]
pub fn audit_entry(id: &OrganizationId, at: Timestamp, unique: &str) -> TypedKey<AuditEntry> {
    audit_log(id).item(&newest_first(at, unique))
}

/// Counted down from the far future, so that a scan finds the newest first.
fn newest_first(at: Timestamp, unique: &str) -> String {
    let down = 99_999_999_999_999_i64.saturating_sub(at.as_millis());
    format!("{down:014}-{unique}")
}

/// One key an hour for each person and reason.
#[must_use]
pub fn noted_refusal<T>(id: &OrganizationId, user: &UserId, reason: Closed, at: Timestamp) -> TypedKey<T> {
    let hour = at.as_seconds() / 3_600;
    record(org(id), format!("refused.{user}.{}.{hour}", reason.as_str()))
}

#[must_use]
pub fn user_partition(id: &UserId) -> Partition {
    Partition::new("user", id.as_str())
}

#[must_use]
pub fn user(id: &UserId) -> TypedKey<User> {
    record(user_partition(id), "user")
}

#[must_use]
pub fn credential(id: &UserId) -> TypedKey<Credential> {
    record(user_partition(id), "credential")
}

#[must_use]
pub fn link(id: &UserId) -> TypedKey<SetUpLink> {
    record(user_partition(id), "link")
}

#[must_use]
pub fn contact(id: &UserId) -> TypedKey<Contact> {
    record(user_partition(id), "contact")
}

#[must_use]
pub fn upstream<T>(id: &UserId) -> TypedKey<T> {
    record(user_partition(id), "upstream")
}

#[must_use]
pub fn session(id: &UserId, hash: &TokenHash) -> TypedKey<Session> {
    record(user_partition(id), format!("session.{}", hash.to_text()))
}

#[must_use]
pub fn whereabouts(id: &UserId) -> TypedKey<Whereabouts> {
    record(user_partition(id), "whereabouts")
}

#[must_use]
pub fn consents(id: &UserId) -> Collection<Consent> {
    Collection::new(user_partition(id), "consent/")
}

#[must_use]
pub fn consent(id: &UserId, client: &ClientId) -> TypedKey<Consent> {
    consents(id).item(client.as_str())
}

#[must_use]
pub fn grant_partition(id: &GrantId) -> Partition {
    Partition::new("grant", id.as_str())
}

#[must_use]
pub fn grant(id: &GrantId) -> TypedKey<Grant> {
    record(grant_partition(id), "grant")
}

#[must_use]
pub fn access_token(id: &GrantId, hash: &TokenHash) -> TypedKey<AccessToken> {
    record(grant_partition(id), format!("at.{}", hash.to_text()))
}

#[must_use]
pub fn fly_identity(id: &UpstreamUserId) -> TypedKey<UserId> {
    record(Partition::new("identity", &format!("fly.{id}")), "user")
}

/// `hash` is the SHA-256 of the normalized address. It makes names of one length and alphabet and keeps no secret: who
/// reads the store can try addresses. It has no key, since it must stay the same when the master key is replaced.
#[must_use]
pub fn address(hash: &str) -> TypedKey<UserId> {
    record(Partition::new("address", hash), "user")
}

#[must_use]
pub fn slug(slug: &Slug) -> TypedKey<OrganizationId> {
    record(Partition::new("slug", slug.as_str()), "organization")
}

#[must_use]
pub fn organizations() -> Collection<OrganizationId> {
    Collection::new(Partition::new("organizations", "all"), "by-slug/")
}

/// All in one partition: nodes read the whole of it again and again.
#[must_use]
pub fn clients() -> Collection<Registration> {
    Collection::new(Partition::new("clients", "all"), "client/")
}

#[must_use]
pub fn client(id: &ClientId) -> TypedKey<Registration> {
    clients().item(id.as_str())
}

#[must_use]
pub fn client_events(id: &ClientId) -> Collection<ClientEvent> {
    Collection::new(Partition::new("clients", "all"), format!("event/{id}/"))
}

#[must_use]
pub fn client_event(id: &ClientId, at: Timestamp, unique: &str) -> TypedKey<ClientEvent> {
    client_events(id).item(&newest_first(at, unique))
}

#[must_use]
pub fn machine_token(id: &MachineTokenId) -> TypedKey<MachineToken> {
    record(Partition::new("machine", id.as_str()), "token")
}

/// `name` is the hash of the client and the `jti`.
#[must_use]
pub fn used_assertion<T>(name: &TokenHash) -> TypedKey<T> {
    record(Partition::new("assertion", &name.to_text()), "used")
}

/// `name` is the hash of the key's thumbprint and the `jti`.
#[must_use]
pub fn used_proof<T>(name: &TokenHash) -> TypedKey<T> {
    record(Partition::new("proof", &name.to_text()), "used")
}

/// `hash` is that of the `request_uri`.
#[must_use]
pub fn pushed(hash: &TokenHash) -> TypedKey<PushedRequest> {
    record(Partition::new("pushed", &hash.to_text()), "request")
}

#[must_use]
pub fn used_state<T>(hash: &str) -> TypedKey<T> {
    record(Partition::new("state", hash), "used")
}

/// `hash` is a keyed hash of what is counted, so that the key space tells neither addresses nor networks. With a new
/// master key all counts begin anew.
#[must_use]
pub fn limit<T>(hash: &str) -> TypedKey<T> {
    record(Partition::new("limit", hash), "level")
}

#[must_use]
pub fn signing_ring<T>() -> TypedKey<T> {
    record(Partition::new("signing", "keys"), "ring")
}

#[must_use]
pub fn resealing<T>() -> TypedKey<T> {
    record(Partition::new("master", "keys"), "walk")
}

#[must_use]
pub fn mail_trouble<T>() -> TypedKey<T> {
    record(Partition::new("mail", "all"), "trouble")
}

#[must_use]
pub fn installation<T>() -> TypedKey<T> {
    record(Partition::new("store", "installation"), "mark")
}
