//! Puts the program together from its configuration: services over the store, handlers over the services.

mod handlers;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::start::StartError;
use crate::clock::Clock;
use crate::config::{Config, Mail as MailConfig, MailTransport, SmtpSecurity};
use crate::http::sign_in::fly::CALLBACK;
use crate::http::state::App;
use crate::random::Random;
use crate::services::back_channel::{BackChannel, TIMEOUT};
use crate::services::clients::Clients;
use crate::services::contacts::Contacts;
use crate::services::directory::Directory;
use crate::services::disable::Disable;
use crate::services::jobs::Jobs;
use crate::services::limits::Limits;
use crate::services::mail::{self, Credentials, Encryption, Line, Mailer, Sender, SmtpSettings};
use crate::services::message_ids::MessageIds;
use crate::services::outbox::{Links, MailHealth, Outbox, Rate, Shares, WorkerRules};
use crate::services::passwords::{Passwords, PoolSettings};
use crate::services::resealing::Resealing;
use crate::services::setup_links::SetUpLinks;
use crate::services::signing::SigningKeys;
use crate::services::upstream::fly::{FlyConnector, FlySettings};
use crate::services::upstream_tokens::UpstreamTokens;
use crate::services::vault::Vault;
use crate::store::Store;

/// A program that is ready to serve and to work.
pub struct Program {
    pub app: App,
    pub outbox: Arc<Outbox>,
    pub signing: Arc<SigningKeys>,
    pub directory: Arc<Directory>,
    pub set_up_links: Arc<SetUpLinks>,
    pub passwords: Arc<Passwords>,
    /// Told when the program stops, so that answers without an end find one.
    pub stopping: watch::Sender<bool>,
}

/// The services that both serving and working need.
struct Services {
    store: Store,
    vault: Arc<Vault>,
    jobs: Arc<Jobs>,
    directory: Arc<Directory>,
    disable: Arc<Disable>,
    set_up_links: Arc<SetUpLinks>,
    contacts: Arc<Contacts>,
    upstream: Arc<UpstreamTokens>,
    fly: Arc<FlyConnector>,
    limits: Arc<Limits>,
    health: Arc<MailHealth>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    demo: bool,
}

/// `demo`: every page says that this is one.
pub async fn assemble(
    config: &Config,
    store: Store,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    demo: bool,
) -> Result<Program, StartError> {
    if !config.store.may_forget() {
        store.remember_installation().await?;
    }
    let services = services(config, store, (clock, random), demo)?;
    let signing = SigningKeys::open(services.store.clone(), Arc::clone(&services.vault)).await;
    let signing = Arc::new(signing.map_err(|e| StartError::new("the signing keys cannot be used", e))?);
    let clients = Arc::new(Clients::open(services.store.clone(), &config.clients).await?);
    let outbox = Arc::new(outbox(config, &services, &signing, &clients)?);
    outbox.resealing.begin().await?;
    let settings = PoolSettings {
        parameters: config.passwords.parameters,
        threads: config.passwords.threads,
        waiting: config.passwords.queue,
        ..PoolSettings::default()
    };
    let passwords = Passwords::start(&settings, Arc::clone(&services.random));
    let passwords = Arc::new(passwords.map_err(|e| StartError::new("the password threads cannot start", e))?);
    let (stopping, told) = watch::channel(false);
    let app = handlers::app(config, &services, (&signing, &clients), &passwords, told)?;
    Ok(Program {
        app,
        outbox,
        signing,
        directory: services.directory,
        set_up_links: services.set_up_links,
        passwords,
        stopping,
    })
}

fn services(
    config: &Config,
    store: Store,
    (clock, random): (Arc<dyn Clock>, Arc<dyn Random>),
    demo: bool,
) -> Result<Services, StartError> {
    let vault = Vault::new(&config.keys.master).map_err(|e| StartError::new("the master keys cannot be used", e))?;
    let vault = Arc::new(vault);
    let jobs = Jobs::new(store.clone(), config.workers.lease);
    let directory = Directory::new(store.clone());
    let disable = Disable::new(store.clone(), Arc::clone(&jobs), Arc::clone(&directory));
    let links = SetUpLinks::new(store.clone(), Arc::clone(&vault), Arc::clone(&jobs), config.setup_links.lifetime);
    let fly = Arc::new(connector(config)?);
    let upstream = UpstreamTokens::new(store.clone(), Arc::clone(&jobs), Arc::clone(&vault), Arc::clone(&fly));
    let contacts = Contacts::new(
        store.clone(),
        Arc::clone(&vault),
        Arc::clone(&jobs),
        Arc::clone(&directory),
        config.setup_links.lifetime,
    );
    Ok(Services {
        contacts,
        limits: Limits::new(store.clone(), Arc::clone(&vault)),
        health: Arc::default(),
        set_up_links: links,
        store,
        vault,
        jobs,
        directory,
        disable,
        upstream,
        fly,
        clock,
        random,
        demo,
    })
}

fn connector(config: &Config) -> Result<FlyConnector, StartError> {
    let fly = &config.fly;
    let settings = FlySettings {
        client_id: fly.client_id.clone(),
        client_secret: fly.client_secret.clone(),
        authorize_url: fly.authorize_url.clone(),
        token_url: fly.token_url.clone(),
        token_info_url: fly.token_info_url.clone(),
        scope: fly.scope.clone(),
        timeout: fly.timeout,
        max_body: fly.max_body,
    };
    let callback = url::Url::parse(&config.server.issuer.join(CALLBACK));
    let callback = callback.map_err(|e| StartError::new("server.issuer gives no callback address", e))?;
    FlyConnector::new(settings, callback).map_err(|e| StartError::new("the connector to Fly.io cannot be made", e))
}

fn outbox(
    config: &Config,
    services: &Services,
    signing: &Arc<SigningKeys>,
    clients: &Arc<Clients>,
) -> Result<Outbox, StartError> {
    let issuer = config.server.issuer.as_str();
    let back_channel = BackChannel::new(issuer, Arc::clone(signing), Arc::clone(clients), TIMEOUT)
        .map_err(|e| StartError::new("the connector to clients cannot be made", e))?;
    let mailer = mailer(&config.mail, config.workers.concurrency, Arc::clone(&services.clock))?;
    Ok(Outbox {
        store: services.store.clone(),
        jobs: Arc::clone(&services.jobs),
        directory: Arc::clone(&services.directory),
        disable: Arc::clone(&services.disable),
        set_up_links: Arc::clone(&services.set_up_links),
        contacts: Arc::clone(&services.contacts),
        mailer: Arc::new(mailer),
        back_channel,
        resealing: Resealing::new(
            Arc::clone(&services.jobs),
            Arc::clone(&services.vault),
            Arc::clone(&services.upstream),
            Arc::clone(signing),
            services.set_up_links.lifetime(),
        ),
        message_ids: MessageIds::new(Arc::clone(&services.vault)),
        reminders: config.mail.reminders.clone(),
        links: Links {
            base: config.server.issuer.as_str().to_owned(),
            domain: config.mail.from.address.domain().to_owned(),
        },
        rate: Rate::new(Arc::clone(&services.clock), config.mail.per_second.get()),
        shares: Shares::new(
            Arc::clone(&services.clock),
            config.mail.per_second_per_run.map(std::num::NonZeroU32::get),
        ),
        rules: worker_rules(config),
        health: Arc::clone(&services.health),
    })
}

/// The turn of one place is about a second, or so many times what is sent at the same time.
const ROUNDS: usize = 8;

fn worker_rules(config: &Config) -> WorkerRules {
    let concurrency = config.workers.concurrency;
    let half_a_lease = config.workers.lease.as_secs() / 2;
    let per_second = u64::from(config.mail.per_second.get());
    let size = |mails: u64| usize::try_from(mails).unwrap_or(usize::MAX);
    let batch = size(per_second.saturating_mul(half_a_lease)).clamp(1, concurrency);
    let turn = size(per_second).clamp(batch, ROUNDS * batch);
    WorkerRules { concurrency, batch, turn, poll: config.workers.poll }
}

fn mailer(config: &MailConfig, connections: usize, clock: Arc<dyn Clock>) -> Result<Mailer, StartError> {
    let address = config.from.address.clone();
    let name = Line::name(config.from.name.as_deref().unwrap_or("Flybridge"));
    let sender = Sender { address, name, reply_to: None };
    let made = match &config.transport {
        MailTransport::File(folder) => Mailer::folder(folder, sender),
        MailTransport::Smtp(smtp) => {
            let credentials = smtp.username.clone().zip(smtp.password.clone());
            let command = smtp.timeout;
            let settings = SmtpSettings {
                host: smtp.host.clone(),
                port: smtp.port,
                encryption: match smtp.security {
                    SmtpSecurity::Implicit => Encryption::Implicit,
                    SmtpSecurity::StartTls => Encryption::StartTls,
                    SmtpSecurity::None => Encryption::Off,
                },
                credentials: credentials
                    .map(|(username, password)| Credentials { username, password: password.expose().clone().into() }),
                root_certificates: smtp.certificates.as_ref().map(|certificates| certificates.pem().to_vec()),
                hello: None,
                connections,
                limits: mail::Limits {
                    connect: command.min(Duration::from_secs(10)),
                    command,
                    whole: smtp.longest_send(),
                },
            };
            Mailer::smtp(&settings, sender, clock)
        }
    };
    made.map_err(|e| StartError::new("[mail] cannot be used", e))
}
