//! What Sentry does about once per hour for each linked member; here a button does it at once.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::session::{Account, Flash, Session, cookie};
use super::{SentryStandIn, page};

/// How a refresh ended.
enum Outcome {
    Renewed {
        refresh_token: Option<String>,
    },
    /// The identity is not valid any more: unlink, sign out.
    NotValid(String),
    /// Nothing changes; Sentry tries again later.
    Failed(String),
}

pub(super) async fn refresh(State(sentry): State<SentryStandIn>, headers: HeaderMap) -> Response {
    let found = cookie(&headers).and_then(|id| Some((id, sentry.lock().sessions.get(id)?.account.clone()?)));
    let Some((id, account)) = found else {
        return page::redirect("/");
    };
    let outcome = ask(&sentry, &account).await;
    let now = sentry.0.clock.now();
    sentry.update(|state| {
        let flash = match &outcome {
            Outcome::Renewed { .. } => Flash { ok: true, text: "Refreshed: Flybridge still knows you.".to_owned() },
            Outcome::NotValid(why) => Flash { ok: false, text: format!("Sentry unlinked and signed you out. {why}") },
            Outcome::Failed(why) => Flash { ok: false, text: format!("Refresh failed, nothing changed. {why}") },
        };
        if let Outcome::NotValid(_) = outcome {
            state.unlink(&account);
            let session = Session { flash: Some(flash), ..Session::new(now) };
            state.sessions.insert(id.to_owned(), session);
            return;
        }
        let Some(session) = state.sessions.get_mut(id) else { return };
        session.flash = Some(flash);
        if let (Outcome::Renewed { refresh_token: Some(token) }, Some(account)) = (outcome, &mut session.account) {
            account.refresh_token = Some(token);
        }
    });
    page::redirect("/")
}

async fn ask(sentry: &SentryStandIn, account: &Account) -> Outcome {
    let Some(refresh_token) = &account.refresh_token else {
        return Outcome::NotValid("Missing refresh token.".to_owned());
    };
    let endpoints = match sentry.endpoints(account.profile).await {
        Ok(endpoints) => endpoints,
        Err(trouble) => return Outcome::Failed(trouble.text),
    };
    let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token.as_str())];
    let answer = match sentry.ask_for_tokens(&endpoints, &form).await {
        Ok(answer) => answer,
        Err(why) => return Outcome::Failed(why),
    };
    let error = answer.text("error").unwrap_or("unknown_error");
    let description = answer.text("error_description").unwrap_or_default();
    let told = format!("HTTP {} ({error}): {description}", answer.status);
    match answer.status {
        401 => Outcome::NotValid(told),
        400 if error == "invalid_grant" => Outcome::NotValid(told),
        200 => match (answer.text("access_token"), answer.text("token_type")) {
            (Some(_), Some(_)) => Outcome::Renewed { refresh_token: answer.text("refresh_token").map(str::to_owned) },
            _ => Outcome::Failed("The answer has no access_token or no token_type.".to_owned()),
        },
        _ => Outcome::Failed(told),
    }
}
