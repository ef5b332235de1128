//! The options of `client add` and `client set`: one for each setting of the configuration.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use super::super::start::StartError;
use crate::config::{SETTINGS, Setting, client_from_options};
use crate::domain::client::Client;

/// The settings as they were typed.
pub struct Settings(pub(super) Vec<(Setting, Vec<String>)>);

impl Settings {
    /// The client they describe; without a secret.
    pub(super) fn client(self, id: &str) -> Result<Client, StartError> {
        client_from_options(id, self.0).map_err(|error| {
            let problems = error.problems.iter().map(|problem| format!("\n- {problem}"));
            StartError::arguments(format!("the client cannot be registered:{}", problems.collect::<String>()))
        })
    }
}

pub(super) fn argument(setting: &Setting) -> Arg {
    let many = setting.takes.many();
    Arg::new(setting.key)
        .long(setting.option)
        .value_name(setting.value)
        .help(setting.help)
        .required(setting.takes.required())
        .action(if many { ArgAction::Append } else { ArgAction::Set })
}

impl Args for Settings {
    fn augment_args(command: Command) -> Command {
        command.args(SETTINGS.iter().map(argument))
    }

    fn augment_args_for_update(command: Command) -> Command {
        command.args(SETTINGS.iter().map(|setting| argument(setting).required(false)))
    }
}

impl FromArgMatches for Settings {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let values = |setting: &Setting| {
            let values = matches.get_many::<String>(setting.key)?;
            Some((*setting, values.cloned().collect()))
        };
        Ok(Self(SETTINGS.iter().filter_map(values).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
