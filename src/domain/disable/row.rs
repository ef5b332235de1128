//! One member in the ledger of a run: which mail they get, where it stands, and whether it may go out again.

use serde::{Deserialize, Serialize};

use super::letter::Answer;
use crate::clock::Timestamp;
use crate::domain::ids::{OrganizationId, RunId, UserId};
use crate::domain::member::Member;

/// Where the mail to one member stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowStatus {
    Queued,
    Sending,
    Sent,
    Failed,
    Cancelled,
}

impl RowStatus {
    pub const ALL: [Self; 5] = [Self::Queued, Self::Sending, Self::Sent, Self::Failed, Self::Cancelled];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    #[must_use]
    pub fn is_settled(self) -> bool {
        matches!(self, Self::Sent | Self::Failed | Self::Cancelled)
    }
}

/// Which mail a member gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// A link to set a password.
    SetUp,
    /// "Sign in with the password you have."
    HasPassword,
    /// No address that takes mail.
    Unreachable,
    /// Nothing: left out on purpose.
    LeftOut,
}

/// Why no mail goes to a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreachable {
    NoAddress,
    /// Fly.io did not name the organization for the person when it was last asked: a link would let somebody back in
    /// who may have been removed.
    NotConfirmed,
}

impl Unreachable {
    /// What to tell the admin.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::NoAddress => {
                "Fly.io gave us no address. Ask them to set one at Fly.io and to sign in with Fly.io once, then resend."
            }
            Self::NotConfirmed => {
                "Fly.io no longer named this organization for them. If they belong to it, ask them to sign in with \
                 Fly.io once, then resend."
            }
        }
    }
}

impl Delivery {
    /// What `member` gets, and why nothing if nothing.
    #[must_use]
    pub fn of(member: &Member) -> (Self, Option<Unreachable>) {
        if member.left_out.is_some() {
            return (Self::LeftOut, None);
        }
        match (&member.email, member.absent_since, member.has_password) {
            (_, Some(_), _) => (Self::Unreachable, Some(Unreachable::NotConfirmed)),
            (None, ..) => (Self::Unreachable, Some(Unreachable::NoAddress)),
            (Some(_), None, true) => (Self::HasPassword, None),
            (Some(_), None, false) => (Self::SetUp, None),
        }
    }
}

/// One member's line in the ledger of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    pub user: UserId,
    pub name: String,
    pub email: Option<String>,
    pub delivery: Delivery,
    pub status: RowStatus,
    /// Deliveries tried since the row was last queued by the run or by an admin.
    pub attempts: u32,
    /// How often an admin had the mail sent again.
    pub resends: u32,
    /// When the status last changed.
    pub at: Timestamp,
    /// When a queued mail is tried next; while it is being sent, when it is taken up again if nobody tells how that
    /// ended. Nothing earlier than now: as soon as possible.
    pub next_attempt_at: Option<Timestamp>,
    /// Why it failed, waits or was cancelled, as a sentence for the admin.
    pub detail: Option<String>,
    #[serde(default)]
    pub answer: Option<Answer>,
    /// Reminders that left since the run began.
    #[serde(default)]
    pub reminders: u32,
    /// Which of them left last, counted from 0. One may be missing before it: left to another organization.
    #[serde(default)]
    pub last_reminder: Option<u32>,
    #[serde(default)]
    pub reminded_at: Option<Timestamp>,
    /// When the person set a password, or had one.
    pub ready_at: Option<Timestamp>,
    /// The person set a password after the switch: they know of it, whatever becomes of the mail.
    #[serde(default)]
    pub knows: bool,
    /// Whose run's mail carried the person's link, where that was to serve here too and none was sent.
    #[serde(default)]
    pub rests_on: Option<(OrganizationId, RunId)>,
    /// Left out on purpose: nothing is sent until an admin lets the person in.
    #[serde(default)]
    pub left_out: bool,
}

impl Row {
    /// A member's row as the fan-out writes it.
    #[must_use]
    pub fn new(member: &Member, now: Timestamp) -> Self {
        let (delivery, unreachable) = Delivery::of(member);
        let left_out = member.left_out.as_ref().map(|left_out| format!("Left out by {}.", left_out.by));
        Self {
            left_out: left_out.is_some(),
            user: member.user.clone(),
            name: member.name.clone(),
            email: member.email.clone(),
            delivery,
            status: match (&left_out, unreachable) {
                (Some(_), _) => RowStatus::Cancelled,
                (None, Some(_)) => RowStatus::Failed,
                (None, None) => RowStatus::Queued,
            },
            attempts: 0,
            resends: 0,
            at: now,
            next_attempt_at: None,
            detail: left_out.or_else(|| unreachable.map(|why| why.sentence().to_owned())),
            answer: None,
            reminders: 0,
            last_reminder: None,
            reminded_at: None,
            // A password of somebody who is not confirmed, or left out, opens nothing.
            ready_at: member.may_use_password().then_some(now),
            knows: false,
            rests_on: None,
        }
    }

    /// Whether a mail took a link to the person: one of this run, or of another that this one rests on.
    #[must_use]
    pub fn has_link(&self) -> bool {
        self.status == RowStatus::Sent || (self.status == RowStatus::Cancelled && self.rests_on.is_some())
    }

    /// Whether there is a reason to send the mail again: it is not on its way, and the person has no password, or has one
    /// from before and was not told that they need it.
    #[must_use]
    pub fn may_go_again(&self) -> bool {
        !self.left_out && self.status.is_settled() && (self.ready_at.is_none() || self.status == RowStatus::Failed)
    }

    /// The row when its mail is queued once more, to the address that Fly.io last told. None when there is nothing to
    /// send: no reason to ([`Row::may_go_again`]), or no address that takes it.
    #[must_use]
    pub fn again(&self, member: &Member, now: Timestamp) -> Option<Self> {
        let (delivery, unreachable) = Delivery::of(member);
        if !self.may_go_again() || unreachable.is_some() {
            return None;
        }
        Some(Self {
            delivery,
            email: member.email.clone(),
            status: RowStatus::Queued,
            attempts: 0,
            resends: self.resends + 1,
            at: now,
            next_attempt_at: None,
            detail: None,
            answer: None,
            rests_on: None,
            // Whom Fly.io confirms again may have had one all along.
            ready_at: self.ready_at.or(member.has_password.then_some(now)),
            ..self.clone()
        })
    }

    /// The row of somebody who was left out and is let in: queued like everybody else's, or failed where no mail reaches them.
    /// None when they were not left out.
    #[must_use]
    pub fn let_in(&self, member: &Member, now: Timestamp) -> Option<Self> {
        if !self.left_out {
            return None;
        }
        let member = Member { left_out: None, ..member.clone() };
        Some(Self { resends: self.resends + 1, knows: self.knows, ..Self::new(&member, now) })
    }

    /// The row of somebody who has a password now; `knows` if they set it after the switch.
    #[must_use]
    pub fn with_password(&self, knows: bool, now: Timestamp) -> Self {
        let row = Self { ready_at: self.ready_at.or(Some(now)), knows: self.knows || knows, ..self.clone() };
        if row.knows && row.status == RowStatus::Failed { row.without_mail(now) } else { row }
    }

    /// The row when its mail cannot be delivered, and why.
    #[must_use]
    pub fn failed(self, why: &str, now: Timestamp) -> Self {
        if self.knows {
            return self.without_mail(now);
        }
        Self { status: RowStatus::Failed, at: now, detail: Some(why.to_owned()), rests_on: None, ..self }
    }

    /// Nobody has to help a person who helped themselves.
    fn without_mail(self, now: Timestamp) -> Self {
        let detail = Some("Set a password without the mail.".to_owned());
        Self { status: RowStatus::Cancelled, at: now, detail, rests_on: None, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::member::LeftOut;

    const NOW: Timestamp = Timestamp::from_seconds(7);

    fn member(email: Option<&str>, absent: bool) -> Member {
        let (email, absent_since) = (email.map(str::to_owned), absent.then_some(NOW));
        Member { email, absent_since, ..Member::sample(NOW) }
    }

    #[test]
    fn a_row_that_cannot_be_mailed_has_failed_from_the_start() {
        for (email, absent) in [(None, false), (Some("sam@example.org"), true)] {
            let row = Row::new(&member(email, absent), NOW);
            assert_eq!((row.status, row.delivery), (RowStatus::Failed, Delivery::Unreachable));
            assert!(row.detail.is_some());
        }
        assert_eq!(Row::new(&member(Some("sam@example.org"), false), NOW).delivery, Delivery::SetUp);
    }

    #[test]
    fn who_is_left_out_is_cancelled_by_name_until_let_in() {
        let left_out = Some(LeftOut { at: NOW, by: "Ines Marlow".to_owned() });
        let gone = Member { left_out, has_password: true, ..member(Some("sam@example.org"), false) };
        let row = Row::new(&gone, NOW);
        assert_eq!((row.status, row.delivery), (RowStatus::Cancelled, Delivery::LeftOut));
        assert_eq!((row.detail.as_deref(), row.ready_at), (Some("Left out by Ines Marlow."), None));
        assert!(!row.may_go_again() && row.again(&gone, NOW).is_none());
        let back = Member { left_out: None, ..gone.clone() };
        let row = row.let_in(&back, NOW).expect("was left out");
        assert_eq!((row.status, row.delivery, row.left_out), (RowStatus::Queued, Delivery::HasPassword, false));
        assert_eq!((row.detail.clone(), row.resends, row.ready_at), (None, 1, Some(NOW)));
        assert_eq!(row.let_in(&back, NOW), None, "once");
    }

    #[test]
    fn a_mail_goes_out_again_to_the_address_that_is_known_now() {
        let failed = Row::new(&member(None, false), NOW);
        let later = Timestamp::from_seconds(9);
        assert_eq!(failed.again(&member(None, false), later), None, "no address still");
        assert_eq!(failed.again(&member(Some("sam@example.org"), true), later), None, "not confirmed");
        let again = failed.again(&member(Some("sam@example.org"), false), later).expect("there is an address now");
        assert_eq!((again.status, again.delivery, again.resends), (RowStatus::Queued, Delivery::SetUp, 1));
        assert_eq!((again.email.as_deref(), again.detail.as_ref(), again.at), (Some("sam@example.org"), None, later));
        assert_eq!(again.again(&member(Some("sam@example.org"), false), later), None, "it is on its way");
        let with_password = Member { has_password: true, ..member(Some("sam@example.org"), false) };
        let told = failed.again(&with_password, later).expect("they were not told yet");
        assert_eq!((told.delivery, told.ready_at), (Delivery::HasPassword, Some(later)));
        let told = Row { status: RowStatus::Sent, ..told };
        assert_eq!(told.again(&with_password, later), None, "who has a password is not mailed again");
    }

    #[test]
    fn who_has_a_password_and_was_not_told_may_be_mailed_again() {
        let later = Timestamp::from_seconds(9);
        let bram = Member { has_password: true, ..member(Some("bram@example.org"), false) };
        let row = Row::new(&bram, NOW);
        assert_eq!(row.again(&bram, later), None, "it is on its way");
        let failed = Row { attempts: 12, ..row.failed("Their mailbox is full (552).", later) };
        assert_eq!(
            (failed.status, failed.detail.as_deref()),
            (RowStatus::Failed, Some("Their mailbox is full (552)."))
        );
        let again = failed.again(&bram, later).expect("they were not told yet");
        assert_eq!((again.status, again.delivery), (RowStatus::Queued, Delivery::HasPassword));
        assert_eq!((again.ready_at, again.detail.as_ref(), again.resends), (Some(NOW), None, 1));
        assert_eq!(Row { status: RowStatus::Sent, ..again }.again(&bram, later), None, "they know");
        // Somebody with a password and no address gets one.
        let nowhere = Row::new(&Member { email: None, ..bram.clone() }, NOW);
        assert_eq!((nowhere.status, nowhere.ready_at), (RowStatus::Failed, Some(NOW)));
        let told = nowhere.again(&bram, later).expect("they were not told yet");
        assert_eq!((told.delivery, told.email.as_deref()), (Delivery::HasPassword, Some("bram@example.org")));
    }

    #[test]
    fn whoever_set_a_password_after_the_switch_needs_no_help() {
        let later = Timestamp::from_seconds(9);
        let sam = member(Some("sam@example.org"), false);
        let queued = Row::new(&sam, NOW);
        let helped = |row: &Row| (row.status, row.ready_at.is_some(), row.detail.clone());
        let done = (RowStatus::Cancelled, true, Some("Set a password without the mail.".to_owned()));
        // Whichever comes first, the password or the end of the mail.
        let failed = queued.clone().failed("No such mailbox (550).", NOW).with_password(true, later);
        assert_eq!((helped(&failed), failed.at), (done.clone(), later));
        let while_sending = queued.with_password(true, later);
        assert_eq!((while_sending.status, while_sending.ready_at), (RowStatus::Queued, Some(later)));
        assert_eq!(helped(&while_sending.failed("No such mailbox (550).", later)), done);
        assert_eq!(failed.with_password(true, Timestamp::from_seconds(10)), failed, "once");
        assert_eq!(failed.again(&Member { has_password: true, ..sam }, later), None);
        // A password from before the switch that we learn of only now tells nobody anything.
        for row in [
            queued.with_password(false, later).failed("", later),
            queued.clone().failed("", later).with_password(false, later),
        ] {
            assert_eq!((row.status, row.ready_at, row.may_go_again()), (RowStatus::Failed, Some(later), true));
        }
    }
}
