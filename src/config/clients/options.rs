//! The settings of a client as options of a command: the same words, the same checks, the same messages.

use zeroize::Zeroizing;

use crate::config::problem::{ConfigError, Problems};
use crate::config::section::Section;
use crate::config::source::{Entry, Origin, Table, Value};
use crate::domain::client::Client;

/// A setting that may be given as an option.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// In the configuration, and in what is kept of a client.
    pub key: &'static str,
    /// On the command line, behind `--`: the key with hyphens, in the singular where it is given once for each.
    pub option: &'static str,
    /// What stands for the value in the help.
    pub value: &'static str,
    pub takes: Takes,
    /// One sentence for the help.
    pub help: &'static str,
}

/// How often a setting may be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    One,
    OnceRequired,
    Many,
    ManyRequired,
}

impl Takes {
    #[must_use]
    pub fn many(self) -> bool {
        matches!(self, Self::Many | Self::ManyRequired)
    }

    #[must_use]
    pub fn required(self) -> bool {
        matches!(self, Self::OnceRequired | Self::ManyRequired)
    }
}

const fn setting(
    (key, option): (&'static str, &'static str),
    value: &'static str,
    takes: Takes,
    help: &'static str,
) -> Setting {
    Setting { key, option, value, takes, help }
}

const TRUTH: &str = "true|false";

/// Every setting of a client but its id and its secrets, in the order of `config.default.toml`.
pub const SETTINGS: &[Setting] = &[
    setting(("name", "name"), "NAME", Takes::OnceRequired, "The name that people see"),
    setting(
        ("preset", "preset"),
        "PRESET",
        Takes::One,
        "What the switches below are unless they are given: `standard` (the default), `sentry-oidc` for Sentry's OpenID \
         Connect plug-in, `sentry-fly` for Sentry's own Fly provider",
    ),
    setting(
        ("redirect_uris", "redirect-uri"),
        "URI",
        Takes::ManyRequired,
        "Where a person may be sent back to, compared byte for byte; once for each address",
    ),
    setting(
        ("post_logout_redirect_uris", "post-logout-redirect-uri"),
        "URI",
        Takes::Many,
        "Where a person may be sent after signing out; once for each address",
    ),
    setting(
        ("backchannel_logout_uri", "backchannel-logout-uri"),
        "URL",
        Takes::One,
        "Where the client hears that somebody is signed out (OpenID Connect Back-Channel Logout)",
    ),
    setting(("home", "home"), "URL", Takes::One, "Where a person starts a sign-in at this client"),
    setting(
        ("token_auth", "token-auth"),
        "METHOD",
        Takes::One,
        "How the client proves itself: `client_secret_basic`, `client_secret_post` or `private_key_jwt`",
    ),
    setting(
        ("jwks", "jwks"),
        "JSON",
        Takes::One,
        "The public keys of a client of `private_key_jwt`, as a JWK set; it gets no secret then",
    ),
    setting(("jwks_file", "jwks-file"), "FILE", Takes::One, "The same out of a file"),
    setting(("algorithm", "algorithm"), "NAME", Takes::One, "How the `id_token` is signed: `RS256` or `ES256`"),
    setting(
        ("access_token_format", "access-token-format"),
        "FORMAT",
        Takes::One,
        "What an access token is: `opaque` (the default), or `jwt` for services that read it by themselves",
    ),
    setting(
        ("access_token_audience", "access-token-audience"),
        "URI",
        Takes::One,
        "For which service an access token is meant that is a JWT (`aud`), beside us",
    ),
    setting(("require_pkce", "require-pkce"), TRUTH, Takes::One, "Whether the client must use PKCE"),
    setting(
        ("require_par", "require-par"),
        TRUTH,
        Takes::One,
        "Whether the client must hand over every request first, at `/oauth/par` (RFC 9126)",
    ),
    setting(
        ("dpop_bound_access_tokens", "dpop-bound-access-tokens"),
        TRUTH,
        Takes::One,
        "Whether the client gets tokens with a DPoP proof alone, bound to its key (RFC 9449)",
    ),
    setting(("require_openid", "require-openid"), TRUTH, Takes::One, "Whether the scope must contain `openid`"),
    setting(
        ("claims_in_id_token", "claims-in-id-token"),
        TRUTH,
        Takes::One,
        "Whether claims of scopes stand in the `id_token` too, not only in userinfo",
    ),
    setting(
        ("always_refresh_token", "always-refresh-token"),
        TRUTH,
        Takes::One,
        "Whether there is a refresh token without the scope `offline_access`",
    ),
    setting(
        ("denials_on_own_page", "denials-on-own-page"),
        TRUTH,
        Takes::One,
        "Whether a denial stays on our own page instead of being sent back to the client",
    ),
    setting(
        ("subject", "subject"),
        "WHICH",
        Takes::One,
        "What `user_id` of `token/info` is: `user_id` (ours) or `fly_user_id`",
    ),
    setting(
        ("first_party", "first-party"),
        TRUTH,
        Takes::One,
        "Whether the application is your own: one that is not asks each person what it may learn about them",
    ),
    setting(
        ("machine_scopes", "machine-scope"),
        "SCOPE",
        Takes::Many,
        "What the client may do in its own name (client credentials): `organizations:read`, `organizations:disable`; \
         once for each",
    ),
];

/// The settings that a preset decides.
const OF_PRESETS: &[&str] = &[
    "token_auth",
    "algorithm",
    "require_pkce",
    "require_par",
    "dpop_bound_access_tokens",
    "require_openid",
    "claims_in_id_token",
    "always_refresh_token",
    "denials_on_own_page",
    "subject",
    "first_party",
];

/// Settings that mean something only as long as another one has this value, and leave with it unless they are given.
const DEPENDENT: &[(&str, &str, &str)] =
    &[("jwks", "token_auth", "private_key_jwt"), ("access_token_audience", "access_token_format", "jwt")];

/// The client that `options` describe, each as a setting with its values. It has no secret yet.
///
/// # Errors
/// Everything that is wrong with them, in the words of the configuration.
pub fn client_from_options(
    id: &str,
    options: impl IntoIterator<Item = (Setting, Vec<String>)>,
) -> Result<Client, ConfigError> {
    let mut table = Table::from([("id".to_owned(), text(id, Origin::CommandLine { option: "ID".to_owned() }))]);
    table.extend(options.into_iter().filter_map(|(setting, values)| typed(&setting, &values)));
    read(table)
}

/// The settings of `client` with those of `given` in place of its own, and the defaults in place of those of `unset`. A
/// preset among them counts for all that it decides, as if the client were described anew. Nothing else of the client but
/// its id and its settings is in the result.
///
/// # Errors
/// Everything that is wrong with the settings then: whatever could not be registered so.
pub fn client_with_options(
    client: &Client,
    given: &[(Setting, Vec<String>)],
    unset: &[Setting],
) -> Result<Client, ConfigError> {
    let is_given = |key: &str| given.iter().any(|(setting, _)| setting.key == key);
    let mut table = registered(client);
    table.retain(|key, _| !unset.iter().any(|setting| setting.key == key));
    if is_given("preset") {
        table.retain(|key, _| !OF_PRESETS.contains(&key.as_str()));
    }
    table.extend(given.iter().filter_map(|(setting, values)| typed(setting, values)));
    for (dependent, on, value) in DEPENDENT {
        let means = |entry: &Entry| matches!(&entry.value, Value::Text(text) if text.as_str() == *value);
        if !is_given(dependent) && !table.get(*on).is_some_and(means) {
            table.remove(*dependent);
        }
    }
    read(table)
}

fn text(value: &str, origin: Origin) -> Entry {
    Entry { value: Value::Text(Zeroizing::new(value.to_owned())), origin }
}

/// What was typed for a setting, under its name.
fn typed(setting: &Setting, values: &[String]) -> Option<(String, Entry)> {
    let origin = Origin::CommandLine { option: format!("--{}", setting.option) };
    let mut items: Vec<Entry> = values.iter().map(|value| text(value, origin.clone())).collect();
    let entry = if setting.takes.many() { Entry { value: Value::List(items), origin } } else { items.pop()? };
    Some((setting.key.to_owned(), entry))
}

/// What a client has, as if it had been typed. Its id and its settings are written under the same names as in the
/// configuration; what is not set has no entry, as an empty list has none.
fn registered(client: &Client) -> Table {
    let Ok(serde_json::Value::Object(written)) = serde_json::to_value(client) else { return Table::new() };
    let one = |value: &serde_json::Value| {
        let words = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        text(&words, Origin::Registered)
    };
    let entry = |value: &serde_json::Value| match value {
        serde_json::Value::Null => None,
        serde_json::Value::Array(items) if items.is_empty() => None,
        serde_json::Value::Array(items) => {
            Some(Entry { value: Value::List(items.iter().map(one).collect()), origin: Origin::Registered })
        }
        other => Some(one(other)),
    };
    written.iter().filter_map(|(key, value)| Some((key.clone(), entry(value)?))).collect()
}

fn read(table: Table) -> Result<Client, ConfigError> {
    let problems = Problems::default();
    let mut section = Section::root(table, &problems);
    let client = super::settings(&mut section);
    section.finish();
    problems.verdict(client)
}
