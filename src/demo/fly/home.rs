//! The front page: who is where, with buttons that do what an owner would do at Fly.io.

use askama::Template;
use axum::extract::{Form, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::{FlyStandIn, page};
use crate::demo::Links;
use crate::demo::world::{Role, World};

#[derive(Template)]
#[template(path = "demo/fly_home.html")]
struct Home<'a> {
    links: &'a Links,
    organizations: Vec<Group>,
}

struct Group {
    id: String,
    name: String,
    members: Vec<Row>,
    others: Vec<Row>,
}

struct Row {
    user_id: String,
    name: String,
    email: String,
    admin: bool,
}

pub(super) async fn show(State(fly): State<FlyStandIn>) -> Response {
    let world = fly.world();
    let organizations = groups(&world);
    page::html(StatusCode::OK, &Home { links: &fly.0.settings.links, organizations })
}

fn groups(world: &World) -> Vec<Group> {
    let group = |organization: &crate::demo::world::Organization| {
        let mut group =
            Group { id: organization.id.clone(), name: organization.name.clone(), members: vec![], others: vec![] };
        for person in &world.people {
            let role = person.memberships.iter().find(|found| found.organization_id == organization.id);
            let row = Row {
                user_id: person.user_id.clone(),
                name: person.name.clone(),
                email: person.email.clone().unwrap_or_default(),
                admin: role.is_some_and(|found| found.role == Role::Admin),
            };
            if role.is_some() { group.members.push(row) } else { group.others.push(row) }
        }
        group
    };
    world.organizations.iter().map(group).collect()
}

/// One change, asked for by a button.
#[derive(Debug, Deserialize)]
pub(super) struct Change {
    organization: String,
    user: String,
    /// `admin`, `member` or `none`.
    role: String,
}

pub(super) async fn change(
    State(fly): State<FlyStandIn>,
    headers: HeaderMap,
    Form(change): Form<Change>,
) -> Response {
    if page::sent_from_elsewhere(&headers) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let known = fly.change(|world| match change.role.as_str() {
        "admin" => world.set_role(&change.user, &change.organization, Role::Admin),
        "member" => world.set_role(&change.user, &change.organization, Role::Member),
        "none" => world.remove_member(&change.user, &change.organization),
        _ => false,
    });
    if known { page::redirect("/") } else { StatusCode::BAD_REQUEST.into_response() }
}
