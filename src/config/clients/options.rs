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

/// The client that `options` describe, each as a setting with its values. It has no secret yet.
///
/// # Errors
/// Everything that is wrong with them, in the words of the configuration.
pub fn client_from_options(
    id: &str,
    options: impl IntoIterator<Item = (Setting, Vec<String>)>,
) -> Result<Client, ConfigError> {
    let text = |value: &str, option: &str| Entry {
        value: Value::Text(Zeroizing::new(value.to_owned())),
        origin: Origin::CommandLine { option: option.to_owned() },
    };
    let mut table = Table::from([("id".to_owned(), text(id, "ID"))]);
    for (setting, values) in options {
        let option = format!("--{}", setting.option);
        let items: Vec<Entry> = values.iter().map(|value| text(value, &option)).collect();
        let entry = if setting.takes.many() {
            Some(Entry { value: Value::List(items), origin: Origin::CommandLine { option } })
        } else {
            items.into_iter().next_back()
        };
        table.extend(entry.map(|entry| (setting.key.to_owned(), entry)));
    }
    let problems = Problems::default();
    let mut section = Section::root(table, &problems);
    let client = super::settings(&mut section);
    section.finish();
    problems.verdict(client)
}
