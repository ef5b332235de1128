//! What differs between two sets of settings of one client, and what that ends.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::domain::client::{Client, Subject};

/// One setting that was changed, under the name that it has in the configuration. No setting is a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingChange {
    pub setting: String,
    /// `null` and the empty list stand for what is not set.
    pub before: Value,
    pub after: Value,
}

/// The settings that are not the same, by name.
#[must_use]
pub fn differences(before: &Client, after: &Client) -> Vec<SettingChange> {
    let (mut old, new) = (written(before), written(after));
    let changed = new.into_iter().filter_map(|(setting, after)| {
        let before = old.remove(&setting).unwrap_or(Value::Null);
        (before != after).then_some(SettingChange { setting, before, after })
    });
    changed.collect()
}

fn written(client: &Client) -> Map<String, Value> {
    match serde_json::to_value(client) {
        Ok(Value::Object(written)) => written,
        Ok(_) | Err(_) => Map::new(),
    }
}

/// Something that works now and no longer will, so that whoever changes the settings is asked first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Sign-ins that lead to one of these addresses, also those under way.
    RedirectUris(Vec<String>),
    /// The way in which the client proves itself.
    Method,
    /// All secrets of a client that proves itself by a key from now on.
    Secrets,
    /// Every key that the client can sign with now.
    Keys,
    /// The ids that `token/info` told until now: it tells others, also for tokens that were given before.
    UserIds,
    /// Codes, tokens and consents: the client would learn what nobody allowed it, or was never asked about.
    Grants,
    /// Of whoever has not allowed the client to ask for them while they are away, the codes and tokens.
    NotAllowedAway,
    /// Token requests without a DPoP proof.
    Unproven,
    /// That people are asked what it may learn.
    Asking,
    /// What an application does that is not prepared for the change, in words for an operator.
    Unprepared(&'static str),
    /// What it may do in its own name, also with tokens that it has.
    MachineScopes(Vec<String>),
}

impl Ending {
    /// As one sentence for an operator, without its full stop.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::RedirectUris(uris) => {
                let uris = uris.join(" and ");
                format!(
                    "sign-ins that lead to {uris} are refused, also those under way and codes that were sent there"
                )
            }
            Self::Method => {
                "the application is refused until it proves itself in the new way, so change it at the same time"
                    .to_owned()
            }
            Self::Secrets => "all its secrets end at once".to_owned(),
            Self::Keys => "no key that it signs with now is accepted any more".to_owned(),
            Self::UserIds => "`user_id` of `token/info` is another for every person, also for tokens that exist: an \
                              application that knows people by it takes each for somebody new (`sub` stays the same)"
                .to_owned(),
            Self::Grants => {
                "all codes and tokens that it was given are dead, and what people allowed it counts no more: \
                             each is asked at the next sign-in"
                    .to_owned()
            }
            Self::NotAllowedAway => {
                "the codes and tokens of everybody who has not allowed it to ask for them while they \
                                     are away are dead, and each of these is asked at the next sign-in"
                    .to_owned()
            }
            Self::Asking => {
                "it is your own: nobody is asked any more what it may learn, and it learns all that it asks for"
                    .to_owned()
            }
            Self::Unprepared(what) => (*what).to_owned(),
            Self::Unproven => {
                "the application gets no token any more, not by a refresh either, until it sends DPoP proofs"
                    .to_owned()
            }
            Self::MachineScopes(scopes) => {
                format!("it may no longer do {} in its own name, nor may tokens that it has", scopes.join(", "))
            }
        }
    }
}

/// What ends when the settings become `after`.
#[must_use]
pub fn endings(before: &Client, after: &Client) -> Vec<Ending> {
    let mut endings = Vec::new();
    let gone = missing(&before.redirect_uris, &after.redirect_uris);
    if !gone.is_empty() {
        endings.push(Ending::RedirectUris(gone));
    }
    if before.token_auth != after.token_auth {
        endings.push(Ending::Method);
    }
    if before.token_auth.takes_secret() && !after.token_auth.takes_secret() {
        endings.push(Ending::Secrets);
    }
    let kept = |keys| after.jwks.as_ref().is_some_and(|after| after.shares_one_with(keys));
    if before.jwks.as_ref().is_some_and(|keys| !kept(keys)) {
        endings.push(Ending::Keys);
    }
    if before.subject != after.subject {
        endings.push(Ending::UserIds);
    }
    if ends_grants(before, after) {
        endings.push(Ending::Grants);
    } else if !after.first_party && after.always_refresh_token && !before.always_refresh_token {
        endings.push(Ending::NotAllowedAway);
    }
    if after.dpop_bound_access_tokens && !before.dpop_bound_access_tokens {
        endings.push(Ending::Unproven);
    }
    if !before.first_party && after.first_party {
        endings.push(Ending::Asking);
    }
    endings.extend(unprepared(before, after).map(Ending::Unprepared));
    let scopes = |client: &Client| client.machine_scopes.iter().map(|scope| scope.as_str().to_owned()).collect();
    let (before, after): (Vec<String>, Vec<String>) = (scopes(before), scopes(after));
    let gone = missing(&before, &after);
    if !gone.is_empty() {
        endings.push(Ending::MachineScopes(gone));
    }
    endings
}

/// What an application has to do differently from then on, or goes without.
fn unprepared(before: &Client, after: &Client) -> impl Iterator<Item = &'static str> {
    let turned_on = |switch: fn(&Client) -> bool| switch(after) && !switch(before);
    let turned_off = |switch: fn(&Client) -> bool| switch(before) && !switch(after);
    let changes = [
        (turned_on(|client| client.require_par), "its requests are refused until it hands them over first (PAR)"),
        (turned_on(|client| client.require_pkce), "its requests are refused until they have a PKCE challenge"),
        (turned_on(|client| client.require_openid), "its requests are refused until they ask for the scope openid"),
        (
            before.algorithm != after.algorithm,
            "what is signed for it is signed with the other algorithm; it refuses that until it expects it",
        ),
        (
            (before.access_token_format, &before.access_token_audience)
                != (after.access_token_format, &after.access_token_audience),
            "services that read its access tokens by themselves have to expect the new ones",
        ),
        (turned_on(Client::needs_email), "nobody signs in at it without an e-mail address"),
        (
            turned_off(|client| client.claims_in_id_token),
            "what a scope gives it stands at userinfo alone, no longer in the id_token",
        ),
        (
            turned_off(|client| client.always_refresh_token),
            "it gets a refresh token only where it asks for offline_access",
        ),
        (
            turned_off(|client| client.denials_on_own_page),
            "who is refused is sent back to it with the error; an application that starts over then does so without end",
        ),
        (
            !missing(&before.post_logout_redirect_uris, &after.post_logout_redirect_uris).is_empty(),
            "who signs out towards an address that is gone ends on our own page",
        ),
        (
            before.backchannel_logout_uri.is_some() && after.backchannel_logout_uri.is_none(),
            "it hears no more when somebody signs out",
        ),
    ];
    changes.into_iter().filter(|(changed, _)| *changed).map(|(_, what)| what)
}

/// Whether the grants of the client would be wrong: people were never asked, since it was the operator's own; or what they
/// were asked did not name the id at Fly.io, which `token/info` would tell of them now.
fn ends_grants(before: &Client, after: &Client) -> bool {
    let tells_more = before.subject != after.subject && after.subject == Subject::FlyUserId;
    !after.first_party && (before.first_party || tells_more)
}

fn missing(before: &[String], after: &[String]) -> Vec<String> {
    let after: BTreeSet<&String> = after.iter().collect();
    before.iter().filter(|item| !after.contains(item)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn client(more: &Value) -> Client {
        let mut written = json!({
            "id": "grafana",
            "name": "Grafana",
            "redirect_uris": ["https://rp.test/cb", "https://rp.test/cb2"],
            "post_logout_redirect_uris": [],
            "home": null,
            "token_auth": "client_secret_basic",
            "algorithm": "ES256",
            "require_pkce": true,
            "require_openid": true,
            "claims_in_id_token": false,
            "always_refresh_token": false,
            "denials_on_own_page": false,
            "subject": "user_id",
        });
        for (key, value) in more.as_object().expect("settings") {
            written[key] = value.clone();
        }
        serde_json::from_value(written).expect("settings")
    }

    fn keys(ys: &[(&str, &str)]) -> Value {
        let key = |(x, y): &(&str, &str)| json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y });
        json!({ "token_auth": "private_key_jwt", "jwks": { "keys": ys.iter().map(key).collect::<Vec<_>>() } })
    }

    /// RFC 7517, appendix A.1, and RFC 7515, appendix A.3.1.
    const ONE: (&str, &str) =
        ("MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM");
    const OTHER: (&str, &str) =
        ("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");

    #[test]
    fn what_ends_is_known_before() {
        let uris = |uris: &[&str]| Ending::RedirectUris(uris.iter().map(|uri| (*uri).to_owned()).collect());
        let no_email = || Ending::Unprepared("nobody signs in at it without an e-mail address");
        let scopes = |scopes: &[&str]| Ending::MachineScopes(scopes.iter().map(|s| (*s).to_owned()).collect());
        let (bare, outside, fly) = (json!({}), json!({ "first_party": false }), json!({ "subject": "fly_user_id" }));
        let fly_outside = json!({ "first_party": false, "subject": "fly_user_id" });
        let away = json!({ "first_party": false, "always_refresh_token": true });
        let bound = json!({ "dpop_bound_access_tokens": true });
        let (read, both) = (["organizations:read"], ["organizations:read", "organizations:disable"]);
        let may = |scopes: &[&str]| json!({ "machine_scopes": scopes });
        for (before, after, ends) in [
            (&bare, json!({ "redirect_uris": ["https://rp.test/cb2"] }), vec![uris(&["https://rp.test/cb"])]),
            (
                &bare,
                json!({ "redirect_uris": ["https://rp.test/cb2", "https://rp.test/cb", "https://rp.test/3"] }),
                vec![],
            ),
            (&bare, json!({ "token_auth": "client_secret_post" }), vec![Ending::Method]),
            (&bare, keys(&[ONE]), vec![Ending::Method, Ending::Secrets]),
            (&keys(&[ONE]), bare.clone(), vec![Ending::Method, Ending::Keys]),
            (&keys(&[ONE]), keys(&[OTHER]), vec![Ending::Keys]),
            (&keys(&[ONE]), keys(&[OTHER, ONE]), vec![]),
            (&keys(&[OTHER, ONE]), keys(&[OTHER]), vec![]),
            (&bare, fly.clone(), vec![Ending::UserIds, no_email()]),
            (&fly, bare.clone(), vec![Ending::UserIds]),
            (&outside, fly_outside.clone(), vec![Ending::UserIds, Ending::Grants, no_email()]),
            (&fly_outside, outside.clone(), vec![Ending::UserIds]),
            (&bare, outside.clone(), vec![Ending::Grants]),
            (&outside, bare.clone(), vec![Ending::Asking]),
            (&outside, fly.clone(), vec![Ending::UserIds, Ending::Asking, no_email()]),
            (&outside, away.clone(), vec![Ending::NotAllowedAway]),
            (
                &away,
                outside.clone(),
                vec![Ending::Unprepared("it gets a refresh token only where it asks for offline_access")],
            ),
            (&bare, json!({ "claims_in_id_token": true }), vec![no_email()]),
            (&bare, away.clone(), vec![Ending::Grants]),
            (&bare, bound.clone(), vec![Ending::Unproven]),
            (&bound, bare.clone(), vec![]),
            (&may(&both), may(&read), vec![scopes(&["organizations:disable"])]),
            (&may(&read), may(&both), vec![]),
            (
                &bare,
                json!({
                    "name": "Other", "home": "https://rp.test/", "post_logout_redirect_uris": ["https://rp.test/"],
                    "backchannel_logout_uri": "https://rp.test/out", "require_pkce": false, "require_openid": false, "always_refresh_token": true,
                    "denials_on_own_page": true,
                }),
                vec![],
            ),
        ] {
            assert_eq!(endings(&client(before), &client(&after)), ends, "{before} to {after}");
        }
    }

    #[test]
    fn what_differs_is_told_by_the_names_of_the_configuration() {
        let (before, after) =
            (client(&json!({})), client(&json!({ "home": "https://rp.test/", "require_pkce": false })));
        assert_eq!(differences(&before, &before), []);
        let of =
            |setting: &str, before: Value, after: Value| SettingChange { setting: setting.to_owned(), before, after };
        let home = of("home", Value::Null, json!("https://rp.test/"));
        assert_eq!(differences(&before, &after), [home, of("require_pkce", json!(true), json!(false))]);
        let pushed = differences(&after, &client(&keys(&[ONE])));
        assert!(pushed.iter().any(|change| change.setting == "jwks" && change.before.is_null()), "{pushed:?}");
    }
}
