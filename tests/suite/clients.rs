//! Registered clients in the store, and the nodes that hold them ready.

use std::time::Duration;

use flybridge::clock::Timestamp;
use flybridge::config::{SETTINGS, client_from_options};
use flybridge::domain::client::Client;
use flybridge::domain::ids::ClientId;
use flybridge::domain::organization::Actor;
use flybridge::domain::registration::ClientChange;
use flybridge::services::clients::{Clients, RegistrationError, Registrations};
use flybridge::store::{MAX_SCAN, Outcome, Store, keys};
use serde_json::{Value, json};

use crate::store::{Bench, on_every_backend};
use crate::support::cut_off::CutOff;

/// What an operator types, as the command reads it.
pub(crate) fn settings(id: &str, more: &[(&str, &str)]) -> Client {
    let usual = [("name", "Grafana"), ("redirect_uris", "https://rp.test/cb")];
    let given = |key: &str| more.iter().chain(&usual).find(|(known, _)| *known == key).map(|(_, value)| *value);
    let options = SETTINGS.iter().filter_map(|setting| Some((*setting, vec![given(setting.key)?.to_owned()])));
    client_from_options(id, options).unwrap()
}

pub(crate) fn operator() -> Actor {
    Actor { user: None, name: "an operator".to_owned() }
}

fn id(text: &str) -> ClientId {
    text.parse().unwrap()
}

/// Registers a client; its secret.
async fn add(store: &Store, id: &str) -> String {
    let added = Registrations::new(store.clone()).add(settings(id, &[]), &operator()).await.unwrap();
    added.1.unwrap().expose().clone()
}

async fn node(store: &Store) -> Clients {
    Clients::open(store.clone(), &[]).await.unwrap()
}

on_every_backend! {
    a_node_knows_a_client_from_its_start_or_its_next_look_until_the_one_after_it_is_gone,
    of_those_who_register_one_id_at_once_one_gets_it,
    secrets_rotated_at_the_same_moment_are_all_good,
    settings_are_changed_as_they_were_seen_or_not_at_all,
    what_was_changed_is_told_with_what_it_was_before,
    a_replaced_secret_ends_by_the_clock_without_another_look,
    what_became_of_a_client_is_told_latest_first,
    more_clients_than_one_answer_of_the_store_holds,
    a_client_that_does_not_read_stands_in_nobodys_way,
}

async fn a_node_knows_a_client_from_its_start_or_its_next_look_until_the_one_after_it_is_gone(bench: Bench) {
    let store = &bench.store;
    let early = node(store).await;
    let secret = add(store, "grafana").await;
    let late = node(store).await;
    assert!(early.get("grafana").is_none(), "it has not looked yet");
    early.refresh().await.unwrap();
    for clients in [&early, &late] {
        let client = clients.get("grafana").unwrap();
        assert_eq!((client.name.as_str(), client.knows(&secret, clients.now())), ("Grafana", true));
        assert_eq!(clients.count(), (0, 1));
    }
    Registrations::new(store.clone()).remove(&id("grafana"), &operator()).await.unwrap();
    early.refresh().await.unwrap();
    assert!(early.get("grafana").is_none());
    assert!(late.get("grafana").is_some(), "it has not looked yet");
    late.refresh().await.unwrap();
    assert!(late.get("grafana").is_none());
}

async fn of_those_who_register_one_id_at_once_one_gets_it(bench: Bench) {
    let registrations = Registrations::new(bench.store.clone());
    let by = operator();
    let names = ["One", "Two", "Three"];
    let [one, two, three] = names.map(|name| registrations.add(settings("grafana", &[("name", name)]), &by));
    let (one, two, three) = tokio::join!(one, two, three);
    let mut winners = Vec::new();
    for (name, outcome) in names.into_iter().zip([one, two, three]) {
        match outcome {
            Ok((registration, _)) => winners.push((name, registration)),
            Err(error) => assert!(matches!(error, RegistrationError::Exists(_)), "{error}"),
        }
    }
    assert_eq!(winners.len(), 1);
    let (name, registration) = &winners[0];
    assert_eq!(&registration.settings.name, name);
    assert_eq!(registrations.list().await.unwrap().0, std::slice::from_ref(registration));
    assert_eq!(registrations.history(&id("grafana")).await.unwrap().len(), 1, "only what happened is told");
}

async fn secrets_rotated_at_the_same_moment_are_all_good(bench: Bench) {
    let first = add(&bench.store, "grafana").await;
    let registrations = Registrations::new(bench.store.clone());
    let (client, by, hour) = (id("grafana"), operator(), Duration::from_hours(1));
    let (a, b) = tokio::join!(
        registrations.rotate_secret(&client, hour, &by),
        registrations.rotate_secret(&client, hour, &by),
    );
    let [a, b] = [a, b].map(|rotated| rotated.unwrap().1.expose().clone());
    let clients = node(&bench.store).await;
    let held = clients.get("grafana").unwrap();
    for secret in [&first, &a, &b] {
        assert!(held.knows(secret, clients.now()));
    }
    assert_eq!(held.secrets.len(), 3);
}

async fn settings_are_changed_as_they_were_seen_or_not_at_all(bench: Bench) {
    let secret = add(&bench.store, "grafana").await;
    let registrations = Registrations::new(bench.store.clone());
    let (client, by) = (id("grafana"), operator());
    let seen = registrations.find(&client).await.unwrap().unwrap();
    let named = |name: &'static str| settings("grafana", &[("name", name)]);
    let (one, two) =
        tokio::join!(registrations.change(&seen, named("One"), &by), registrations.change(&seen, named("Two"), &by),);
    let winner = match (&one, &two) {
        (Ok(won), Err(RegistrationError::ChangedMeanwhile(_)))
        | (Err(RegistrationError::ChangedMeanwhile(_)), Ok(won)) => &won.0,
        _ => panic!("{:?} and {:?}", one.is_ok(), two.is_ok()),
    };
    let kept = registrations.find(&client).await.unwrap().unwrap();
    assert_eq!(&kept.value, winner);
    assert_eq!(kept.value.id, seen.value.id, "it is the same registration");
    assert!(kept.value.client().knows(&secret, bench.store.now()));
    assert_eq!(registrations.history(&client).await.unwrap().len(), 2, "only what happened is told");

    // Another change than one of settings, and one that is gone.
    registrations.rotate_secret(&client, Duration::ZERO, &by).await.unwrap();
    let meanwhile = |error: RegistrationError| matches!(error, RegistrationError::ChangedMeanwhile(_));
    assert!(registrations.change(&kept, named("Three"), &by).await.is_err_and(meanwhile));
    let kept = registrations.find(&client).await.unwrap().unwrap();
    registrations.remove(&client, &by).await.unwrap();
    assert!(registrations.change(&kept, named("Three"), &by).await.is_err_and(meanwhile));
    add(&bench.store, "grafana").await;
    assert!(registrations.change(&kept, named("Three"), &by).await.is_err_and(meanwhile), "that is another one");
}

async fn what_was_changed_is_told_with_what_it_was_before(bench: Bench) {
    add(&bench.store, "grafana").await;
    let nodes = [node(&bench.store).await, node(&bench.store).await];
    let registrations = Registrations::new(bench.store.clone());
    let seen = registrations.find(&id("grafana")).await.unwrap().unwrap();
    bench.advance(Duration::from_secs(1));
    let after = settings("grafana", &[("home", "https://rp.test/"), ("require_pkce", "false")]);
    registrations.change(&seen, after, &operator()).await.unwrap();
    let history = registrations.history(&id("grafana")).await.unwrap();
    let told: Vec<(&str, Value, Value)> =
        history[0].settings.iter().map(|c| (c.setting.as_str(), c.before.clone(), c.after.clone())).collect();
    let home = ("home", Value::Null, json!("https://rp.test/"));
    assert_eq!(told, [home, ("require_pkce", json!(true), json!(false))]);
    assert_eq!((history[0].what, history[1].what), (ClientChange::Changed, ClientChange::Added));
    assert_eq!(history[1].settings, []);
    for node in &nodes {
        assert!(node.get("grafana").unwrap().require_pkce, "it has not looked yet");
        node.refresh().await.unwrap();
        assert!(!node.get("grafana").unwrap().require_pkce);
    }
}

async fn a_replaced_secret_ends_by_the_clock_without_another_look(bench: Bench) {
    let old = add(&bench.store, "grafana").await;
    let registrations = Registrations::new(bench.store.clone());
    let hour = Duration::from_hours(1);
    let new = registrations.rotate_secret(&id("grafana"), hour, &operator()).await.unwrap().1.expose().clone();
    let clients = node(&bench.store).await;
    let held = clients.get("grafana").unwrap();
    bench.advance(hour.saturating_sub(Duration::from_millis(1)));
    assert!(held.knows(&old, clients.now()) && held.knows(&new, clients.now()));
    bench.advance(Duration::from_millis(1));
    assert!(!held.knows(&old, clients.now()) && held.knows(&new, clients.now()));
}

async fn what_became_of_a_client_is_told_latest_first(bench: Bench) {
    let registrations = Registrations::new(bench.store.clone());
    let (client, by) = (id("grafana"), operator());
    let begun = bench.store.now();
    add(&bench.store, "grafana").await;
    // One whose id begins like it.
    add(&bench.store, "grafana-2").await;
    bench.advance(Duration::from_secs(1));
    registrations.rotate_secret(&client, Duration::ZERO, &by).await.unwrap();
    bench.advance(Duration::from_secs(1));
    registrations.remove(&client, &by).await.unwrap();
    let told = registrations.history(&client).await.unwrap();
    let told: Vec<(Timestamp, ClientChange)> = told.iter().map(|event| (event.at, event.what)).collect();
    let after = |seconds| begun.plus(Duration::from_secs(seconds));
    assert_eq!(
        told,
        [(after(2), ClientChange::Removed), (after(1), ClientChange::SecretRotated), (begun, ClientChange::Added)]
    );
    let unknown = |error: RegistrationError| matches!(error, RegistrationError::Unknown(_));
    assert!(registrations.remove(&client, &by).await.is_err_and(unknown));
    assert!(registrations.rotate_secret(&client, Duration::ZERO, &by).await.is_err_and(unknown));
}

async fn more_clients_than_one_answer_of_the_store_holds(bench: Bench) {
    add(&bench.store, "c0000").await;
    let registrations = Registrations::new(bench.store.clone());
    let mut registration = registrations.find(&id("c0000")).await.unwrap().unwrap().value;
    let mut txn = bench.store.txn(keys::clients().partition);
    for number in 1..=MAX_SCAN {
        registration.settings.id = id(&format!("c{number:04}"));
        txn.put(&keys::client(&registration.settings.id), &registration).unwrap();
    }
    assert_eq!(bench.store.commit(txn).await.unwrap(), Outcome::Committed);
    let clients = node(&bench.store).await;
    assert_eq!(clients.count(), (0, MAX_SCAN + 1));
    assert!(clients.get("c0000").is_some() && clients.get(&format!("c{MAX_SCAN:04}")).is_some());
    assert_eq!(registrations.list().await.unwrap().0.len(), MAX_SCAN + 1);
}

async fn a_client_that_does_not_read_stands_in_nobodys_way(bench: Bench) {
    let clients = node(&bench.store).await;
    add(&bench.store, "grafana").await;
    let key = keys::client(&id("from-the-future")).into_key();
    let mut txn = bench.store.txn(key.partition().clone());
    txn.put_bytes(key, b"\x02{}".to_vec(), None);
    assert_eq!(bench.store.commit(txn).await.unwrap(), Outcome::Committed);
    clients.refresh().await.unwrap();
    assert!(clients.get("grafana").is_some() && clients.get("from-the-future").is_none());
    let registrations = Registrations::new(bench.store.clone());
    let (readable, unreadable) = registrations.list().await.unwrap();
    assert_eq!((readable.len(), unreadable.len()), (1, 1), "an operator is told, and sees the others");
    registrations.remove(&id("from-the-future"), &operator()).await.unwrap();
    assert_eq!(registrations.list().await.unwrap().0.len(), 1);
}

#[tokio::test]
async fn what_is_known_goes_on_while_the_store_cannot_be_read() {
    let bench = Bench::sqlite();
    let secret = add(&bench.store, "grafana").await;
    let cut_off = CutOff::after(&bench.store, "clients/");
    let clients = node(&cut_off).await;
    // The last that is written.
    add(&cut_off, "second").await;
    clients.refresh().await.unwrap_err();
    assert!(clients.get("grafana").unwrap().knows(&secret, clients.now()));
    assert!(clients.get("second").is_none());
    Clients::open(cut_off, &[]).await.err().expect("a start needs the store");
}

#[tokio::test]
async fn a_client_of_the_configuration_counts_instead_of_a_registered_one() {
    let bench = Bench::sqlite();
    let registered = add(&bench.store, "grafana").await;
    add(&bench.store, "another").await;
    let configured = settings("grafana", &[("name", "The configured one")]);
    let clients = Clients::open(bench.store.clone(), std::slice::from_ref(&configured)).await.unwrap();
    for _ in 0..2 {
        let held = clients.get("grafana").unwrap();
        assert_eq!((held.name.as_str(), &held.registration), ("The configured one", &None));
        assert!(!held.knows(&registered, clients.now()));
        assert_eq!(clients.count(), (1, 1));
        clients.refresh().await.unwrap();
    }
}

#[tokio::test]
async fn people_go_home_to_a_configured_client_first() {
    let bench = Bench::sqlite();
    let registrations = Registrations::new(bench.store.clone());
    let aaa = settings("aaa", &[("home", "https://registered.test/")]);
    registrations.add(aaa, &operator()).await.unwrap();
    let home = |clients: &Clients| clients.with_home().map(|client| client.home.as_ref().unwrap().to_string());
    assert_eq!(home(&node(&bench.store).await).as_deref(), Some("https://registered.test/"));
    let configured = [settings("mmm", &[]), settings("zzz", &[("home", "https://configured.test/")])];
    let clients = Clients::open(bench.store.clone(), &configured).await.unwrap();
    assert_eq!(home(&clients).as_deref(), Some("https://configured.test/"));
}
