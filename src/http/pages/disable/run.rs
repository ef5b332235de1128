//! The page of a run: what has been mailed, what failed and why, who has a password.

use std::time::Duration;

use askama::Template;

use super::{Counts, MailStatus, RunProgress, RunState};
use crate::clock::Timestamp;
use crate::http::pages::when::Stamp;
use crate::http::pages::{Choice, OrganizationFrame, Pager, SAMPLE_CSRF, Section, people, thousands};

/// A row of [`RunPage`].
#[derive(Debug, Clone)]
pub struct RunRow {
    pub id: String,
    pub name: String,
    pub address: String,
    pub status: MailStatus,
    /// When it was sent, or why not and what helps; may be empty.
    pub detail: String,
    /// What the mail server said last, and when; may be empty.
    pub answer: String,
    /// Has a password.
    pub ready: bool,
    /// There is a reason to send the mail again.
    pub resend: bool,
    /// Left out on purpose, and may be let in.
    pub left_out: bool,
}

/// How the run was undone.
#[derive(Debug, Clone)]
pub struct Reverted {
    /// `22 November 2026, 15:02:10`
    pub at: Stamp,
    pub by: String,
}

/// What became of an admin's wish to have mail sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub good: bool,
    pub text: String,
}

impl Notice {
    /// Mail goes out, or has gone out.
    #[must_use]
    pub fn good(text: String) -> Self {
        Self { good: true, text }
    }

    /// Nothing was sent.
    #[must_use]
    pub fn bad(text: String) -> Self {
        Self { good: false, text }
    }
}

/// `GET /organizations/{slug}/auth/disable/{run}`
#[derive(Debug, Clone, Template)]
#[template(path = "pages/run.html")]
pub struct RunPage {
    pub frame: OrganizationFrame,
    pub csrf: String,
    /// Why no mail leaves at the moment: since when, and what to do.
    pub stopped: Option<(Stamp, String)>,
    /// The answer to the resend form, where it leads.
    pub notice: Option<Notice>,
    /// Which rendering of the resend form this is: sent twice, it does what it does once.
    pub once: String,
    /// Id of the run.
    pub run: String,
    pub progress: RunProgress,
    /// When sign-in was switched: `22 November 2026, 14:37:02`.
    pub switched_at: Stamp,
    /// Who clicked.
    pub by: String,
    /// When the last mail left, once the run is done: `14:40:43`. Mail that an admin had sent again is not meant.
    pub finished_at: Option<Stamp>,
    /// When mailing was over again after an admin had mail sent once more.
    pub again_at: Option<Stamp>,
    /// How long the run took, once it is done: `3 minutes 41 seconds`.
    pub took: String,
    /// How long a set-up link works: `24 hours`.
    pub link_lasts: String,
    pub reverted: Option<Reverted>,
    /// Follow the run live; none when nothing is expected to change.
    pub live: bool,
    /// The mail that goes out is mail that an admin had sent again.
    pub again: bool,
    /// What was searched for, or empty.
    pub query: String,
    /// Filter by state of the mail.
    pub statuses: Vec<Choice>,
    pub rows: Vec<RunRow>,
    pub pager: Pager,
}

impl RunPage {
    /// The states one can filter by.
    pub const STATUSES: &[(&str, &str)] = &[
        ("", "any state"),
        ("queued", "queued"),
        ("sending", "sending"),
        ("sent", "sent"),
        ("failed", "failed"),
        ("cancelled", "cancelled"),
    ];

    fn url(&self) -> String {
        format!("{}/auth/disable/{}", self.frame.base(), self.run)
    }

    fn counts(&self) -> &Counts {
        &self.progress.counts
    }

    fn under_way(&self) -> bool {
        matches!(self.progress.state, RunState::Switched | RunState::Mailing)
    }

    fn is_reverted(&self) -> bool {
        self.progress.state == RunState::Reverted
    }

    /// Whether there is a button beside the row.
    fn can_resend(&self, row: &RunRow) -> bool {
        !self.is_reverted() && row.resend
    }

    /// Whether somebody may be let in who was left out.
    fn can_let_in(&self, row: &RunRow) -> bool {
        !self.is_reverted() && row.left_out
    }

    /// Members without a password.
    fn not_ready(&self) -> u64 {
        self.counts().total.saturating_sub(self.counts().ready)
    }

    #[must_use]
    pub fn samples() -> Vec<(&'static str, Self)> {
        let at = Timestamp::from_seconds;
        let mailing = Self::sample();
        let switched = Counts { total: 412, queued: 412, ready: 41, ..Counts::default() };
        let switched = Self {
            progress: RunProgress::new(RunState::Switched, switched, at(1_795_358_223), None),
            rows: vec![],
            pager: Pager::default(),
            ..mailing.clone()
        };
        let none_failed = Counts { failed: 0, sent: 288, ..mailing.progress.counts };
        let none_failed = Self {
            progress: RunProgress::new(RunState::Mailing, none_failed, at(1_795_358_364), None),
            query: "o".into(),
            statuses: Choice::list(Self::STATUSES, "queued"),
            ..mailing.clone()
        };
        let counts = Counts { total: 412, queued: 181, sent: 231, ready: 231, ..Counts::default() };
        let again = Self {
            progress: RunProgress::new(RunState::Mailing, counts, at(1_795_367_110), None),
            again: true,
            notice: Some(Notice::good("Mail to everybody without a password is going out again.".into())),
            ..mailing.clone()
        };
        let counts = Counts { total: 412, sent: 406, failed: 3, cancelled: 3, ready: 231, ..Counts::default() };
        let done = Self {
            rows: Self::settled(&mailing.rows),
            progress: RunProgress::new(RunState::Done, counts, at(1_795_367_110), None),
            finished_at: Some(Stamp::clock(at(1_795_358_443))),
            took: "3 minutes 41 seconds".into(),
            live: false,
            ..mailing.clone()
        };
        let resent = Self::resent(&done);
        let counts = Counts { total: 9, sent: 9, ready: 9, ..Counts::default() };
        let everyone = Self {
            progress: RunProgress::new(RunState::Done, counts, at(1_795_367_110), None),
            rows: mailing.rows[4..].to_vec(),
            pager: Pager::default(),
            ..done.clone()
        };
        let counts = Counts { total: 412, sent: 285, failed: 3, cancelled: 124, ready: 97, ..Counts::default() };
        let reverted = Self {
            progress: RunProgress::new(RunState::Reverted, counts, at(1_795_367_110), None),
            reverted: Some(Reverted { at: Stamp::moment(at(1_795_359_730)), by: "Ines Marlow".into() }),
            live: false,
            rows: done.rows.clone(),
            ..mailing.clone()
        };
        vec![
            ("stopped", Self::stopped(&mailing)),
            ("mailing", mailing),
            ("switched", switched),
            ("none-failed", none_failed),
            ("again", again),
            ("done", done),
            ("done-again", resent),
            ("everyone-ready", everyone),
            ("reverted", reverted),
        ]
    }

    /// A run whose mail has stopped.
    fn stopped(mailing: &Self) -> Self {
        let why = "Our mail server does not accept how we sign in (535). Mend its user name and password in the \
                   configuration. Mail waits until then.";
        let since = Stamp::minute(Timestamp::from_seconds(1_795_358_340));
        Self { stopped: Some((since, why.into())), ..mailing.clone() }
    }

    /// A finished run of which mail was sent again, as it answers who tried that in vain.
    fn resent(done: &Self) -> Self {
        let nothing = "Nothing was sent to Noor Haddad: Fly.io gave us no address. Ask them to set one at Fly.io and to \
                       sign in with Fly.io once, then resend.";
        Self {
            again_at: Some(Stamp::moment(Timestamp::from_seconds(1_795_448_100))),
            notice: Some(Notice::bad(nothing.into())),
            ..done.clone()
        }
    }

    /// What became of the rows of the sample.
    fn settled(rows: &[RunRow]) -> Vec<RunRow> {
        let of = |row: usize, status, detail: &str, ready| RunRow {
            status,
            detail: detail.into(),
            answer: String::new(),
            ready,
            resend: true,
            ..rows[row].clone()
        };
        let full = "Their mailbox is full (552). Ask them to make room, then resend.";
        let alone = of(2, MailStatus::Cancelled, "Set a password without the mail.", true);
        vec![
            of(4, MailStatus::Failed, full, true),
            rows[0].clone(),
            of(1, MailStatus::Sent, "14:40:43, third try", false),
            rows[3].clone(),
            RunRow { resend: false, ..alone },
            rows[5].clone(),
        ]
    }

    fn sample() -> Self {
        let row = |id: &str, name: &str, status, detail: &str, ready| RunRow {
            id: id.into(),
            name: name.into(),
            address: format!("{id}w8c2n6r0j5@customer.fly.io"),
            status,
            detail: detail.into(),
            answer: match status {
                MailStatus::Sent => "Mail server at 14:37:09: 250 2.0.0 ok: queued as 4gT7".into(),
                MailStatus::Failed => "Mail server at 14:37:31: 550 5.1.1 no such user".into(),
                _ => String::new(),
            },
            ready,
            resend: !ready && !matches!(status, MailStatus::Queued | MailStatus::Sending),
            left_out: false,
        };
        let gone = "Their mail server says this mailbox does not exist (550). Ask them to mend it, then resend. \
                    Last try at 14:37.";
        let wait = "Their mail server asked us to wait (451). Next try at 14:41, third of 12.";
        let linked = "Has a working link already, from the switch of Harbour Tools at 14:20. One link serves both.";
        let rows = vec![
            row("u_5sx0p1", "Leo Brandt", MailStatus::Failed, gone, false),
            row("u_1ab7c2", "Aiko Hayashi", MailStatus::Queued, wait, false),
            row("u_4gh5w0", "Jun Park", MailStatus::Sending, "", false),
            row("u_3cd8t1", "Fatima El-Sayed", MailStatus::Cancelled, linked, false),
            row("u_6mn4r8", "Bram de Vries", MailStatus::Sent, "14:37:09. Told to use the password they have.", true),
            row("u_5lm6z7", "Priya Raman", MailStatus::Sent, "14:37:48", true),
        ];
        let counts = Counts { total: 412, queued: 118, sending: 4, sent: 285, failed: 3, cancelled: 2, ready: 97 };
        let as_of = Timestamp::from_seconds(1_795_358_364);
        Self {
            frame: OrganizationFrame::sample(Section::SignIn),
            csrf: SAMPLE_CSRF.into(),
            stopped: None,
            notice: None,
            once: "01kap4v3m2c8r6w1t9y5n7d0hq".into(),
            run: "01kap4t6zq8m".into(),
            progress: RunProgress::new(RunState::Mailing, counts, as_of, Some(Duration::from_secs(58))),
            switched_at: Stamp::moment(Timestamp::from_seconds(1_795_358_222)),
            by: "Ines Marlow".into(),
            finished_at: None,
            again_at: None,
            took: String::new(),
            link_lasts: "24 hours".into(),
            reverted: None,
            live: true,
            again: false,
            query: String::new(),
            statuses: Choice::list(Self::STATUSES, ""),
            rows,
            pager: Pager::sample("1 to 6 of 412"),
        }
    }
}
