//! What is good once, on every backend: requests that were handed over, assertions, and proofs of a key.

use std::sync::Arc;
use std::time::Duration;

use flybridge::domain::assertion::{Assertion, AssertionRefused};
use flybridge::domain::authorize::AuthorizationRequest;
use flybridge::domain::client::Client;
use flybridge::domain::dpop::{Asked, ProofRefused};
use flybridge::domain::parameters::Parameters;
use flybridge::domain::pushed::{LIFETIME, PushedRequest};
use flybridge::random::SystemRandom;
use flybridge::services::client_assertions::ClientAssertions;
use flybridge::services::dpop_proofs::DpopProofs;
use flybridge::services::pushed::PushedRequests;
use futures_util::future::join_all;
use serde_json::json;

use crate::clients::settings;
use crate::store::{Bench, on_every_backend};
use crate::support::client_key::{ClientKey, set};

const ISSUER: &str = "https://login.test";

fn request(client: &Client) -> PushedRequest {
    let sent = Parameters::parse("response_type=code&scope=openid&nonce=n");
    PushedRequest {
        client: client.id.clone(),
        registration: None,
        redirect_uri: client.redirect_uris[0].clone(),
        state: Some("a:b".to_owned()),
        request: AuthorizationRequest::check(&sent, client, ISSUER).unwrap(),
        hinted: None,
    }
}

on_every_backend! {
    of_those_who_take_a_request_at_once_one_gets_it,
    a_request_is_nobody_elses_and_lives_its_time,
    of_those_who_use_an_assertion_at_once_one_proves_anything,
    of_those_who_show_a_proof_at_several_nodes_one_has_the_key,
}

async fn of_those_who_take_a_request_at_once_one_gets_it(bench: Bench) {
    let client = settings("grafana", &[("require_pkce", "false")]);
    let (requests, request) = (PushedRequests::new(bench.store.clone()), request(&client));
    for _ in 0..10 {
        let uri = requests.keep(&request).await.unwrap();
        let taken = join_all((0..6).map(|_| requests.take(&uri, &client))).await;
        let taken: Vec<_> = taken.into_iter().filter_map(Result::unwrap).collect();
        assert_eq!(taken, std::slice::from_ref(&request));
        assert_eq!(requests.take(&uri, &client).await.unwrap(), None);
    }
}

async fn a_request_is_nobody_elses_and_lives_its_time(bench: Bench) {
    let client = settings("grafana", &[("require_pkce", "false")]);
    let other = settings("other", &[]);
    let requests = PushedRequests::new(bench.store.clone());
    let [early, late] =
        [requests.keep(&request(&client)).await.unwrap(), requests.keep(&request(&client)).await.unwrap()];
    assert_ne!(early, late);
    assert_eq!(requests.take(&early, &other).await.unwrap(), None);
    assert_eq!(requests.take(&format!("{early}x"), &client).await.unwrap(), None);
    assert!(requests.take(&early, &client).await.unwrap().is_some());
    bench.advance(LIFETIME);
    assert_eq!(requests.take(&late, &client).await.unwrap(), None);
}

async fn of_those_who_use_an_assertion_at_once_one_proves_anything(bench: Bench) {
    let key = ClientKey::p256("1");
    let client = |id: &str| settings(id, &[("token_auth", "private_key_jwt"), ("jwks", &set(&[&key]))]);
    let (grafana, twin) = (client("grafana"), client("twin"));
    let assertions = ClientAssertions::new(bench.store.clone());
    let sign = |id: &str| {
        let exp = bench.store.now().as_seconds() + 60;
        let claims = json!({"iss": id, "sub": id, "aud": ISSUER, "exp": exp, "jti": "the same"});
        key.sign(&json!({"alg": "ES256"}), &claims)
    };
    let (first, second) = (sign("grafana"), sign("twin"));
    let (first, second) = (Assertion::parse(&first).unwrap(), Assertion::parse(&second).unwrap());
    let checked = join_all((0..6).map(|_| assertions.check(&grafana, &first, &[ISSUER]))).await;
    let (good, bad): (Vec<_>, Vec<_>) = checked.into_iter().map(Result::unwrap).partition(Result::is_ok);
    assert_eq!((good.len(), bad), (1, vec![Err(AssertionRefused::Used); 5]));
    // Another client's names are its own.
    assert_eq!(assertions.check(&grafana, &second, &[ISSUER]).await.unwrap(), Err(AssertionRefused::Client));
    assert_eq!(assertions.check(&twin, &second, &[ISSUER]).await.unwrap(), Ok(()));
}

async fn of_those_who_show_a_proof_at_several_nodes_one_has_the_key(bench: Bench) {
    const TOKEN: &str = "https://login.test/oauth/token";
    let (key, twin) = (ClientKey::p256("1"), ClientKey::p256("1"));
    let nodes = [0, 1, 2].map(|_| DpopProofs::new(bench.node(Arc::new(SystemRandom::default()))));
    let sign = |key: &ClientKey, name: &str| {
        let claims = json!({"jti": name, "htm": "POST", "htu": TOKEN, "iat": bench.store.now().as_seconds()});
        key.sign(&json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": key.jwk()}), &claims)
    };
    let asked = Asked { method: "POST", address: TOKEN, token: None };
    for name in ["one", "two", "three"] {
        let proof = sign(&key, name);
        let checked = join_all((0..6).map(|number| nodes[number % 3].check(&proof, &asked))).await;
        let (good, bad): (Vec<_>, Vec<_>) = checked.into_iter().map(Result::unwrap).partition(Result::is_ok);
        assert_eq!((good.len(), bad), (1, vec![Err(ProofRefused::Used); 5]));
        // Another key's names are its own.
        let other = nodes[0].check(&sign(&twin, name), &asked).await.unwrap().unwrap();
        assert_ne!(other.key(), good[0].unwrap().key());
    }
    bench.advance(Duration::from_mins(1));
    assert_eq!(nodes[1].check(&sign(&key, "one"), &asked).await.unwrap().map(|_| ()), Ok(()), "it is forgotten");
}
