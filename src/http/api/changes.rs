//! What a client may have done: disable Fly.io Auth, turn it on again, have mail sent once more.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use super::acting::{Acting, ActingUser};
use super::call::Call;
use super::{Api, looks};
use crate::domain::disable::{Run, Which};
use crate::domain::ids::FormId;
use crate::domain::machine::MachineToken;
use crate::domain::organization::{Actor, Organization};
use crate::http::error::problem::{Code, Problem};
use crate::services::disable::click::{ClickError, Clicked};
use crate::services::disable::ledger::RowId;
use crate::services::disable::order::{Answer, DisableOutcome, Once, Order, Through};
use crate::store::keys;

enum Admission {
    /// It may be made.
    New(Order),
    /// It was made before under the same key.
    Before(Answer),
}

/// `POST /api/v1/organizations/{id}/disable-fly-auth`
pub async fn disable(
    State(api): State<Arc<Api>>,
    call: Call,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Response, Problem> {
    switch(&api, &call, &name, (Switch::Disable, &body)).await
}

/// `POST /api/v1/organizations/{id}/enable-fly-auth`
pub async fn enable(
    State(api): State<Arc<Api>>,
    call: Call,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Response, Problem> {
    switch(&api, &call, &name, (Switch::Enable, &body)).await
}

/// What becomes of Fly.io Auth.
#[derive(Debug, Clone, Copy)]
enum Switch {
    Disable,
    Enable,
}

impl Switch {
    /// As a request is remembered by it.
    const fn operation(self) -> &'static str {
        match self {
            Self::Disable => "disable-fly-auth",
            Self::Enable => "enable-fly-auth",
        }
    }
}

async fn switch(api: &Api, call: &Call, name: &str, (switch, body): (Switch, &Bytes)) -> Result<Response, Problem> {
    let client = call.may_change(api).await?;
    let acting: Acting = call.body(body)?;
    let organization = api.organization(name).await?;
    let once = call.once(&client, &organization.id, (switch.operation(), body))?;
    let answer = match admit(api, call, (&client, once), (&organization, &acting)).await? {
        Admission::Before(answer) => answer,
        Admission::New(order) => match switch {
            Switch::Disable => api.disable.disable_for(&organization.id, &order).await?.into(),
            Switch::Enable => api.disable.enable_for(&organization.id, &order).await?.into(),
        },
    };
    Ok(answered(api, &organization, None, &answer))
}

/// Whose mail is to be sent again: of one member, or of all that are meant.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Resend {
    acting_user: ActingUser,
    #[serde(default)]
    vouched: bool,
    member: Option<String>,
    which: Option<Which>,
}

enum Whose {
    One(String),
    All(Which),
}

impl Resend {
    fn read(self) -> Result<(Acting, Whose), Problem> {
        let whose = match (self.member, self.which) {
            (Some(member), None) => Whose::One(member),
            (None, Some(which)) => Whose::All(which),
            _ => return Err(Problem::new(Code::InvalidRequest, "Name one of \"member\" and \"which\".")),
        };
        Ok((Acting { acting_user: self.acting_user, vouched: self.vouched }, whose))
    }
}

/// `POST /api/v1/organizations/{id}/disable-runs/{run}/resend`
pub async fn resend(
    State(api): State<Arc<Api>>,
    call: Call,
    Path((name, run)): Path<(String, String)>,
    body: Bytes,
) -> Result<Response, Problem> {
    let client = call.may_change(&api).await?;
    let (acting, whose) = call.body::<Resend>(&body)?.read()?;
    let organization = api.organization(&name).await?;
    let run = api.run_of(&organization, &run).await?;
    let once = call.once(&client, &organization.id, (&format!("resend {}", run.id), &body))?;
    let order = match admit(&api, &call, (&client, once), (&organization, &acting)).await? {
        Admission::Before(answer) => return Ok(answered(&api, &organization, Some(&run), &answer)),
        Admission::New(order) => order,
    };
    if !run.is_current(&organization) {
        return Err(Code::FlyAuthIsOn.into());
    }
    let form = FormId::mint(api.store.now(), api.store.random());
    let outcome = match whose {
        Whose::One(member) => {
            let id = row_of(&api, &run, &member).await?;
            api.disable.resend_for(&id, &form, &order).await?
        }
        Whose::All(which) => api.disable.resend_all_for((&organization.id, &run.id), which, &form, &order).await?,
    };
    Ok(answered(&api, &organization, Some(&run), &outcome.into()))
}

/// The member's row in the run, which must be there.
async fn row_of(api: &Api, run: &Run, member: &str) -> Result<RowId, Problem> {
    let user = member.parse().map_err(|_| Code::NoSuchMember)?;
    api.store.read(&keys::row(&run.organization, &run.id, &user)).await?.ok_or(Code::NoSuchMember)?;
    Ok(RowId { organization: run.organization.clone(), run: run.id.clone(), user })
}

/// A repeated request is answered as before, whatever the acting person may do by now.
async fn admit(
    api: &Api,
    call: &Call,
    (client, once): (&MachineToken, Option<Once>),
    (organization, acting): (&Organization, &Acting),
) -> Result<Admission, Problem> {
    if let Some(once) = &once
        && let Some(answer) = api.disable.recall(&organization.id, once).await?
    {
        return Ok(Admission::Before(answer));
    }
    let by: Actor = acting.admin(api, organization).await?;
    let through = Through::Client { id: client.client.clone(), vouched: acting.vouched };
    let clicked = Clicked { by, from: Some(call.address.clone()) };
    Ok(Admission::New(Order { clicked, through, once }))
}

/// Made of what is remembered alone, so that a repeated request gets the same answer.
fn answered(api: &Api, organization: &Organization, run: Option<&Run>, answer: &Answer) -> Response {
    let id = &organization.id;
    match answer {
        Answer::Disabled(disabled) => {
            let url = api.run_url(id, &disabled.run);
            let page = api.page_url(organization, &disabled.run);
            let body = json!({
                "organization": id,
                "outcome": disabled.outcome,
                "run": { "id": disabled.run, "url": url, "page": page },
            });
            match disabled.outcome {
                DisableOutcome::Begun => accepted(&url, body),
                DisableOutcome::AlreadyRunning | DisableOutcome::AlreadyLeft => looks::answer(body),
            }
        }
        Answer::Enabled { outcome } => looks::answer(json!({ "organization": id, "outcome": outcome })),
        Answer::Resent { outcome } => {
            let body = json!({ "organization": id, "run": run.map(|run| &run.id), "outcome": outcome });
            match run {
                Some(run) => accepted(&api.run_url(id, &run.id), body),
                None => looks::answer(body),
            }
        }
    }
}

/// Begun, and to be followed at `url`.
fn accepted(url: &str, body: serde_json::Value) -> Response {
    let mut response = (StatusCode::ACCEPTED, Json(body)).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(url) = HeaderValue::from_str(url) {
        response.headers_mut().insert(header::LOCATION, url);
    }
    response
}

impl From<ClickError> for Problem {
    fn from(error: ClickError) -> Self {
        match error {
            ClickError::NoOrganization => Code::NoSuchOrganization.into(),
            ClickError::Sponsored(until) => {
                let until = looks::time(until);
                let detail = format!("Fly.io sponsors the plan of the organization until {until}.");
                Self::new(Code::Sponsored, detail).with("until", until)
            }
            ClickError::LeftOut { .. } => {
                let detail = "The acting person is left out on purpose, and would have no way in. Let them in first.";
                Self::new(Code::NotAMember, detail)
            }
            ClickError::OnFlyAlready => Code::FlyAuthIsOn.into(),
            ClickError::OtherRequest => Code::IdempotencyKeyReused.into(),
            ClickError::Store(error) => error.into(),
        }
    }
}
