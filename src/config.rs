//! The configuration: embedded defaults, then a file, then the environment; parsed once, into final types.
//!
//! `config.default.toml` beside this file is the reference. Unknown keys and impossible values are refused, all at
//! once, each with its key, its place, the reason and what to do.

mod certificates;
mod clients;
mod fly;
mod keys;
mod lifetimes;
mod mail;
mod network;
mod parse;
mod problem;
mod runtime;
mod section;
mod server;
mod source;
mod store;

use std::path::Path;

pub use certificates::Certificates;
pub use clients::{SETTINGS, Setting, client_from_options, client_with_options};
pub use fly::Fly;
pub use keys::Keys;
pub use lifetimes::{Sessions, SetupLinks, Tokens};
pub use mail::{Mail, MailFrom, MailTransport, Smtp, SmtpSecurity};
pub use network::{ForwardedHeader, Network, NetworkError, TrustedProxies};
pub use parse::duration_argument;
pub use problem::{ConfigError, Problem};
pub use runtime::{Log, Passwords, Workers};
pub use server::{Issuer, Server, ServerLimits};
pub use source::{Origin, PREFIX};
pub use store::{AcceptedLoss, Backend, RedisSettings, StoreSettings};
use zeroize::Zeroizing;

use crate::domain::client::Client;
use problem::{Problems, Wrong};
use section::Section;

/// Every key with its unit and its default.
pub const DEFAULTS: &str = include_str!("config.default.toml");

/// Everything the program is told. Services take the section they need, not the whole.
#[derive(Debug, Clone)]
pub struct Config {
    pub server: Server,
    pub store: StoreSettings,
    pub keys: Keys,
    pub fly: Fly,
    pub mail: Mail,
    pub sessions: Sessions,
    pub tokens: Tokens,
    pub passwords: Passwords,
    pub setup_links: SetupLinks,
    pub workers: Workers,
    pub log: Log,
    pub clients: Vec<Client>,
}

impl Config {
    /// Reads the file, if one is named, and lets `variables` (see [`environment`]) replace single keys.
    ///
    /// # Errors
    ///
    /// All problems that were found.
    pub fn load(
        file: Option<&Path>,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let Some(path) = file else { return Self::from_text("", "", variables) };
        let name = path.display().to_string();
        match std::fs::read_to_string(path).map(Zeroizing::new) {
            Ok(text) => Self::from_text(&text, &name, variables),
            Err(error) => {
                let problems = Problems::default();
                let reason = format!("the configuration file {name} cannot be read ({})", error.kind());
                problems.add("", None, Wrong::new(reason, "Check the path and who may read it"));
                problems.verdict(None)
            }
        }
    }

    /// The same from text; `name` stands for the file in messages.
    ///
    /// # Errors
    ///
    /// All problems that were found.
    pub fn from_text(
        text: &str,
        name: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let problems = Problems::default();
        let mut table = source::parse(DEFAULTS, |_| Origin::Default, &problems);
        let in_file = |line| Origin::File { name: name.to_owned(), line };
        source::merge(&mut table, source::parse(text, in_file, &problems));
        // What could not be read is not missing: nothing more is said until the syntax is right.
        if !problems.is_empty() {
            return problems.verdict(None);
        }
        source::overlay(&mut table, variables, &problems);
        let config = read(Section::root(table, &problems), &problems);
        problems.verdict(config)
    }
}

fn read(mut root: Section<'_>, problems: &Problems) -> Option<Config> {
    let server = server::read(root.section("server"));
    let store = store::read(root.section("store"));
    let keys = keys::read(root.section("keys"));
    let fly = fly::read(root.section("fly"));
    let mail = mail::read(root.section("mail"));
    let sessions = lifetimes::sessions(root.section("sessions"));
    let tokens = lifetimes::tokens(root.section("tokens"));
    let passwords = runtime::passwords(root.section("passwords"));
    let setup_links = lifetimes::setup_links(root.section("setup_links"));
    let workers = runtime::workers(root.section("workers"), mail.as_ref());
    let log = runtime::log(root.section("log"));
    let clients = clients::read(root.sections("clients"), problems);
    root.finish();
    Some(Config {
        server: server?,
        store: store?,
        keys: keys?,
        fly: fly?,
        mail: mail?,
        sessions: sessions?,
        tokens: tokens?,
        passwords: passwords?,
        setup_links: setup_links?,
        workers: workers?,
        log: log?,
        clients: clients?,
    })
}

/// The variables of this process that start with [`PREFIX`]. Those that are not UTF-8 cannot be ours.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text).filter(|(name, _)| name.starts_with(PREFIX))
}
