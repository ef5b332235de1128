//! Setting a password: links from mails, the way on the spot, links that no longer work.

#[path = "set_up/again.rs"]
mod again;
#[path = "set_up/asked.rs"]
mod asked;
#[path = "set_up/bounces.rs"]
mod bounces;
#[path = "set_up/contact.rs"]
mod contact;
#[path = "set_up/failed.rs"]
mod failed;
#[path = "set_up/forgot.rs"]
mod forgot;
#[path = "set_up/link.rs"]
mod link;
#[path = "set_up/mail.rs"]
mod mail;
#[path = "set_up/now.rs"]
mod now;
#[path = "set_up/over.rs"]
mod over;
#[path = "set_up/own.rs"]
mod own;
#[path = "set_up/reminders.rs"]
mod reminders;
#[path = "set_up/stopped.rs"]
mod stopped;
#[path = "set_up/unconfirmed.rs"]
mod unconfirmed;

use flybridge::domain::disable::Row;

pub(super) use mail::over_smtp;

use crate::support::app::TestApp;

/// Somebody's line in the ledger of the run at that path.
async fn row(app: &TestApp, slug: &str, run: &str, who: &str) -> Row {
    let (organization, run) = (app.organization(slug), run.rsplit('/').next().unwrap().parse().unwrap());
    let key = flybridge::store::keys::row(&organization, &run, &app.user(who).await.id);
    app.store.read(&key).await.unwrap().unwrap().value
}
