//! Clients hear that a session is over (OpenID Connect Back-Channel Logout 1.0).

#[path = "back_channel/delivery.rs"]
mod delivery;
#[path = "back_channel/ends.rs"]
mod ends;
#[path = "back_channel/leaving.rs"]
mod leaving;
#[path = "back_channel/sessions.rs"]
mod sessions;
#[path = "back_channel/token.rs"]
mod token;

use flybridge::domain::ids::UserId;
use flybridge::domain::whereabouts::Whereabouts;
use flybridge::store::keys;

use crate::support::app::{Options, TestApp};
use crate::support::back_channel::Receiver;
use crate::support::browser_client::Browser;
use crate::support::relying_party::{Rp, Tokens};

/// A client of this id that hears of sign-outs at `url`.
fn client(id: &str, url: &str, algorithm: &str) -> String {
    format!(
        r#"
[[clients]]
id = "{id}"
name = "Grafana"
algorithm = "{algorithm}"
secret = "the secret of {id}"
redirect_uris = ["https://rp.test/cb"]
post_logout_redirect_uris = ["https://rp.test/signed-out"]
backchannel_logout_uri = "{url}"
"#
    )
}

/// A program with two clients that hear of sign-outs, each at a place of its own.
struct Two {
    app: TestApp,
    /// Where `told-rs256` hears.
    rs: Receiver,
    /// Where `told-es256` hears.
    es: Receiver,
}

impl Two {
    async fn new() -> Self {
        let (rs, es) = (Receiver::start().await, Receiver::start().await);
        let config = client("told-rs256", &rs.url, "RS256") + &client("told-es256", &es.url, "ES256");
        let app = TestApp::with(Options { config, ..Options::default() }).await;
        Self { app, rs, es }
    }

    fn rs256(&self) -> Rp {
        Rp::new(&self.app, "told-rs256")
    }

    fn es256(&self) -> Rp {
        Rp::new(&self.app, "told-es256")
    }

    /// Somebody signs in through Fly.io at `told-rs256`, in a browser of its own; also the session as the client knows it.
    async fn signed_in(&self, who: &str) -> (Browser, Tokens, String) {
        let mut browser = self.app.browser();
        let tokens = self.rs256().tokens(&mut browser, who).await;
        let sid = sid(&tokens);
        (browser, tokens, sid)
    }

    async fn whereabouts(&self, who: &str) -> Option<Whereabouts> {
        let id = self.app.user(who).await.id;
        self.app.store.read(&keys::whereabouts(&id)).await.unwrap().map(|entry| entry.value)
    }

    async fn id(&self, who: &str) -> UserId {
        self.app.user(who).await.id
    }
}

fn sid(tokens: &Tokens) -> String {
    tokens.claims()["sid"].as_str().expect("a sid").to_owned()
}

/// Tokens at `client` for somebody who is signed in.
async fn at_once(client: &Rp, browser: &mut Browser) -> Tokens {
    let code = browser.get(&client.authorize()).await.sent_back()["code"].clone();
    Tokens::of(&client.redeem(&code).await)
}

async fn sign_out(browser: &mut Browser) {
    browser.get("/sign-out").await;
    assert_eq!(browser.post_form("/sign-out", &[("answer", "yes")]).await.location(), "/signed-out");
}
