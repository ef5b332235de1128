//! Runs in all their states.

use std::time::Duration;

use super::{Notice, Reverted, RunPage, RunRow};
use crate::clock::Timestamp;
use crate::http::pages::disable::{Counts, MailStatus, RunProgress, RunState};
use crate::http::pages::when::Stamp;
use crate::http::pages::{Choice, OrganizationFrame, Pager, SAMPLE_CSRF, Section};

impl RunPage {
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
            rows: mailing.rows[4..6].to_vec(),
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
            rows[6].clone(),
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
            RunRow {
                resend: false,
                left_out: true,
                ..row("u_3kd8w1", "Owen Castle", MailStatus::Cancelled, "Left out by Ines Marlow.", false)
            },
        ];
        let mailed = Counts { sent: 285, failed: 3, cancelled: 2, ..Counts::default() };
        let counts = Counts { total: 412, queued: 118, sending: 4, ready: 97, ..mailed };
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
            pager: Pager::sample("1 to 7 of 412"),
        }
    }
}
