//! Everything that the API does, in one table: the routes, the description and the tests go by it.

use axum::http::Method;

use crate::domain::machine::MachineScope;
use crate::http::error::problem::{Code, DESCRIPTION};

pub const ORGANIZATION: &str = "/api/v1/organizations/{id}";
pub const DISABLE: &str = "/api/v1/organizations/{id}/disable-fly-auth";
pub const ENABLE: &str = "/api/v1/organizations/{id}/enable-fly-auth";
pub const RUN: &str = "/api/v1/organizations/{id}/disable-runs/{run}";
pub const MEMBERS: &str = "/api/v1/organizations/{id}/disable-runs/{run}/members";
pub const RESEND: &str = "/api/v1/organizations/{id}/disable-runs/{run}/resend";

/// One method of one address.
pub struct Operation {
    pub method: Method,
    pub path: &'static str,
    pub id: &'static str,
    pub summary: &'static str,
    pub description: &'static str,
    /// None for what everybody may look at.
    pub scope: Option<MachineScope>,
    /// The schema of the body that it takes.
    pub body: Option<&'static str>,
    pub answers: Vec<Good>,
    pub problems: Vec<Code>,
}

/// An answer of success.
pub struct Good {
    pub status: u16,
    pub schema: &'static str,
    pub description: &'static str,
}

const fn good(status: u16, schema: &'static str, description: &'static str) -> Good {
    Good { status, schema, description }
}

/// What every operation with a token may answer.
const WITH_TOKEN: [Code; 7] = [
    Code::InvalidRequest,
    Code::MissingToken,
    Code::InvalidToken,
    Code::InvalidDpopProof,
    Code::InsufficientScope,
    Code::NoSuchOrganization,
    Code::Unavailable,
];

/// What every change may answer besides.
const CHANGE: [Code; 6] = [
    Code::InvalidIdempotencyKey,
    Code::NotAMember,
    Code::NotAnAdmin,
    Code::UnsupportedMediaType,
    Code::IdempotencyKeyReused,
    Code::TooManyRequests,
];

fn look(path: &'static str, id: &'static str, answer: Good, others: &[Code]) -> Operation {
    Operation {
        method: Method::GET,
        path,
        id,
        summary: "",
        description: "",
        scope: Some(MachineScope::OrganizationsRead),
        body: None,
        answers: vec![answer],
        problems: [&WITH_TOKEN[..], others].concat(),
    }
}

fn change(path: &'static str, id: &'static str, body: &'static str, others: &[Code]) -> Operation {
    Operation {
        method: Method::POST,
        path,
        id,
        summary: "",
        description: "",
        scope: Some(MachineScope::OrganizationsDisable),
        body: Some(body),
        answers: vec![],
        problems: [&WITH_TOKEN[..], &CHANGE, others].concat(),
    }
}

/// All of them, in the order of the description.
#[must_use]
pub fn all() -> Vec<Operation> {
    vec![description(), organization(), disable(), enable(), run(), members(), resend()]
}

fn description() -> Operation {
    Operation {
        summary: "This description",
        description: "The same for everybody, without a token.",
        scope: None,
        problems: vec![],
        ..look(DESCRIPTION, "getDescription", good(200, "Description", "OpenAPI 3.1"), &[])
    }
}

fn organization() -> Operation {
    Operation {
        summary: "An organization",
        description: "How its members sign in, what it pays for, and its newest run.",
        ..look(ORGANIZATION, "getOrganization", good(200, "Organization", "The organization"), &[])
    }
}

fn disable() -> Operation {
    Operation {
        summary: "Disable Fly.io Auth",
        description: "Switches the organization to email and password at once, and begins the run that mails every member. \
                      Repeated, by whomever, it answers with the same run. Fly.io is not asked: the acting person must be \
                      known here as an admin, or the client vouches for them. The audit log of the organization says which \
                      client spoke, and that it vouched.",
        answers: vec![
            good(
                202,
                "Disabled",
                "The organization has been switched and the run has begun; Location is its address",
            ),
            good(200, "Disabled", "The organization had been switched before; the run by which it was"),
        ],
        ..change(DISABLE, "disableFlyAuth", "Change", &[Code::Sponsored])
    }
}

fn enable() -> Operation {
    Operation {
        summary: "Turn Fly.io Auth on again",
        description: "Mail that waits is cancelled, links that were mailed open nothing any more, passwords rest.",
        answers: vec![good(200, "Enabled", "Fly.io Auth is on")],
        ..change(ENABLE, "enableFlyAuth", "Change", &[])
    }
}

fn run() -> Operation {
    Operation {
        summary: "A run",
        description: "Where it stands. queued, sending, sent, failed and cancelled always add up to all members.",
        ..look(RUN, "getRun", good(200, "Run", "The run"), &[Code::NoSuchRun])
    }
}

fn members() -> Operation {
    Operation {
        summary: "What became of each member's mail",
        description: "In the order of their ids. Until the rows of all members are written (the run is switched, or mailing \
                      for a moment) those without one are missing here and count as queued in the totals. A page may be \
                      short or empty while next is there: few have the status that was asked for.",
        ..look(MEMBERS, "listMembers", good(200, "Members", "A page of members"), &[Code::NoSuchRun])
    }
}

fn resend() -> Operation {
    Operation {
        summary: "Send mail once more",
        description: "To one member, or to all whom which means: failed is everybody whose mail failed, not_ready everybody \
                      who was mailed and has set no password. Nobody is mailed whose mail is on its way or who needs none.",
        answers: vec![good(202, "Resent", "The mails are queued, or there is nothing to send; Location is the run")],
        ..change(RESEND, "resendMail", "Resend", &[Code::NoSuchRun, Code::NoSuchMember, Code::FlyAuthIsOn])
    }
}
