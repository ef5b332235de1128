//! `flybridge demo`: the main job on this machine. Flybridge itself is the real program on SQLite; Fly.io, Sentry and
//! the mailbox are stand-ins that speak the real protocols over HTTP.

pub mod folder;
pub mod places;
pub mod seed;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use tokio::sync::watch;

use super::assemble::assemble;
use super::serve::{serve_program, stop_signal};
use super::start::{StartError, open_store};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, PREFIX, environment};
use crate::demo::fly::{self, FlyStandIn};
use crate::demo::mailbox::Mailbox;
use crate::demo::sentry::{self, BACKCHANNEL_LOGOUT, SentryStandIn};
use crate::demo::world::{BRAMS_PASSWORD, World};
use crate::demo::{self, Links};
use crate::domain::master_keys::MasterKeys;
use crate::http::sign_in::fly::CALLBACK;
use crate::random::{Random, SystemRandom};
use crate::telemetry;
use folder::Folder;
use places::Places;

#[derive(Args)]
pub struct DemoArgs {
    /// Folder for everything the demo keeps.
    #[arg(long, value_name = "FOLDER", default_value = "data/demo")]
    data: PathBuf,
    /// Forget what the folder holds and start over.
    #[arg(long)]
    fresh: bool,
    /// Port of Flybridge; Fly.io, Sentry and the mailbox take the three after it. Otherwise free ones are found.
    #[arg(long)]
    port: Option<u16>,
    /// Set a key of its configuration, by its variable: `FLYBRIDGE_MAIL__PER_SECOND=1`. From the environment itself the
    /// demo takes `FLYBRIDGE_LOG__...` alone, so what is exported for `serve` has no effect here.
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    env: Vec<(String, String)>,
}

fn variable(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(name, _)| name.starts_with(PREFIX));
    let (name, value) = pair.ok_or_else(|| format!("write {PREFIX}<SECTION>__<KEY>=VALUE"))?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Secrets that the parts of the demo share. Made new at every start: nothing outside this process needs them.
struct Secrets {
    fly: String,
    sentry_fly: String,
    sentry_oidc: String,
}

pub async fn run(args: DemoArgs) -> Result<(), StartError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let random: Arc<dyn Random> = Arc::new(SystemRandom::default());
    // Folder and ports first: a demo that still runs holds them, and keeps what is in the folder.
    let folder = Folder::take(&args.data)?;
    let places = Places::open(args.port, &args.data).await?;
    folder.prepare(args.fresh)?;
    places.keep(&args.data)?;
    let secrets = Secrets {
        fly: crate::domain::ids::random_text(&*random),
        sentry_fly: crate::domain::ids::random_text(&*random),
        sentry_oidc: crate::domain::ids::random_text(&*random),
    };
    let master = master_key(&args.data, &*random)?;
    let config = configuration(&args.data, &places.links, &secrets, &master, args.env)?;
    set_up_log(&config, &args.data)?;
    let store = open_store(&config.store, Arc::clone(&clock), Arc::clone(&random)).await?;
    let program = assemble(&config, store, Arc::clone(&clock), Arc::clone(&random), true).await?;
    let world = World::demo();
    seed::seed(&program, &world, clock.now(), &args.data.join("seeded")).await?;
    let stop = stop_signal()?;
    announce(&args.data, &places.links);
    let stand_ins = stand_ins(&args.data, &places.links, &secrets, (&world, &clock, &random))?;
    let Places { flybridge, fly, sentry, mailbox, .. } = places;
    let [fly_router, sentry_router, mailbox_router] = stand_ins;
    let ((), fly, sentry, mailbox) = tokio::join!(
        serve_program(&program, vec![flybridge], config.server.limits, true, stop.clone()),
        demo::serve_on(fly, fly_router, until(stop.clone())),
        demo::serve_on(sentry, sentry_router, until(stop.clone())),
        demo::serve_on(mailbox, mailbox_router, until(stop)),
    );
    fly.and(sentry).and(mailbox).map_err(|e| StartError::new("a stand-in stopped", e))
}

/// Into a file, so that the ids on error pages are found and the screen stays readable.
fn set_up_log(config: &Config, data: &Path) -> Result<(), StartError> {
    use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
    let path = data.join("log");
    let file = fs::OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
    // Also one that an earlier version has left.
    let file = file.and_then(|file| file.set_permissions(fs::Permissions::from_mode(0o600)).map(|()| file));
    let file = file.map_err(|e| StartError::new(&format!("{} cannot be written", path.display()), e))?;
    telemetry::init_to(config.log.format, config.log.filter.clone(), Arc::new(file))
        .map_err(|e| StartError::plain(e.to_string()))
}

async fn until(mut stop: watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// The demo's own master key; without it what the folder holds could not be read after a restart.
fn master_key(data: &Path, random: &dyn Random) -> Result<PathBuf, StartError> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let path = data.join("master.key");
    if !path.exists() {
        let key = MasterKeys::generate(random);
        let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        file.and_then(|mut file| file.write_all(key.expose().as_bytes()))
            .map_err(|e| StartError::new(&format!("{} cannot be written", path.display()), e))?;
    }
    Ok(path)
}

fn configuration(
    data: &Path,
    links: &Links,
    secrets: &Secrets,
    master: &Path,
    given: Vec<(String, String)>,
) -> Result<Config, StartError> {
    let quoted = |path: PathBuf| format!("{:?}", path.display().to_string());
    let Secrets { fly: fly_secret, sentry_fly, sentry_oidc } = secrets;
    let Links { flybridge, fly, sentry, .. } = links;
    let text = format!(
        r#"
[server]
issuer = "{flybridge}"
[store]
url = {store}
[keys]
master_file = {master}
[fly]
client_id = "flybridge-demo"
client_secret = "{fly_secret}"
authorize_url = "{fly}/oauth/authorize"
token_url = "{fly}/oauth/token"
token_info_url = "{fly}/oauth/token/info"
[mail]
from = "Flybridge demo <no-reply@flybridge.example>"
transport = "file"
folder = {folder}
per_second = 5
[log]
filter = "info"
[[clients]]
id = "sentry"
name = "Sentry"
preset = "sentry-fly"
secret = "{sentry_fly}"
redirect_uris = ["{sentry}/auth/sso/"]
home = "{sentry}/login"
[[clients]]
id = "sentry-oidc"
name = "Sentry"
preset = "sentry-oidc"
secret = "{sentry_oidc}"
redirect_uris = ["{sentry}/auth/sso/"]
backchannel_logout_uri = "{sentry}{BACKCHANNEL_LOGOUT}"
"#,
        store = quoted(PathBuf::from(format!("sqlite:{}", data.join("flybridge.db").display()))),
        master = quoted(master.to_owned()),
        folder = quoted(data.join("mail")),
    );
    // The rest is about a real deployment: its store would get the demo's people, its mail server the demo's mail.
    let log = environment().filter(|(name, _)| name.strip_prefix(PREFIX).is_some_and(|key| key.starts_with("LOG_")));
    Ok(Config::from_text(&text, "the demo's configuration", log.chain(given))?)
}

fn stand_ins(
    data: &Path,
    links: &Links,
    secrets: &Secrets,
    (world, clock, random): (&World, &Arc<dyn Clock>, &Arc<dyn Random>),
) -> Result<[axum::Router; 3], StartError> {
    let application = fly::Application {
        client_id: "flybridge-demo".to_owned(),
        client_secret: secrets.fly.clone(),
        redirect_uris: vec![format!("{}{CALLBACK}", links.flybridge)],
    };
    let settings =
        fly::Settings { applications: vec![application], links: links.clone(), keep_in: Some(data.join("fly.json")) };
    let fly = FlyStandIn::new(settings, world.clone(), Arc::clone(clock), Arc::clone(random));
    let organizations = world
        .organizations
        .iter()
        .map(|o| (o.id.clone(), sentry::Organization { slug: o.slug.clone(), name: o.name.clone() }));
    let settings = sentry::Settings {
        base_url: links.sentry.clone(),
        flybridge_url: links.flybridge.clone(),
        fly: sentry::FlyProvider {
            authorize_endpoint: format!("{}/oauth/authorize", links.flybridge),
            token_endpoint: format!("{}/oauth/token", links.flybridge),
            client_id: "sentry".to_owned(),
            client_secret: secrets.sentry_fly.clone(),
        },
        oidc: Some(sentry::OidcProvider {
            issuer: links.flybridge.clone(),
            client_id: "sentry-oidc".to_owned(),
            client_secret: secrets.sentry_oidc.clone(),
            scope: "openid email organizations".to_owned(),
        }),
        organizations: organizations.collect(),
        links: links.clone(),
        keep_in: Some(data.join("sentry.json")),
    };
    let sentry = SentryStandIn::new(settings, Arc::clone(clock), Arc::clone(random));
    let sentry = sentry.map_err(|e| StartError::new("the Sentry stand-in cannot be made", e))?;
    let mailbox = Mailbox::new(data.join("mail"), links.clone());
    Ok([fly.router(), sentry.router(), mailbox.router()])
}

#[expect(clippy::print_stdout, reason = "the command line speaks to a person")]
fn announce(data: &Path, links: &Links) {
    println!(
        "Flybridge demo. Everything is on this machine; nobody is mailed.

  1. Sentry     {}     start here: sign in as Ines Marlow, open the auth settings
  2. Mailbox    {}     every mail the demo sends
  3. Fly.io     {}     who belongs where
     Flybridge  {}

Bram de Vries has a password already: {BRAMS_PASSWORD}
What the program logs is in {log}.
Kept in {}; --fresh starts over. Ctrl-C stops all of it.",
        links.sentry,
        links.mailbox,
        links.fly,
        links.flybridge,
        data.display(),
        log = data.join("log").display(),
    );
}
