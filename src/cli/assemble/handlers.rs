//! The handlers and what they share, over the services.

use std::sync::Arc;

use tokio::sync::{Semaphore, watch};

use super::Services;
use crate::cli::start::StartError;
use crate::config::Config;
use crate::domain::session::SessionRules;
use crate::http::account::Account;
use crate::http::api::Api;
use crate::http::api::document::Document;
use crate::http::inbound::Inbound;
use crate::http::oidc::client_auth::ClientAuth;
use crate::http::oidc::discovery::Discovery;
use crate::http::oidc::dpop::Dpop;
use crate::http::oidc::token::TokenEndpoint;
use crate::http::organization::{Admin, MAX_STREAMS};
use crate::http::password::forgot::Forgot;
use crate::http::password::set_up::SetUp;
use crate::http::readiness::Readiness;
use crate::http::sign_in::finish::Finish;
use crate::http::sign_in::fly::FlySignIn;
use crate::http::sign_in::password::PasswordSignIn;
use crate::http::state::{App, Parts};
use crate::http::web::Web;
use crate::services::bounces::Bounces;
use crate::services::client_assertions::ClientAssertions;
use crate::services::clients::Clients;
use crate::services::consents::Consents;
use crate::services::dpop_proofs::DpopProofs;
use crate::services::grants::{Grants, TokenKeys, TokenRules};
use crate::services::message_ids::MessageIds;
use crate::services::passwords::Passwords;
use crate::services::pushed::PushedRequests;
use crate::services::sessions::Sessions;
use crate::services::signing::SigningKeys;

pub(super) fn app(
    config: &Config,
    services: &Services,
    (signing, clients): (&Arc<SigningKeys>, &Arc<Clients>),
    passwords: &Arc<Passwords>,
    stopping: watch::Receiver<bool>,
) -> Result<App, StartError> {
    let rules =
        SessionRules { idle: config.sessions.idle, absolute: config.sessions.absolute, fresh: config.sessions.fresh };
    let web = Arc::new(Web {
        issuer: config.server.issuer.clone(),
        demo: services.demo,
        proxies: config.server.proxies.clone(),
        limits: config.server.limits,
        clock: Arc::clone(&services.clock),
        random: Arc::clone(&services.random),
        vault: Arc::clone(&services.vault),
        sessions: Sessions::new(services.store.clone(), Arc::clone(&services.jobs), rules),
        link_lifetime: config.setup_links.lifetime,
    });
    let grants = grants(config, services, signing, clients);
    let discovery = Discovery::new(&config.server.issuer).map_err(|e| StartError::plain(e.to_string()))?;
    let consents = Consents::new(services.store.clone(), Arc::clone(&services.jobs));
    let finish = finish(services, clients, &grants, &consents);
    let dpop = Dpop { proofs: DpopProofs::new(services.store.clone()), issuer: config.server.issuer.clone() };
    let dpop = Arc::new(dpop);
    let account = Arc::new(account(services));
    Ok(App::of(Parts {
        token: Arc::new(token_endpoint(config, services, (clients, signing), &grants, &dpop)),
        api: Arc::new(api(config, services, &grants, &dpop)),
        document: Arc::new(Document::new(&config.server.issuer)),
        dpop,
        finish: Arc::new(finish),
        fly: Arc::new(FlySignIn { connector: Arc::clone(&services.fly), tokens: Arc::clone(&services.upstream) }),
        password: Arc::new(PasswordSignIn {
            limits: Arc::clone(&services.limits),
            passwords: Arc::clone(passwords),
            links: Arc::clone(&services.set_up_links),
        }),
        forgot: Arc::new(Forgot {
            limits: Arc::clone(&services.limits),
            links: Arc::clone(&services.set_up_links),
            sender: config.mail.from.address.to_string(),
        }),
        set_up: Arc::new(SetUp {
            links: Arc::clone(&services.set_up_links),
            directory: Arc::clone(&services.directory),
            passwords: Arc::clone(passwords),
            policy: config.passwords.policy,
            account: Arc::clone(&account),
        }),
        account,
        admin: Arc::new(admin(config, services, Arc::clone(clients), stopping)),
        inbound: Arc::new(inbound(config, services)),
        readiness: Arc::new(Readiness::new(services.store.clone(), Arc::clone(&services.health))),
        directory: Arc::clone(&services.directory),
        signing: Arc::clone(signing),
        discovery: Arc::new(discovery),
        web,
        clients: Arc::clone(clients),
        grants,
        consents,
    }))
}

fn finish(services: &Services, clients: &Arc<Clients>, grants: &Arc<Grants>, consents: &Arc<Consents>) -> Finish {
    Finish {
        store: services.store.clone(),
        clients: Arc::clone(clients),
        directory: Arc::clone(&services.directory),
        grants: Arc::clone(grants),
        consents: Arc::clone(consents),
    }
}

fn grants(config: &Config, services: &Services, signing: &Arc<SigningKeys>, clients: &Arc<Clients>) -> Arc<Grants> {
    let rules = TokenRules { code: config.tokens.code, access: config.tokens.access, refresh: config.tokens.refresh };
    let keys = TokenKeys {
        vault: Arc::clone(&services.vault),
        signing: Arc::clone(signing),
        issuer: config.server.issuer.as_str().to_owned(),
    };
    let (upstream, directory) = (Arc::clone(&services.upstream), Arc::clone(&services.directory));
    Grants::new(services.store.clone(), keys, upstream, directory, Arc::clone(clients), rules)
}

fn token_endpoint(
    config: &Config,
    services: &Services,
    (clients, signing): (&Arc<Clients>, &Arc<SigningKeys>),
    grants: &Arc<Grants>,
    dpop: &Arc<Dpop>,
) -> TokenEndpoint {
    let auth = ClientAuth {
        clients: Arc::clone(clients),
        limits: Arc::clone(&services.limits),
        assertions: ClientAssertions::new(services.store.clone()),
        issuer: config.server.issuer.clone(),
    };
    TokenEndpoint {
        auth: Arc::new(auth),
        grants: Arc::clone(grants),
        signing: Arc::clone(signing),
        pushed: Arc::new(PushedRequests::new(services.store.clone())),
        dpop: Arc::clone(dpop),
    }
}

fn api(config: &Config, services: &Services, grants: &Arc<Grants>, dpop: &Arc<Dpop>) -> Api {
    Api {
        store: services.store.clone(),
        directory: Arc::clone(&services.directory),
        disable: Arc::clone(&services.disable),
        grants: Arc::clone(grants),
        dpop: Arc::clone(dpop),
        limits: Arc::clone(&services.limits),
        issuer: config.server.issuer.clone(),
    }
}

fn inbound(config: &Config, services: &Services) -> Inbound {
    let bounces = Bounces {
        directory: Arc::clone(&services.directory),
        disable: Arc::clone(&services.disable),
        set_up_links: Arc::clone(&services.set_up_links),
        message_ids: MessageIds::new(Arc::clone(&services.vault)),
        domain: config.mail.from.address.domain().to_owned(),
    };
    Inbound { bounces, secret: config.mail.bounce_secret.clone() }
}

fn admin(config: &Config, services: &Services, clients: Arc<Clients>, stopping: watch::Receiver<bool>) -> Admin {
    Admin {
        store: services.store.clone(),
        directory: Arc::clone(&services.directory),
        disable: Arc::clone(&services.disable),
        upstream: Arc::clone(&services.upstream),
        limits: Arc::clone(&services.limits),
        rate: config.mail.per_second_per_run.unwrap_or(config.mail.per_second).min(config.mail.per_second).get(),
        clients,
        streams: Arc::new(Semaphore::new(MAX_STREAMS)),
        stopping,
    }
}

fn account(services: &Services) -> Account {
    Account {
        store: services.store.clone(),
        contacts: Arc::clone(&services.contacts),
        directory: Arc::clone(&services.directory),
        limits: Arc::clone(&services.limits),
    }
}
