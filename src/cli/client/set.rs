//! `client set`: what is to be changed, and what that means for what exists.

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use serde_json::Value;

use super::super::start::StartError;
use super::options::{Settings, argument};
use super::show::texts;
use crate::config::{SETTINGS, Setting, client_with_options};
use crate::domain::client::Client;
use crate::domain::registration::SettingChange;

const UNSET: &str = "unset";

/// The settings as they were typed, and those that are to go back to their default.
pub struct Changes {
    given: Settings,
    unset: Vec<Setting>,
}

impl Changes {
    /// What is wrong with them whichever client they are for.
    pub(super) fn check(&self) -> Result<(), StartError> {
        if self.given.0.is_empty() && self.unset.is_empty() {
            let why = "nothing is to be changed: name at least one setting, or --unset; `client set --help` has all";
            return Err(StartError::arguments(why));
        }
        let given = |unset: &Setting| self.given.0.iter().any(|(setting, _)| setting.key == unset.key);
        match self.unset.iter().find(|unset| given(unset)) {
            Some(both) => {
                let why = format!("--{} is given and to be unset at the same time", both.option);
                Err(StartError::arguments(why))
            }
            None => Ok(()),
        }
    }

    /// The client with these settings.
    pub(super) fn apply(&self, client: &Client) -> Result<Client, StartError> {
        client_with_options(client, &self.given.0, &self.unset).map_err(|error| {
            let problems = error.problems.iter().map(|problem| format!("\n- {problem}"));
            StartError::arguments(format!("the client cannot be changed so:{}", problems.collect::<String>()))
        })
    }
}

/// What can be without a value, or has a default.
fn may_be_unset(setting: &Setting) -> bool {
    !setting.takes.required() && !["preset", "jwks_file"].contains(&setting.key)
}

impl Args for Changes {
    fn augment_args(command: Command) -> Command {
        let one = |setting: &Setting| {
            let meaning = meaning(setting.key);
            argument(setting).required(false).long_help(format!("{}.\n\nChanged: {meaning}.", setting.help))
        };
        let names = SETTINGS.iter().filter(|setting| may_be_unset(setting)).map(|setting| setting.option);
        let unset = Arg::new(UNSET)
            .long(UNSET)
            .value_name("SETTING")
            .help("Back to the default (for a switch, that of the preset `standard`), or to nothing; once for each setting")
            .value_parser(PossibleValuesParser::new(names))
            .action(ArgAction::Append);
        command.args(SETTINGS.iter().map(one)).arg(unset)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Changes {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let named: Vec<&String> = matches.get_many(UNSET).into_iter().flatten().collect();
        let unset = SETTINGS.iter().filter(|setting| named.iter().any(|name| *name == setting.option)).copied();
        Ok(Self { given: Settings::from_arg_matches(matches)?, unset: unset.collect() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// What changing a setting means for what exists already, as it goes on after "Changed: ".
pub(super) fn meaning(key: &str) -> &'static str {
    match key {
        "name" => "people see it from now on; what they allowed before keeps the name that they saw",
        "preset" => "every switch that a preset decides is as in this one, unless it is given beside it",
        "redirect_uris" => {
            "these and no others; sign-ins that lead to an address which is gone are refused, also those under way and codes \
             that were sent there"
        }
        "post_logout_redirect_uris" => {
            "these and no others; who signs out towards an address which is gone ends on our own page"
        }
        "backchannel_logout_uri" => {
            "word that waits goes to the new address, or to none; of sessions from a time without an address the client does \
             not hear"
        }
        "home" => "links of our pages lead there from now on",
        "token_auth" => {
            "the other way is refused at once, so change the application at the same time. From a secret to keys the secrets \
             end; from keys to a secret it gets one, shown once, here. Codes and tokens stay"
        }
        "jwks" | "jwks_file" => {
            "these and no others: to replace a key without interruption, give both first, and then the new one alone. Codes \
             and tokens stay"
        }
        "algorithm" => {
            "tokens from now on; what was signed before stays good. An application that expects the other one refuses them"
        }
        "access_token_format" => "tokens from now on; those that exist stay as they are, and good",
        "access_token_audience" => "tokens from now on; those that exist name what they named",
        "require_pkce" | "require_openid" => "requests from now on; sign-ins under way and codes go on",
        "require_par" => "requests from now on; sign-ins under way and requests that were handed over go on",
        "claims_in_id_token" => {
            "tokens from now on. With it, nobody signs in at this application without an e-mail address"
        }
        "always_refresh_token" => {
            "codes that are redeemed from now on; refresh tokens that exist go on. Where the application is not your own, codes \
             and tokens are dead of everybody who has not allowed it to ask while they are away; each is asked once"
        }
        "dpop_bound_access_tokens" => {
            "token requests from now on, refreshes too; access tokens that exist stay as they are, and good"
        }
        "denials_on_own_page" => "denials from now on",
        "subject" => {
            "`user_id` of `token/info` is another for every person, also for tokens that exist; `sub` stays the same. An \
             application that is not your own and gets the id at Fly.io loses all tokens, since nobody allowed it that"
        }
        "first_party" => {
            "your own no longer: its codes and tokens are dead, and each person is asked at the next sign-in. Your own now: \
             nobody is asked any more, and tokens stay"
        }
        "machine_scopes" => "what is gone, tokens that exist may not do either; what is new, only new tokens may do",
        _ => "it counts from now on",
    }
}

/// A line for each setting that was changed.
pub(super) fn lines(changes: &[SettingChange]) -> impl Iterator<Item = String> {
    let shown = |value: &Value| {
        let texts = texts(value);
        if texts.is_empty() { "nothing".to_owned() } else { texts.join(" ") }
    };
    changes
        .iter()
        .map(move |change| format!("  {}: {} -> {}", change.setting, shown(&change.before), shown(&change.after)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_of_every_setting_what_changing_it_means() {
        for setting in SETTINGS {
            assert_ne!(meaning(setting.key), meaning("of no setting"), "{}", setting.key);
        }
    }
}
