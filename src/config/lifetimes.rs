//! `[sessions]`, `[tokens]` and `[setup_links]`: how long things live.

use std::time::Duration;

use super::parse;
use super::problem::Wrong;
use super::section::Section;

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// A person's session with us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sessions {
    /// Without any request, a session ends after this long.
    pub idle: Duration,
    /// However busy, a session ends this long after the sign-in.
    pub absolute: Duration,
    /// How recent a sign-in must be before the way of signing in may be changed.
    pub fresh: Duration,
}

/// What clients hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tokens {
    /// An authorization code (RFC 6749, section 4.1.2: ten minutes at most).
    pub code: Duration,
    /// An access token, and the `id_token` beside it.
    pub access: Duration,
    /// A refresh token that nobody uses.
    pub refresh: Duration,
}

/// The single-use links by which members set a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetupLinks {
    /// Counted from sending.
    pub lifetime: Duration,
}

pub(super) fn sessions(mut section: Section<'_>) -> Option<Sessions> {
    let idle = section.set("idle", parse::duration(5 * MINUTE..=90 * DAY));
    let absolute = section.set("absolute", parse::duration(5 * MINUTE..=90 * DAY));
    let fresh = section.set("fresh", parse::duration(MINUTE..=5 * MINUTE));
    if let (Some(idle), Some(absolute)) = (idle, absolute)
        && idle > absolute
    {
        let reason = "sessions.idle is longer than sessions.absolute, so it would never count";
        section.refuse("idle", None, Wrong::new(reason, "Make it at most as long as sessions.absolute"));
    }
    section.finish();
    Some(Sessions { idle: idle?, absolute: absolute?, fresh: fresh? })
}

pub(super) fn tokens(mut section: Section<'_>) -> Option<Tokens> {
    let code = section.set("code", parse::duration(Duration::from_secs(10)..=10 * MINUTE));
    let access = section.set("access", parse::duration(MINUTE..=DAY));
    let refresh = section.set("refresh", parse::duration(HOUR..=365 * DAY));
    if let (Some(access), Some(refresh)) = (access, refresh)
        && access > refresh
    {
        let reason = "tokens.access is longer than tokens.refresh, so no access token could be renewed";
        section.refuse("access", None, Wrong::new(reason, "Make it shorter than tokens.refresh"));
    }
    section.finish();
    Some(Tokens { code: code?, access: access?, refresh: refresh? })
}

pub(super) fn setup_links(mut section: Section<'_>) -> Option<SetupLinks> {
    let lifetime = section.set("lifetime", parse::duration(10 * MINUTE..=7 * DAY));
    section.finish();
    Some(SetupLinks { lifetime: lifetime? })
}
