//! What the page of a run answers to an admin who had mail sent again.

use serde::Deserialize;

use super::Admin;
use super::ledger::{is_small, moment};
use super::listing::look;
use crate::clock::Timestamp;
use crate::domain::disable::{Delivery, Row, RowStatus, Run, Totals, Unreachable, Which};
use crate::domain::ids::UserId;
use crate::domain::member::Member;
use crate::http::pages::disable::Notice;
use crate::http::pages::{people, when};
use crate::store::{StoreError, keys};

/// Whose mail is to be sent again.
#[derive(Debug, PartialEq, Eq)]
pub enum Whose {
    One(UserId),
    All(Which),
}

/// The part of the address of a run that tells which wish of an admin it answers. It changes nothing, and nothing is
/// told that the page does not show as well.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Resent {
    /// The id of a member, `failed` or `not-ready`.
    resent: String,
    /// When it was asked for: seconds since 1970.
    asked: String,
}

impl Resent {
    /// Where the answer to a wish is told.
    #[must_use]
    pub fn page(path: &str, whose: &Whose, asked: Timestamp) -> String {
        let whose = match whose {
            Whose::One(user) => user.as_str(),
            Whose::All(which) => which.as_str(),
        };
        format!("{path}?resent={whose}&asked={}", asked.as_seconds())
    }

    fn parse(&self) -> Option<(Whose, Timestamp)> {
        let asked = Timestamp::from_seconds(self.asked.parse::<u32>().ok()?.into());
        let all = [Which::Failed, Which::NotReady].into_iter().find(|which| which.as_str() == self.resent);
        let whose = match all {
            Some(which) => Whose::All(which),
            None => Whose::One(self.resent.parse().ok()?),
        };
        Some((whose, asked))
    }

    /// What became of the wish so far. None when there was none, or nobody can tell.
    pub async fn notice(&self, admin: &Admin, run: &Run, totals: &Totals) -> Result<Option<Notice>, StoreError> {
        let Some((whose, asked)) = self.parse().filter(|_| !run.state.is_reverted()) else { return Ok(None) };
        let user = match whose {
            Whose::One(user) => user,
            Whose::All(which) if run.resending > 0 => return Ok(Some(goes_on(which))),
            Whose::All(which) if is_small(run) => {
                return Ok(Some(Again::read(admin, run, (which, asked)).await?.notice(which)));
            }
            Whose::All(which) => return Ok((totals.unsettled() > 0).then(|| goes_on(which))),
        };
        let row = keys::row(&run.organization, &run.id, &user);
        let (row, member) = admin.store.read_pair(&row, &keys::member(&run.organization, &user)).await?;
        Ok(row.and_then(|row| of_one(&row.value, member.map(|member| member.value).as_ref(), run, asked)))
    }
}

fn whom(which: Which) -> &'static str {
    match which {
        Which::Failed => "everybody whose mail failed",
        Which::NotReady => "everybody without a password",
    }
}

fn goes_on(which: Which) -> Notice {
    Notice::good(format!("Mail to {} is going out again.", whom(which)))
}

/// How many mails an admin had sent again, and how many of those that were meant have no mail to send.
#[derive(Debug, Default, Clone, Copy)]
struct Again {
    waiting: u64,
    sent: u64,
    failed: u64,
    left: u64,
}

impl Again {
    async fn read(admin: &Admin, run: &Run, wish: (Which, Timestamp)) -> Result<Self, StoreError> {
        let mut again = Self::default();
        look(&admin.store, &keys::rows(&run.organization, &run.id), |row: Row| again.count(&row, wish)).await?;
        Ok(again)
    }

    fn count(&mut self, row: &Row, (which, asked): (Which, Timestamp)) {
        let (again, since) = (row.resends > 0, row.at >= asked);
        let unreachable = row.delivery == Delivery::Unreachable || !since;
        match row.status {
            RowStatus::Queued | RowStatus::Sending if again => self.waiting += 1,
            RowStatus::Sent if again && since => self.sent += 1,
            RowStatus::Failed if again && since => self.failed += 1,
            // Without a reason not to, it would be on its way by now.
            RowStatus::Failed if unreachable && which.includes(row, asked) => self.left += 1,
            _ => {}
        }
    }

    /// For a wish of which every row was looked at.
    fn notice(self, which: Which) -> Notice {
        let Self { waiting, sent, failed, left } = self;
        match (waiting, sent, failed, left) {
            (1.., ..) => return goes_on(which),
            (0, 0, 0, 0) => return Notice::bad("There was nobody left to mail.".to_owned()),
            (0, 1.., 0, 0) => return Notice::good(format!("Mail to {} has gone out again.", whom(which))),
            _ => {}
        }
        let mut text = Vec::new();
        if sent > 0 {
            text.push(format!("Mail has gone out again to {}.", people(sent)));
        }
        match (sent, failed) {
            (_, 0) => {}
            (0, _) => text.push(format!("The mail to {} failed again.", people(failed))),
            (..) => text.push(format!("It failed again for {}.", people(failed))),
        }
        if left > 0 {
            text.push(format!("Nothing could be sent to {}.", people(left)));
        }
        text.push("What helps stands beside each name.".to_owned());
        let text = text.join(" ");
        if sent > 0 { Notice::good(text) } else { Notice::bad(text) }
    }
}

fn of_one(row: &Row, member: Option<&Member>, run: &Run, asked: Timestamp) -> Option<Notice> {
    let name = &row.name;
    let nothing = |why: &str| Some(Notice::bad(format!("Nothing was sent to {name}: {why}")));
    let again = row.resends > 0;
    let since = again && row.at >= asked;
    let unreachable = match member {
        Some(member) => Delivery::of(member).1.map(Unreachable::sentence),
        None => Some("They are no longer a member."),
    };
    match (row.status, unreachable) {
        (RowStatus::Queued | RowStatus::Sending, _) => {
            again.then(|| Notice::good(format!("Mail to {name} is on its way again.")))
        }
        (RowStatus::Failed, _) if since => {
            let why = row.detail.as_deref().unwrap_or_default();
            Some(Notice::bad(format!("The mail to {name} failed again: {why}")))
        }
        (RowStatus::Sent, _) if since => Some(sent_again(row, run)),
        _ if row.left_out => nothing("They are left out on purpose. Let them in first."),
        _ if !row.may_go_again() => nothing("They have a password."),
        (RowStatus::Sent, None) if again => Some(sent_again(row, run)),
        (_, Some(why)) => nothing(why),
        (_, None) => row.detail.as_deref().and_then(nothing),
    }
}

fn sent_again(row: &Row, run: &Run) -> Notice {
    let at = moment(row.at, run.started_at, when::clock_minute);
    Notice::good(format!("Sent again to {} at {at}.", row.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_read_as_it_was_written() {
        let asked = Timestamp::from_seconds(1_795_358_222);
        for whose in
            [Whose::One("u7".parse().expect("an id")), Whose::All(Which::Failed), Whose::All(Which::NotReady)]
        {
            let page = Resent::page("/run", &whose, asked);
            let (_, query) = page.split_once('?').expect("a query");
            let mut fields = url::form_urlencoded::parse(query.as_bytes()).map(|(_, value)| value.into_owned());
            let resent = fields.next().unwrap_or_default();
            let read = Resent { resent, asked: fields.next().unwrap_or_default() };
            assert_eq!(read.parse(), Some((whose, asked)), "{page}");
        }
    }

    #[test]
    fn anything_else_is_no_wish() {
        for (resent, asked) in
            [("", ""), ("", "7"), ("failed", ""), ("failed", "-7"), ("failed", "x"), ("no id", "7")]
        {
            let read = Resent { resent: resent.to_owned(), asked: asked.to_owned() };
            assert_eq!(read.parse(), None, "{resent:?} {asked:?}");
        }
    }

    #[test]
    fn all_are_told_of_together() {
        let text = |waiting, sent, failed, left| Again { waiting, sent, failed, left }.notice(Which::Failed).text;
        assert_eq!(text(1, 2, 3, 4), "Mail to everybody whose mail failed is going out again.");
        assert_eq!(text(0, 2, 0, 0), "Mail to everybody whose mail failed has gone out again.");
        assert_eq!(text(0, 0, 0, 0), "There was nobody left to mail.");
        let help = "What helps stands beside each name.";
        assert_eq!(
            text(0, 2, 1, 0),
            format!("Mail has gone out again to 2 people. It failed again for 1 person. {help}")
        );
        assert_eq!(text(0, 0, 3, 0), format!("The mail to 3 people failed again. {help}"));
        assert_eq!(text(0, 0, 0, 1), format!("Nothing could be sent to 1 person. {help}"));
        assert_eq!(
            text(0, 1, 0, 2),
            format!("Mail has gone out again to 1 person. Nothing could be sent to 2 people. {help}")
        );
    }
}
