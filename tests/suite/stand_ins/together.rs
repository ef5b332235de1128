//! Both stand-ins as servers on loopback: Sentry signs in at Fly.io directly, as it did before there was a bridge.

use std::sync::Arc;

use flybridge::clock::SystemClock;
use flybridge::demo::fly::{Application, FlyStandIn, Settings};
use flybridge::demo::sentry::SentryStandIn;
use flybridge::demo::serve_on;
use flybridge::demo::world::{SALTMARSH, World};
use flybridge::random::SystemRandom;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::{install_crypto, sentry_support};

#[tokio::test]
async fn sentry_signs_in_at_fly_over_http() {
    install_crypto();
    let fly_port = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sentry_port = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let fly_url = format!("http://{}", fly_port.local_addr().unwrap());
    let sentry_url = format!("http://{}", sentry_port.local_addr().unwrap());

    let settings = sentry_support::settings(&fly_url);
    let settings = flybridge::demo::sentry::Settings { base_url: sentry_url.clone(), ..settings };
    let sentry = SentryStandIn::new(settings, Arc::new(SystemClock), Arc::new(SystemRandom::default())).unwrap();
    let application = Application {
        client_id: "sentry-fly".to_owned(),
        client_secret: "fly-secret".to_owned(),
        redirect_uris: vec![sentry.redirect_uri()],
    };
    let settings = Settings { applications: vec![application], ..Settings::default() };
    let clock = Arc::new(SystemClock);
    let fly = FlyStandIn::new(settings, World::demo(), clock, Arc::new(SystemRandom::default()));

    let (stop, _) = watch::channel(false);
    let stopped = || {
        let mut stop = stop.subscribe();
        async move {
            let _ = stop.wait_for(|stop| *stop).await;
        }
    };
    let serving_fly = tokio::spawn(serve_on(fly_port, fly.router(), stopped()));
    let serving_sentry = tokio::spawn(serve_on(sentry_port, sentry.router(), stopped()));

    let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let login = http.get(format!("{sentry_url}/login")).send().await.unwrap();
    let cookie = header(&login, "set-cookie").split(';').next().unwrap().to_owned();
    let consent: url::Url = header(&login, "location").parse().unwrap();
    let mut fields: Vec<(String, String)> = consent.query_pairs().into_owned().collect();
    fields.extend([("user", "ines"), ("approve", "1")].map(|(name, value)| (name.to_owned(), value.to_owned())));
    let approved = http.post(format!("{fly_url}/oauth/authorize")).form(&fields).send().await.unwrap();
    let arrived = http.get(header(&approved, "location")).header("cookie", &cookie).send().await.unwrap();
    let cookie = header(&arrived, "set-cookie").split(';').next().unwrap().to_owned();
    let home = http.get(&sentry_url).header("cookie", cookie).send().await.unwrap().text().await.unwrap();
    assert!(home.contains("data-user-id=\"9f2c41d07be84a35\""), "{home}");
    assert!(home.contains(&format!("data-organizations=\"{SALTMARSH}\"")));
    assert!(home.contains("/organizations/saltmarsh-labs/auth"));

    drop(http);
    stop.send_replace(true);
    serving_fly.await.unwrap().unwrap();
    serving_sentry.await.unwrap().unwrap();
}

fn header(response: &reqwest::Response, name: &str) -> String {
    let value = response.headers().get(name).unwrap_or_else(|| panic!("{} without {name}", response.status()));
    value.to_str().unwrap().to_owned()
}
