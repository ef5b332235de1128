//! What every page needs: who we are, the time, cookies and form tokens; and what a request says of its sender.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRef, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::client_address::client_address;
use super::cookies::{CookieStyle, Cookies};
use super::error::PageError;
use super::pages::{Frame, when};
use super::server::PeerAddress;
use crate::clock::Clock;
use crate::config::{Issuer, ServerLimits, TrustedProxies};
use crate::domain::access::Proof;
use crate::domain::ids::random_text;
use crate::domain::user::User;
use crate::random::Random;
use crate::services::limits;
use crate::services::sessions::{Current, Sessions};
use crate::services::vault::{Purpose, Vault};
use crate::store::StoreError;
use crate::telemetry::RequestId;

const BROWSER: &str = "fb_browser";
const SESSION: &str = "fb_session";

pub struct Web {
    pub issuer: Issuer,
    /// Every page says that it is a demo.
    pub demo: bool,
    pub proxies: TrustedProxies,
    pub limits: ServerLimits,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    pub vault: Arc<Vault>,
    pub sessions: Arc<Sessions>,
    /// Of set-up links, for the words of pages.
    pub link_lifetime: Duration,
}

impl Web {
    #[must_use]
    pub fn cookies(&self) -> CookieStyle {
        CookieStyle { secure: self.issuer.is_https() }
    }

    #[must_use]
    pub fn frame(&self, tx_query: &str) -> Frame {
        Frame::new(self.demo, tx_query)
    }

    /// How long a set-up link works: `24 hours`.
    #[must_use]
    pub fn link_lasts(&self) -> String {
        when::lasts(self.link_lifetime)
    }

    /// How recent a sign-in must be before a change of authentication: `5 minutes`.
    #[must_use]
    pub fn fresh_within(&self) -> String {
        when::lasts(self.sessions.rules().fresh)
    }

    /// The token that a form of this visitor carries.
    #[must_use]
    pub fn csrf(&self, visitor: &Visitor) -> String {
        let mac = self.vault.mac(Purpose::Csrf, &[visitor.browser.as_bytes()]);
        URL_SAFE_NO_PAD.encode(mac)
    }

    /// Whether a form was rendered by us for this browser.
    pub fn check_csrf(&self, visitor: &Visitor, sent: &str) -> Result<(), PageError> {
        let sent = URL_SAFE_NO_PAD.decode(sent).map_err(|_| PageError::stale_form())?;
        let ours = visitor.known && self.vault.verify_mac(Purpose::Csrf, &[visitor.browser.as_bytes()], &sent);
        if ours { Ok(()) } else { Err(PageError::stale_form().detail("the form token does not fit the browser")) }
    }

    pub async fn session(&self, visitor: &Visitor) -> Result<Option<Current>, StoreError> {
        match visitor.cookies.one(&self.cookies().name(SESSION)) {
            Some(cookie) => self.sessions.find(cookie).await,
            None => Ok(None),
        }
    }

    /// The same with the person's organizations read along; see [`Sessions::find_with_organizations`].
    pub async fn session_to_judge(&self, visitor: &Visitor) -> Result<Option<Current>, StoreError> {
        match visitor.cookies.one(&self.cookies().name(SESSION)) {
            Some(cookie) => self.sessions.find_with_organizations(cookie).await,
            None => Ok(None),
        }
    }

    /// Begins a session with a new cookie. The one that the browser had is over, whoever else may hold its cookie; to
    /// clients it goes on if the person is the same.
    pub async fn begin_session(
        &self,
        visitor: &Visitor,
        user: &User,
        proof: Proof,
    ) -> Result<(String, Current), PageError> {
        let token = match self.session(visitor).await? {
            Some(before) if before.user.id == user.id => self.sessions.renew(&before, user, proof).await?,
            before => {
                if let Some(before) = before {
                    self.sessions.end(&before).await?;
                }
                self.sessions.begin(user, proof).await?
            }
        };
        let current = self.sessions.find(&token).await?.ok_or_else(PageError::stale_transaction)?;
        Ok((token, current))
    }

    /// Lets `response` begin a session in the browser.
    #[must_use]
    pub fn with_session(&self, token: &str, mut response: Response) -> Response {
        self.cookies().set(SESSION, token, Some(self.sessions.rules().absolute)).apply(&mut response);
        response
    }

    #[must_use]
    pub fn without_session(&self, mut response: Response) -> Response {
        self.cookies().clear(SESSION).apply(&mut response);
        response
    }
}

/// Who sent a request, as far as it says.
#[derive(Debug, Clone)]
pub struct Visitor {
    pub cookies: Cookies,
    /// Network address, behind the proxies we trust.
    pub address: String,
    /// Random id of the browser, to which forms are bound.
    browser: String,
    /// Whether the browser had the id before this request.
    known: bool,
    /// Browser and system in a few words, for the mail after a change of password.
    pub agent: String,
    /// Id of this request, under which it stands in the log.
    pub request_id: String,
}

impl Visitor {
    /// Whether the browser sent the id it was given. It holds that back, as all our cookies, when another site posts.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.known
    }

    /// For whom attempts are counted; [`Self::address`] is what the audit log keeps.
    #[must_use]
    pub fn network(&self) -> String {
        limits::network(&self.address)
    }
}

impl<S> FromRequestParts<S> for Visitor
where
    S: Send + Sync,
    Arc<Web>: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let web = Arc::<Web>::from_ref(state);
        let cookies = Cookies::from_headers(&parts.headers);
        let minted = parts.extensions.get::<NewBrowser>().map(|new| new.0.clone());
        let cookie = cookies.one(&web.cookies().name(BROWSER)).map(str::to_owned);
        let known = minted.is_none() && cookie.is_some();
        let peer = parts.extensions.get::<PeerAddress>().map(|peer| peer.0);
        let peer = peer.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)));
        Ok(Self {
            address: client_address(peer, &parts.headers, &web.proxies).to_string(),
            browser: minted.or(cookie).unwrap_or_default(),
            known,
            agent: agent(&parts.headers),
            request_id: parts.extensions.get::<RequestId>().map(|id| id.as_str().to_owned()).unwrap_or_default(),
            cookies,
        })
    }
}

#[derive(Clone)]
struct NewBrowser(String);

/// The layer that gives a browser its id at the first page it gets.
pub async fn know_browser(State(web): State<Arc<Web>>, mut request: Request, next: Next) -> Response {
    let name = web.cookies().name(BROWSER);
    let known = Cookies::from_headers(request.headers()).one(&name).is_some_and(is_browser_id);
    let safe = matches!(*request.method(), Method::GET | Method::HEAD);
    if known || !safe {
        return next.run(request).await;
    }
    let id = random_text(&*web.random);
    request.extensions_mut().insert(NewBrowser(id.clone()));
    let mut response = next.run(request).await;
    web.cookies().set(BROWSER, &id, None).apply(&mut response);
    response
}

fn is_browser_id(text: &str) -> bool {
    text.len() == 26 && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// The layer before every form: only our own pages may post. `Sec-Fetch-Site` decides where the browser sends it,
/// `Origin` elsewhere. The form token decides for a browser that sends neither, or `null`: that is what our own pages
/// give for an origin, since they ask for no referrer (Fetch, section 3.2).
pub async fn same_site_posts(State(web): State<Arc<Web>>, request: Request, next: Next) -> Response {
    if *request.method() == Method::POST && !is_same_site(request.headers(), &web) {
        return PageError::stale_form().detail("a form from another site").into_response();
    }
    next.run(request).await
}

fn is_same_site(headers: &HeaderMap, web: &Web) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin" || site == "none";
    }
    match headers.get("origin") {
        Some(origin) => origin == "null" || origin.as_bytes() == web.issuer.as_str().as_bytes(),
        None => true,
    }
}

/// "Firefox on Linux": coarse on purpose.
fn agent(headers: &HeaderMap) -> String {
    let text = headers.get("user-agent").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let first =
        |words: &[(&str, &'static str)]| words.iter().find(|(word, _)| text.contains(word)).map(|(_, name)| *name);
    let browser = first(&[
        ("Firefox/", "Firefox"),
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ]);
    let system = first(&[
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    ]);
    match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        _ => "an unknown browser".to_owned(),
    }
}
