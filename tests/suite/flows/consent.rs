//! Clients that are not the operator's own: each person is asked, and can take back what they allowed.

#[path = "consent/asking.rs"]
mod asking;
#[path = "consent/clients.rs"]
mod clients;
#[path = "consent/deciding.rs"]
mod deciding;
#[path = "consent/races.rs"]
mod races;
#[path = "consent/revoking.rs"]
mod revoking;

use flybridge::domain::consent::Consent;
use flybridge::store::keys;

use crate::support::answer::Answer;
use crate::support::app::{Options, TestApp};
use crate::support::back_channel::Receiver;
use crate::support::browser_client::Browser;
use crate::support::relying_party::{Parameters, Rp, Tokens};

/// The scope that asks for least.
const LEAST: &str = "openid";

/// A program with clients that are not the operator's own.
struct Outside {
    app: TestApp,
    /// Where `told` hears of sign-outs.
    heard: Receiver,
}

impl Outside {
    async fn new() -> Self {
        let heard = Receiver::start().await;
        let client = |id: &str, more: &str| {
            format!(
                "\n[[clients]]\nid = \"{id}\"\nname = \"Tideline {id}\"\nfirst_party = false\nsecret = \"the secret of {id}\"\n\
                 redirect_uris = [\"https://rp.test/cb\"]\n{more}\n"
            )
        };
        let told = format!("backchannel_logout_uri = \"{}\"", heard.url);
        let own_page = "denials_on_own_page = true\nhome = \"https://rp.test/home\"\nrequire_openid = false";
        let config = [client("outside", ""), client("own-page", own_page), client("told", &told)].concat();
        let app = TestApp::with(Options { config, ..Options::default() }).await;
        Self { app, heard }
    }

    fn outside(&self) -> Rp {
        Rp::new(&self.app, "outside")
    }

    fn own_page(&self) -> Rp {
        Rp::new(&self.app, "own-page")
    }

    fn told(&self) -> Rp {
        Rp::new(&self.app, "told")
    }

    /// What somebody allows a client.
    async fn kept(&self, who: &str, client: &Rp) -> Option<Consent> {
        let key = keys::consent(&self.app.user(who).await.id, &client.id.parse().unwrap());
        self.app.store.read(&key).await.unwrap().map(|entry| entry.value)
    }

    /// Somebody signs in in a new browser and allows what the client asks for by itself.
    async fn allowed(&self, client: &Rp, who: &str) -> (Browser, Tokens) {
        let mut browser = self.app.browser();
        let tx = asked(&mut browser, &client.request(), who).await;
        let tokens = redeemed(client, &allow(&mut browser, &tx).await).await;
        (browser, tokens)
    }
}

/// Signs somebody in with Fly.io, as far as the question; the transaction.
async fn asked(browser: &mut Browser, request: &Parameters, who: &str) -> String {
    let tx = browser.begin(&request.authorize()).await;
    let page = browser.fly(&tx, who).await;
    assert!(page.status == 200 && page.shows("consent-form"), "{}", page.said());
    tx
}

/// The transaction of somebody who is signed in and asked.
async fn asked_at_once(browser: &mut Browser, request: &Parameters) -> String {
    let location = browser.get(&request.authorize()).await.location();
    location.strip_prefix("/sign-in/consent?tx=").unwrap_or_else(|| panic!("{location}")).to_owned()
}

fn path(tx: &str) -> String {
    format!("/sign-in/consent?tx={tx}")
}

async fn answer(browser: &mut Browser, tx: &str, answer: &str) -> Answer {
    let page = browser.get(&path(tx)).await;
    let told = page.hidden("told").unwrap_or_else(|| panic!("{}", page.said()));
    browser.post_form(&path(tx), &[("told", &told), ("answer", answer)]).await
}

async fn allow(browser: &mut Browser, tx: &str) -> Answer {
    answer(browser, tx, "allow").await
}

/// Tokens for the code that an answer leads back with.
async fn redeemed(client: &Rp, answer: &Answer) -> Tokens {
    let sent = answer.sent_back();
    Tokens::of(&client.redeem(sent.get("code").unwrap_or_else(|| panic!("{sent:?}"))).await)
}

/// Tokens for somebody who is signed in and need not be asked.
async fn at_once(browser: &mut Browser, client: &Rp, request: &Parameters) -> Tokens {
    redeemed(client, &browser.get(&request.authorize()).await).await
}

/// Takes back what the client was allowed.
async fn remove(browser: &mut Browser, client: &Rp) -> Answer {
    browser.get("/account/applications").await;
    browser.post_form("/account/applications", &[("client", client.id)]).await
}
