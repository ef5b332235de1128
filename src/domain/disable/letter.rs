//! The letters to one member: what a mail server says of them after it took them, and reminders.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::row::{Delivery, Row, RowStatus};
use crate::clock::Timestamp;
use crate::domain::ids::{OrganizationId, RunId};
use crate::domain::member::Member;

/// A member is reminded no sooner after the last mail that took their link to them.
pub const REST: Duration = Duration::from_hours(24);

/// What the mail server said last about the mail to a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    pub at: Timestamp,
    /// Masked, on one line.
    pub text: String,
}

/// A letter that came back, or is known to be late.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Returned {
    /// The mail server has given up on it.
    pub is_final: bool,
    /// For the admin.
    pub sentence: String,
    pub answer: Option<String>,
}

/// Which of the letters to one member of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Letter {
    /// The mail of the run; `resend` counts how often an admin had it sent again.
    SetUp { resend: u32 },
    /// A reminder, counted from 0.
    Reminder { number: u32 },
}

impl Row {
    /// Whether the person was mailed a link, has set no password since, and is to be reminded: they belong to the
    /// organization still, and the last mail to them is older than [`REST`]. Also where the link came with the mail of
    /// another organization: that one reminds them for both while it is away from Fly.io, and they get one reminder all
    /// the same (`SetUpLinks::make_reminder`); once Fly.io is on again there, nobody else does.
    #[must_use]
    pub fn wants_reminder(&self, member: &Member, now: Timestamp) -> bool {
        let last = self.reminded_at.map_or(self.at, |at| at.max(self.at));
        self.may_want_reminder() && Delivery::of(member).0 == Delivery::SetUp && now.since(last) >= REST
    }

    /// What the row alone tells of that.
    #[must_use]
    pub fn may_want_reminder(&self) -> bool {
        self.has_link() && self.ready_at.is_none()
    }

    /// The row when the mail came back that it rests on, of that run of another organization. None when it rests on
    /// nothing of the kind any more, or the person has a password.
    #[must_use]
    pub fn let_down(&self, by: (&OrganizationId, &RunId), how: &Returned, now: Timestamp) -> Option<Self> {
        let rests = self.rests_on.as_ref().is_some_and(|(organization, run)| (organization, run) == by);
        if !rests || !how.is_final || !self.may_want_reminder() {
            return None;
        }
        let answer = how.answer.clone().map(|text| Answer { at: now, text }).or_else(|| self.answer.clone());
        Some(Self { answer, ..self.clone() }.failed(&how.sentence, now))
    }

    /// The row when reminder number `number`, counted from 0, has left, to this address.
    #[must_use]
    pub fn reminded(&self, number: u32, to: Option<&str>, now: Timestamp) -> Self {
        let email = to.map(str::to_owned).or_else(|| self.email.clone());
        Self {
            reminders: self.reminders + u32::from(self.last_reminder() != Some(number)),
            last_reminder: Some(number),
            reminded_at: Some(now),
            email,
            ..self.clone()
        }
    }

    /// The row when word came from a mail server about a letter that it had taken. None when the letter is not the last
    /// one to the person, or its end is known already.
    #[must_use]
    pub fn returned(&self, letter: Letter, how: &Returned, now: Timestamp) -> Option<Self> {
        if !self.has_link() || !self.is_last(letter) {
            return None;
        }
        let answer = how.answer.clone().map(|text| Answer { at: now, text }).or_else(|| self.answer.clone());
        if how.is_final {
            return Some(Self { answer, ..self.clone() }.failed(&how.sentence, now));
        }
        let after = Self { answer, detail: Some(how.sentence.clone()), ..self.clone() };
        (self.detail != after.detail).then_some(after)
    }

    /// Whether the outcome of this letter is not written down. That of a reminder never will be where it turned out to be
    /// needless after a mail server had taken it.
    #[must_use]
    pub fn is_under_way(&self, letter: Letter) -> bool {
        match letter {
            Letter::SetUp { .. } => {
                matches!(self.status, RowStatus::Queued | RowStatus::Sending) && self.is_last(letter)
            }
            Letter::Reminder { number } => self.has_link() && self.last_reminder().is_none_or(|last| number > last),
        }
    }

    /// Rows of before this was written down have had all reminders, in their order.
    fn last_reminder(&self) -> Option<u32> {
        self.last_reminder.or(self.reminders.checked_sub(1))
    }

    fn is_last(&self, letter: Letter) -> bool {
        match letter {
            Letter::SetUp { resend } => resend == self.resends && self.rests_on.is_none(),
            Letter::Reminder { number } => {
                self.last_reminder() == Some(number) && self.reminded_at.is_some_and(|at| at >= self.at)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_000_000);

    fn sam() -> Member {
        Member::sample(NOW)
    }

    fn sent() -> Row {
        Row { status: RowStatus::Sent, ..Row::new(&sam(), NOW) }
    }

    fn returned(is_final: bool) -> Returned {
        Returned { is_final, sentence: "It came back.".to_owned(), answer: Some("550 no".to_owned()) }
    }

    #[test]
    fn who_is_reminded() {
        let later = NOW.plus(REST);
        assert!(sent().wants_reminder(&sam(), later));
        assert!(!sent().wants_reminder(&sam(), later.minus(Duration::from_millis(1))), "mailed within a day");
        let reminded = sent().reminded(0, None, later);
        assert_eq!((reminded.reminders, reminded.status), (1, RowStatus::Sent));
        assert!(
            !reminded.wants_reminder(&sam(), later.plus(REST / 2))
                && reminded.wants_reminder(&sam(), later.plus(REST))
        );
        for status in RowStatus::ALL.into_iter().filter(|status| *status != RowStatus::Sent) {
            assert!(!Row { status, ..sent() }.wants_reminder(&sam(), later), "{status:?}");
        }
        assert!(!sent().with_password(true, NOW).wants_reminder(&sam(), later));
        for member in [
            Member { has_password: true, ..sam() },
            Member { email: None, ..sam() },
            Member { absent_since: Some(NOW), ..sam() },
        ] {
            assert!(!sent().wants_reminder(&member, later), "{member:?}");
        }
    }

    #[test]
    fn only_word_of_the_last_letter_counts() {
        let first = Letter::SetUp { resend: 0 };
        let failed = sent().returned(first, &returned(true), NOW).expect("it counts");
        assert_eq!((failed.status, failed.detail.as_deref()), (RowStatus::Failed, Some("It came back.")));
        assert_eq!(failed.answer, Some(Answer { at: NOW, text: "550 no".to_owned() }));
        assert_eq!(failed.returned(first, &returned(true), NOW), None, "once");
        assert_eq!(
            Row { resends: 1, ..sent() }.returned(first, &returned(true), NOW),
            None,
            "another has left since"
        );
        let late = sent().returned(first, &returned(false), NOW).expect("it is noted");
        assert_eq!((late.status, late.at), (RowStatus::Sent, sent().at));
        assert_eq!(late.returned(first, &returned(false), NOW), None, "once");
        assert!(late.returned(first, &returned(true), NOW).is_some());
    }

    #[test]
    fn word_of_a_reminder_counts_until_the_mail_is_sent_again() {
        let reminder = |number| Letter::Reminder { number };
        let row = sent().reminded(0, None, NOW.plus(REST));
        assert!(row.returned(reminder(0), &returned(true), NOW).is_some());
        assert!(row.is_under_way(reminder(1)) && !row.is_under_way(reminder(0)));
        assert_eq!(row.returned(reminder(1), &returned(true), NOW), None, "it has not left");
        let mailed = Row { at: NOW.plus(REST * 2), resends: 1, ..row };
        assert_eq!(mailed.returned(reminder(0), &returned(true), NOW), None);
    }

    #[test]
    fn reminders_that_left_are_counted_whatever_their_numbers() {
        let second = sent().reminded(1, None, NOW.plus(REST));
        assert_eq!(
            (second.reminders, second.last_reminder),
            (1, Some(1)),
            "the first was left to another organization"
        );
        let word = |number| second.returned(Letter::Reminder { number }, &returned(true), NOW);
        assert!(word(1).is_some() && word(0).is_none());
        assert!(!second.is_under_way(Letter::Reminder { number: 1 }));
        assert_eq!(second.reminded(1, None, NOW.plus(REST)).reminders, 1, "the same once more");
        assert_eq!(second.reminded(2, None, NOW.plus(REST * 2)).reminders, 2);
        let older = Row { reminders: 2, last_reminder: None, ..second };
        assert!(older.is_under_way(Letter::Reminder { number: 2 }) && older.is_last(Letter::Reminder { number: 1 }));
    }

    #[test]
    fn word_that_comes_before_the_outcome_has_to_wait() {
        for status in RowStatus::ALL {
            let row = Row { status, ..sent() };
            let waits = matches!(status, RowStatus::Queued | RowStatus::Sending);
            assert_eq!(row.is_under_way(Letter::SetUp { resend: 0 }), waits, "{status:?}");
            assert!(!row.is_under_way(Letter::SetUp { resend: 1 }));
        }
    }
}
