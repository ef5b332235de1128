//! What handlers are given. Each asks for the narrow part it works with; the whole is only put together here.

use std::ops::Deref;
use std::sync::Arc;

use axum::extract::FromRef;

use super::account::Account;
use super::api::Api;
use super::api::document::Document;
use super::inbound::Inbound;
use super::oidc::discovery::Discovery;
use super::oidc::dpop::Dpop;
use super::oidc::token::TokenEndpoint;
use super::organization::Admin;
use super::password::forgot::Forgot;
use super::password::set_up::SetUp;
use super::readiness::Readiness;
use super::sign_in::finish::Finish;
use super::sign_in::fly::FlySignIn;
use super::sign_in::password::PasswordSignIn;
use super::web::Web;
use crate::services::clients::Clients;
use crate::services::consents::Consents;
use crate::services::directory::Directory;
use crate::services::grants::Grants;
use crate::services::signing::SigningKeys;

/// All parts together, shared: every request takes a copy of this.
#[derive(Clone)]
pub struct App(Arc<Parts>);

impl App {
    #[must_use]
    pub fn of(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

#[derive(Clone)]
pub struct Parts {
    pub web: Arc<Web>,
    pub clients: Arc<Clients>,
    pub directory: Arc<Directory>,
    pub grants: Arc<Grants>,
    pub consents: Arc<Consents>,
    pub signing: Arc<SigningKeys>,
    pub discovery: Arc<Discovery>,
    pub token: Arc<TokenEndpoint>,
    pub dpop: Arc<Dpop>,
    pub finish: Arc<Finish>,
    pub fly: Arc<FlySignIn>,
    pub password: Arc<PasswordSignIn>,
    pub forgot: Arc<Forgot>,
    pub set_up: Arc<SetUp>,
    pub account: Arc<Account>,
    pub admin: Arc<Admin>,
    pub readiness: Arc<Readiness>,
    pub api: Arc<Api>,
    pub document: Arc<Document>,
    pub inbound: Arc<Inbound>,
}

macro_rules! parts {
    ($($part:ident: $kind:ty),+ $(,)?) => {
        $(impl FromRef<App> for Arc<$kind> {
            fn from_ref(app: &App) -> Self {
                Arc::clone(&app.$part)
            }
        })+
    };
}

parts! {
    web: Web,
    clients: Clients,
    directory: Directory,
    grants: Grants,
    consents: Consents,
    signing: SigningKeys,
    discovery: Discovery,
    token: TokenEndpoint,
    dpop: Dpop,
    finish: Finish,
    fly: FlySignIn,
    password: PasswordSignIn,
    forgot: Forgot,
    set_up: SetUp,
    account: Account,
    admin: Admin,
    readiness: Readiness,
    api: Api,
    document: Document,
    inbound: Inbound,
}
