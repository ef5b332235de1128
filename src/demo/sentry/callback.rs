//! The way there and the way back: `/login` and `/auth/sso/`.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;

use super::session::{Pending, Profile, Session, cookie, hex, set_cookie};
use super::{SentryStandIn, Trouble, page};

/// The real Sentry starts over for ever; the stand-in stops so that a test or a reader can see it.
const MOST_RESTARTS: u8 = 3;

/// Sentry's words for a state that does not fit.
const INVALID_STATE: &str = "An error occurred while validating your request.";

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    /// Slug of the one organization to sign in to.
    organization: Option<String>,
}

/// What comes back from the provider.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Answer {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
}

pub(super) async fn sign_in_with_fly(
    State(sentry): State<SentryStandIn>,
    headers: HeaderMap,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Response {
    begin(&sentry, &headers, Profile::Fly, wanted.map(|Query(wanted)| wanted).unwrap_or_default()).await
}

pub(super) async fn sign_in_with_oidc(
    State(sentry): State<SentryStandIn>,
    headers: HeaderMap,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Response {
    begin(&sentry, &headers, Profile::Oidc, wanted.map(|Query(wanted)| wanted).unwrap_or_default()).await
}

async fn begin(sentry: &SentryStandIn, headers: &HeaderMap, profile: Profile, wanted: Wanted) -> Response {
    let organization = match wanted.organization {
        None => None,
        Some(slug) => match sentry.0.settings.organizations.iter().find(|(_, found)| found.slug == slug) {
            Some((id, _)) => Some(id.clone()),
            None => return sentry.trouble(&Trouble::refused("Sentry has no organization of this name.")),
        },
    };
    let pending = Pending { profile, state: fresh_state(sentry, profile), restarts: 0, organization };
    send_off(sentry, headers, pending).await
}

/// 64 hexadecimal digits, a colon, the provider: it must come back byte for byte.
fn fresh_state(sentry: &SentryStandIn, profile: Profile) -> String {
    format!("{}:{}", hex(sentry.0.random.bytes_32()), profile.key())
}

/// Puts `pending` into the session's one slot and goes to the provider.
async fn send_off(sentry: &SentryStandIn, headers: &HeaderMap, pending: Pending) -> Response {
    let url = match sentry.authorize_url(&pending).await {
        Ok(url) => url,
        Err(trouble) => return sentry.trouble(&trouble),
    };
    let mut response = page::redirect(&url);
    let now = sentry.0.clock.now();
    let fresh = sentry.update(|state| {
        if let Some(session) = cookie(headers).and_then(|id| state.sessions.get_mut(id)) {
            session.pending = Some(pending);
            return None;
        }
        let session = Session { pending: Some(pending), ..Session::new(now) };
        Some(state.open(session, &*sentry.0.random))
    });
    if let Some(id) = fresh {
        set_cookie(&mut response, &id);
    }
    response
}

pub(super) async fn arrive(
    State(sentry): State<SentryStandIn>,
    headers: HeaderMap,
    answer: Result<Query<Answer>, QueryRejection>,
) -> Response {
    let answer = answer.map(|Query(answer)| answer).unwrap_or_default();
    let pending = cookie(&headers).and_then(|id| sentry.lock().sessions.get(id)?.pending.clone());
    let Some(pending) = pending else {
        return sentry.trouble(&Trouble::refused(INVALID_STATE));
    };
    let Some(code) = &answer.code else {
        return start_over(&sentry, &headers, pending, &answer).await;
    };
    if answer.state.as_deref() != Some(&pending.state) {
        return sentry.trouble(&Trouble::refused(INVALID_STATE));
    }
    match finish(&sentry, &headers, &pending, code).await {
        Ok(response) => response,
        Err(trouble) => sentry.trouble(&trouble),
    }
}

/// Without a code Sentry takes the callback for a first visit and goes to the provider again, error or not.
async fn start_over(sentry: &SentryStandIn, headers: &HeaderMap, pending: Pending, answer: &Answer) -> Response {
    let restarts = pending.restarts + 1;
    if restarts > MOST_RESTARTS {
        if let Some(id) = cookie(headers) {
            sentry.update(|state| state.sessions.get_mut(id).map(|session| session.pending = None));
        }
        let error = answer.error.as_deref().unwrap_or("no error and no code");
        let text = format!("Sentry started over {MOST_RESTARTS} times and was always sent back with: {error}.");
        let hint = "The real Sentry would go on for ever: a provider must show such an error on its own page.";
        return sentry.trouble(&Trouble { hint, ..Trouble::refused(text) });
    }
    let state = fresh_state(sentry, pending.profile);
    send_off(sentry, headers, Pending { state, restarts, ..pending }).await
}

async fn finish(
    sentry: &SentryStandIn,
    headers: &HeaderMap,
    pending: &Pending,
    code: &str,
) -> Result<Response, Trouble> {
    let endpoints = sentry.endpoints(pending.profile).await?;
    let tokens = sentry.exchange(&endpoints, code).await?;
    let mut account = sentry.describe(&endpoints, &tokens).await?;
    let known = |id: &String| sentry.0.settings.organizations.contains_key(id);
    let wanted = |id: &String| pending.organization.as_ref().map_or_else(|| known(id), |one| one == id);
    // The plug-in of profile 2 knows no organizations.
    if pending.profile == Profile::Fly && !account.organizations.iter().any(|found| wanted(&found.id)) {
        return Err(Trouble::refused("You do not have access to the required Fly organization."));
    }
    let now = sentry.0.clock.now();
    let id = sentry.update(|state| {
        account.recognized = state.recognize(&account);
        if let Some(id) = cookie(headers) {
            state.sessions.remove(id);
        }
        state.open(Session { account: Some(account), ..Session::new(now) }, &*sentry.0.random)
    });
    let mut response = page::redirect("/");
    set_cookie(&mut response, &id);
    Ok(response)
}
