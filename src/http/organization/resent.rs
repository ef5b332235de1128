//! What the page of a run answers to an admin who had mail sent again.

use serde::Deserialize;

use super::Admin;
use super::ledger::{Ledger, is_small, moment};
use crate::clock::Timestamp;
use crate::domain::disable::{Delivery, Row, RowStatus, Run, Totals, Unreachable, Which};
use crate::domain::ids::UserId;
use crate::domain::member::Member;
use crate::http::pages::disable::Notice;
use crate::http::pages::when;
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
    pub async fn notice(
        &self,
        admin: &Admin,
        run: &Run,
        totals: &Totals,
        ledger: &Ledger,
    ) -> Result<Option<Notice>, StoreError> {
        let Some((whose, asked)) = self.parse().filter(|_| !run.state.is_reverted()) else { return Ok(None) };
        let user = match whose {
            Whose::One(user) => user,
            Whose::All(which) => {
                let goes_on = run.resending > 0 || totals.unsettled() > 0;
                let went_out = is_small(run).then(|| ledger.again_at.is_some_and(|at| at >= asked));
                return Ok(of_all(which, goes_on, went_out));
            }
        };
        let row = keys::row(&run.organization, &run.id, &user);
        let (row, member) = admin.store.read_pair(&row, &keys::member(&run.organization, &user)).await?;
        Ok(row.and_then(|row| of_one(&row.value, member.map(|member| member.value).as_ref(), run, asked)))
    }
}

/// `went_out`: whether mail has left again since it was asked for, as far as anybody can tell.
fn of_all(which: Which, goes_on: bool, went_out: Option<bool>) -> Option<Notice> {
    let whom = match which {
        Which::Failed => "everybody whose mail failed",
        Which::NotReady => "everybody without a password",
    };
    match (goes_on, went_out) {
        (true, _) => Some(Notice::good(format!("Mail to {whom} is going out again."))),
        (false, Some(true)) => Some(Notice::good(format!("Mail to {whom} has gone out again."))),
        (false, Some(false)) => Some(Notice::bad("There was nobody left to mail.".to_owned())),
        (false, None) => None,
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
        (RowStatus::Sent, why) if since || (again && why.is_none()) => {
            let at = moment(row.at, run.started_at, when::clock_minute);
            Some(Notice::good(format!("Sent again to {name} at {at}.")))
        }
        _ if !row.may_go_again() => nothing("They have a password."),
        (_, Some(why)) => nothing(why),
        (_, None) => row.detail.as_deref().and_then(nothing),
    }
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
        let text = |goes_on, went_out| of_all(Which::Failed, goes_on, went_out).map(|notice| notice.text);
        let whom = "Mail to everybody whose mail failed";
        assert_eq!(text(true, None), Some(format!("{whom} is going out again.")));
        assert_eq!(text(true, Some(false)), Some(format!("{whom} is going out again.")));
        assert_eq!(text(false, Some(true)), Some(format!("{whom} has gone out again.")));
        assert_eq!(text(false, Some(false)).as_deref(), Some("There was nobody left to mail."));
        assert_eq!(text(false, None), None, "too many to look at");
    }
}
