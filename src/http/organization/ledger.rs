//! The ledger of a run as its page, its event stream and its JSON show it.

use std::time::Duration;

use super::listing::{LOOK, ListQuery, Needle, Piece, Sorted, look};
use super::pace::Tries;
use super::{Admin, view};
use crate::clock::Timestamp;
use crate::domain::disable::{Row, RowStatus, Run, RunState};
use crate::http::pages::disable::{RunRow, RunRowUpdate};
use crate::http::pages::{Pager, thousands, when};
use crate::services::outbox::MAX_TRIES;
use crate::store::{StoreError, keys};

/// A page of the ledger.
pub struct Ledger {
    pub rows: Vec<Row>,
    pub pager: Pager,
    pub tries: Tries,
}

impl Ledger {
    pub async fn read(admin: &Admin, run: &Run, query: &ListQuery, now: Timestamp) -> Result<Self, StoreError> {
        if is_small(run) { Self::sorted(admin, run, query, now).await } else { Self::by_id(admin, run, query).await }
    }

    async fn sorted(admin: &Admin, run: &Run, query: &ListQuery, now: Timestamp) -> Result<Self, StoreError> {
        let filter = Filter::new(query);
        let over = matches!(run.state, RunState::Done { .. });
        let mut sorted = Sorted::new(query);
        let mut last_try = None;
        let rows = keys::rows(&run.organization, &run.id);
        look(&admin.store, &rows, |row: Row| {
            last_try = last_try.max(next_try(&row, now));
            if filter.fits(&row) {
                sorted.offer(order(&row, over), || row);
            }
        })
        .await?;
        let (rows, pager) = sorted.finish(query);
        Ok(Self { rows, pager, tries: Tries::Last(last_try) })
    }

    async fn by_id(admin: &Admin, run: &Run, query: &ListQuery) -> Result<Self, StoreError> {
        let filter = Filter::new(query);
        let rows = keys::rows(&run.organization, &run.id);
        let piece = Piece::read(&admin.store, &rows, query, |row| filter.fits(row)).await?;
        let pager =
            piece.pager(query, |n| format!("{n} of {}, in no particular order", thousands(view::count(run.members))));
        Ok(Self { rows: piece.found, pager, tries: Tries::Unknown })
    }
}

/// Whether all rows are read for one answer.
#[must_use]
pub fn is_small(run: &Run) -> bool {
    usize::try_from(run.rows).unwrap_or(usize::MAX) <= LOOK
}

/// What the mails that wait are waiting for.
pub async fn tries(admin: &Admin, run: &Run, now: Timestamp) -> Result<Tries, StoreError> {
    if !is_small(run) {
        return Ok(Tries::Unknown);
    }
    let mut last_try = None;
    let rows = keys::rows(&run.organization, &run.id);
    look(&admin.store, &rows, |row: Row| last_try = last_try.max(next_try(&row, now))).await?;
    Ok(Tries::Last(last_try))
}

/// A mail that is said to be on its way for longer than this was most likely left by a process that died.
const LONG: Duration = Duration::from_secs(10);

/// When a mail that has to wait is tried next.
fn next_try(row: &Row, now: Timestamp) -> Option<Timestamp> {
    let waits = match row.status {
        RowStatus::Queued => true,
        RowStatus::Sending => now.since(row.at) >= LONG,
        RowStatus::Sent | RowStatus::Failed | RowStatus::Cancelled => false,
    };
    row.next_attempt_at.filter(|at| waits && *at > now)
}

/// Which rows were asked for.
struct Filter {
    needle: Needle,
    status: Option<RowStatus>,
}

impl Filter {
    fn new(query: &ListQuery) -> Self {
        let status = RowStatus::ALL.into_iter().find(|status| status.as_str() == query.status);
        Self { needle: Needle::new(&query.q), status }
    }

    fn fits(&self, row: &Row) -> bool {
        self.status.is_none_or(|status| row.status == status)
            && self.needle.fits(&[&row.name, row.email.as_deref().unwrap_or_default()])
    }
}

/// Whom an admin has to help comes first: who failed, and once mailing is over who has no password. Then by name.
fn order(row: &Row, over: bool) -> (u8, String, String) {
    let rank = match (row.status, row.ready_at) {
        (RowStatus::Failed, _) => 0,
        (_, Some(_)) if over => 2,
        _ => 1,
    };
    (rank, row.name.to_lowercase(), row.user.to_string())
}

#[must_use]
pub fn shown(row: &Row, run: &Run) -> RunRow {
    RunRow {
        id: row.user.to_string(),
        name: row.name.clone(),
        address: row.email.clone().unwrap_or_default(),
        status: view::status(row.status),
        detail: detail(row, run.started_at),
        answer: answer(row, run.started_at),
        ready: row.ready_at.is_some(),
        resend: row.may_go_again(),
        left_out: row.left_out,
    }
}

#[must_use]
pub fn update(row: &Row, run: &Run) -> RunRowUpdate {
    RunRowUpdate {
        member: row.user.to_string(),
        status: view::status(row.status),
        ready: row.ready_at.is_some(),
        resend: !run.state.is_reverted() && row.may_go_again(),
        detail: detail(row, run.started_at),
        answer: answer(row, run.started_at),
    }
}

/// What the mail server said last, and when.
fn answer(row: &Row, started_at: Timestamp) -> String {
    match &row.answer {
        Some(answer) => format!("Mail server at {}: {}", moment(answer.at, started_at, when::clock), answer.text),
        None => String::new(),
    }
}

/// When the mail was sent, or why not and when it is tried again.
fn detail(row: &Row, started_at: Timestamp) -> String {
    let told = row.detail.as_deref().unwrap_or_default();
    match row.status {
        RowStatus::Sending => String::new(),
        RowStatus::Failed if row.attempts > 0 => {
            let clock = moment(row.at, started_at, when::clock_minute);
            format!("{told} Last try at {clock}.").trim_start().to_owned()
        }
        RowStatus::Failed | RowStatus::Cancelled => told.to_owned(),
        RowStatus::Queued => match row.next_attempt_at {
            None => told.to_owned(),
            Some(at) => {
                let next = row.attempts + 1;
                let clock = moment(at, started_at, when::clock_minute);
                let text = format!("{told} Next try at {clock}, {} of {MAX_TRIES}.", ordinal(next));
                text.trim_start().to_owned()
            }
        },
        RowStatus::Sent => {
            let clock = moment(row.at, started_at, when::clock);
            let tries = if row.attempts > 1 { format!(", {} try", ordinal(row.attempts)) } else { String::new() };
            let told = if told.is_empty() { String::new() } else { format!(". {told}") };
            let reminded = row.reminded_at.map(|at| format!(". Reminded {}", when::until(at))).unwrap_or_default();
            format!("{clock}{tries}{told}{reminded}")
        }
    }
}

/// The time of day on the day of the click, the day with it on any other.
#[must_use]
pub fn moment(at: Timestamp, started_at: Timestamp, clock: fn(Timestamp) -> String) -> String {
    if when::iso_day(at) == when::iso_day(started_at) { clock(at) } else { when::until(at) }
}

fn ordinal(n: u32) -> String {
    const WORDS: [&str; MAX_TRIES as usize] = [
        "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh",
        "twelfth",
    ];
    let index = usize::try_from(n).unwrap_or(usize::MAX).checked_sub(1);
    index.and_then(|index| WORDS.get(index)).map_or_else(|| format!("number {n}"), |word| (*word).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::member::{Member, Role};

    /// 22 November 2026, 14:37:02
    const CLICK: Timestamp = Timestamp::from_seconds(1_795_358_222);

    fn row(name: &str, status: RowStatus, ready: bool) -> Row {
        let member = Member {
            user: name.to_lowercase().parse().expect("an id"),
            role: Role::Member,
            name: name.to_owned(),
            email: Some(format!("{name}@saltmarsh.example")),
            has_password: ready,
            joined_at: CLICK,
            verified_at: CLICK,
            absent_since: None,
            last_sign_in: None,
            left_out: None,
        };
        Row { status, ..Row::new(&member, CLICK) }
    }

    fn sorted(over: bool) -> Vec<String> {
        let mut rows = [
            row("aiko", RowStatus::Sent, true),
            row("Zoe", RowStatus::Failed, false),
            row("Bram", RowStatus::Sent, false),
            row("Chloe", RowStatus::Cancelled, true),
            row("Leo", RowStatus::Failed, true),
        ];
        rows.sort_by_key(|row| order(row, over));
        rows.map(|row| row.name).to_vec()
    }

    #[test]
    fn whom_to_help_comes_first() {
        assert_eq!(sorted(false), ["Leo", "Zoe", "aiko", "Bram", "Chloe"], "failed, then by name");
        assert_eq!(sorted(true), ["Leo", "Zoe", "Bram", "aiko", "Chloe"], "then who has no password");
    }

    #[test]
    fn a_filter_asks_for_all_it_names() {
        let query = |q: &str, status: &str| ListQuery { q: q.into(), status: status.into(), ..ListQuery::default() };
        let row = row("Leo", RowStatus::Failed, false);
        assert!(Filter::new(&query("", "")).fits(&row));
        assert!(Filter::new(&query("SALTMARSH", "failed")).fits(&row));
        assert!(!Filter::new(&query("leo", "sent")).fits(&row));
        assert!(!Filter::new(&query("priya", "failed")).fits(&row));
        assert!(Filter::new(&query("", "no such state")).fits(&row), "an unknown filter filters nothing");
    }

    #[test]
    fn who_has_to_wait_and_until_when() {
        let later = |seconds| CLICK.plus(Duration::from_secs(seconds));
        let row = |status| Row { next_attempt_at: Some(later(180)), ..row("Leo", status, false) };
        let queued = row(RowStatus::Queued);
        assert_eq!(next_try(&queued, later(0)), Some(later(180)));
        assert_eq!(next_try(&queued, later(180)), None, "it is due");
        let sending = row(RowStatus::Sending);
        assert_eq!(next_try(&sending, later(9)), None, "it is most likely being sent right now");
        assert_eq!(next_try(&sending, later(10)), Some(later(180)), "left behind by a process that died");
        assert_eq!(next_try(&row(RowStatus::Sent), later(10)), None);
    }

    #[test]
    fn a_sent_mail_says_when_and_after_how_many_tries() {
        let at = CLICK.plus(Duration::from_secs(7));
        let sent = Row { at, attempts: 1, ..row("Leo", RowStatus::Sent, false) };
        assert_eq!(detail(&sent, CLICK), "14:37:09");
        let sent = Row { attempts: 3, detail: Some("Told to use the password they have.".into()), ..sent };
        assert_eq!(detail(&sent, CLICK), "14:37:09, third try. Told to use the password they have.");
        let next_day = Row { at: at.plus(Duration::from_hours(24)), attempts: 1, detail: None, ..sent };
        assert_eq!(detail(&next_day, CLICK), "23 November, 14:37");
    }

    #[test]
    fn a_waiting_mail_says_why_and_until_when() {
        let queued = row("Leo", RowStatus::Queued, false);
        assert_eq!(detail(&queued, CLICK), "");
        let next_attempt_at = Some(CLICK.plus(Duration::from_mins(4)));
        let told = Some("Their mail server asked us to wait (451).".to_owned());
        let waiting = Row { attempts: 2, next_attempt_at, detail: told, ..queued };
        assert_eq!(
            detail(&waiting, CLICK),
            "Their mail server asked us to wait (451). Next try at 14:41, third of 12."
        );
        let sending = Row { status: RowStatus::Sending, ..waiting.clone() };
        assert_eq!(detail(&sending, CLICK), "", "what came of the last try is past");
        let failed = Row { status: RowStatus::Failed, detail: Some("No such mailbox (550).".into()), ..waiting };
        assert_eq!(detail(&failed, CLICK), "No such mailbox (550). Last try at 14:37.");
        let untried = Row { attempts: 0, ..failed };
        assert_eq!(detail(&untried, CLICK), "No such mailbox (550).", "nothing was tried");
    }

    #[test]
    fn numbers_of_tries_are_words() {
        assert_eq!((ordinal(1), ordinal(12), ordinal(13)), ("first".into(), "twelfth".into(), "number 13".into()));
        assert_eq!(ordinal(0), "number 0");
    }
}
