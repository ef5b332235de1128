//! Who is left out on purpose, marked on the preview; and a test mail from there to whoever looks at it.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use url::form_urlencoded::Serializer;

use super::super::listing::PAGE;
use super::super::resent::{Resent, Whose};
use super::super::{Admin, NotEntered, Room, page_path, run_path};
use super::switched_already;
use crate::domain::ids::UserId;
use crate::http::error::PageError;
use crate::http::oidc::redirect::see_other;
use crate::http::pages::when;
use crate::http::web::{Visitor, Web};
use crate::services::disable::left_out::Marks;
use crate::services::limits::Subject;

/// The form of the list: members that were marked when it was shown (`was`), and those whose box is ticked now (`out`).
/// What was not shown, or was changed by somebody else since, stays as it is.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sent {
    csrf: String,
    q: String,
    after: String,
    marks: Marks,
}

impl Sent {
    fn read(fields: Vec<(String, String)>) -> Self {
        let (mut sent, mut was, mut out) = (Self::default(), Vec::new(), Vec::new());
        for (name, value) in fields {
            match name.as_str() {
                "csrf" => sent.csrf = value,
                "q" => sent.q = value.chars().take(254).collect(),
                "after" => sent.after = value.chars().take(64).collect(),
                "was" => was.extend(value.parse::<UserId>().ok()),
                "out" => out.extend(value.parse::<UserId>().ok()),
                _ => {}
            }
        }
        was.truncate(PAGE);
        out.truncate(PAGE);
        sent.marks.let_in = was.iter().filter(|id| !out.contains(id)).cloned().collect();
        sent.marks.leave_out = out.into_iter().filter(|id| !was.contains(id)).collect();
        sent
    }

    /// The same part of the list, which says how many were changed.
    fn back(&self, path: &str, changed: usize) -> String {
        let mut query = Serializer::new(String::new());
        for (name, value) in [("q", &self.q), ("after", &self.after)] {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        query.append_pair("marked", &changed.to_string());
        format!("{path}?{}#who", query.finish())
    }
}

/// `POST /organizations/{slug}/auth/disable/left-out`: one commit, and a line of the audit log for each who changes.
pub async fn post(
    State(web): State<Arc<Web>>,
    State(admin): State<Arc<Admin>>,
    visitor: Visitor,
    Path(slug): Path<String>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Response, NotEntered> {
    let sent = Sent::read(fields);
    web.check_csrf(&visitor, &sent.csrf)?;
    let path = page_path(&slug, "auth/disable");
    let entered = admin.enter(&web, &visitor, &slug, &path, Room::Oversight).await?;
    if let Some(response) = switched_already(&entered) {
        return Ok(response);
    }
    let entered = admin.enter(&web, &visitor, &slug, &path, Room::Settings).await?;
    let changed =
        admin.disable.mark_left_out(&entered.organization.id, &sent.marks, &entered.clicked(&visitor)).await?;
    // None: the click came first, and the page shows the run.
    Ok(see_other(&sent.back(&path, changed.unwrap_or(0))))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct LetIn {
    csrf: String,
    member: String,
}

/// `POST /organizations/{slug}/auth/disable/{run}/let-in`: somebody who was left out comes along after all.
pub async fn let_in(
    State(web): State<Arc<Web>>,
    State(admin): State<Arc<Admin>>,
    visitor: Visitor,
    Path((slug, run)): Path<(String, String)>,
    Form(form): Form<LetIn>,
) -> Result<Response, NotEntered> {
    web.check_csrf(&visitor, &form.csrf)?;
    let path = run_path(&slug, &run);
    let entered = admin.enter(&web, &visitor, &slug, &path, Room::Oversight).await?;
    let run = admin.run_of(&entered, &run).await?;
    admin.require_fresh(&web, &visitor, &entered, &path)?;
    let Ok(member) = form.member.parse::<UserId>() else { return Err(nobody(&path).into()) };
    let done = admin.disable.let_in(&run.organization, &member, &entered.clicked(&visitor)).await?;
    let answer = Resent::page(&path, &Whose::One(member), web.clock.now());
    Ok(see_other(if done { &answer } else { &path }))
}

fn nobody(path: &str) -> PageError {
    let message = "What was sent does not say whom to let in. Nothing has changed. Go back to the list.";
    PageError::new(StatusCode::BAD_REQUEST, "Whom?", message).action("Back to the list", path)
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct TestMail {
    csrf: String,
}

/// `POST /organizations/{slug}/auth/disable/test-mail`: to the admin who asks, and nobody else.
pub async fn test_mail(
    State(web): State<Arc<Web>>,
    State(admin): State<Arc<Admin>>,
    visitor: Visitor,
    Path(slug): Path<String>,
    Form(form): Form<TestMail>,
) -> Result<Response, NotEntered> {
    web.check_csrf(&visitor, &form.csrf)?;
    let path = page_path(&slug, "auth/disable");
    let entered = admin.enter(&web, &visitor, &slug, &path, Room::Settings).await?;
    let user = &entered.current.user;
    if user.email.is_none() {
        let message = "Fly.io gave us no address for you, so there is nowhere to send it. Set one at Fly.io and sign in \
                       here once more.";
        let page = PageError::new(StatusCode::CONFLICT, "We have no address for you", message);
        return Err(page.action("Back to the preview", path).into());
    }
    if let Err(wait) = admin.limits.attempt(Subject::TestMail, user.id.as_str()).await? {
        let wait = wait.rounded_up();
        let message = format!(
            "Test mails were sent to you just now. Look in your mail, the spam folder too. You can ask again in {}.",
            when::wait(wait)
        );
        let page = PageError::new(StatusCode::TOO_MANY_REQUESTS, "A test mail is on its way already", message);
        return Err(page.retry_after(wait).action("Back to the preview", path).into());
    }
    admin.disable.send_test(&entered.organization.id, &user.id).await?;
    Ok(see_other(&format!("{path}?test=sent#way-back")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_changed_on_the_page_changes() {
        let fields = [("was", "u1"), ("was", "u2"), ("out", "u2"), ("out", "u3"), ("out", "no id"), ("q", "sam")];
        let sent = Sent::read(fields.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect());
        let ids = |ids: &[UserId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!((ids(&sent.marks.let_in), ids(&sent.marks.leave_out)), (vec!["u1".into()], vec!["u3".into()]));
        assert_eq!(sent.back("/p", 2), "/p?q=sam&marked=2#who");
    }
}
