use super::*;
use crate::domain::requested_claims;

use Permission::{Email, FlyId, Identity, Name, Organizations, WhileAway};

const NOW: Timestamp = Timestamp::from_seconds(1_000);
const LATER: Timestamp = Timestamp::from_seconds(2_000);

fn client(first_party: bool, registration: Option<&str>) -> Client {
    let written = serde_json::json!({
        "id": "grafana",
        "name": "Grafana",
        "redirect_uris": [],
        "post_logout_redirect_uris": [],
        "home": null,
        "token_auth": "client_secret_basic",
        "algorithm": "RS256",
        "require_pkce": true,
        "require_openid": true,
        "claims_in_id_token": false,
        "always_refresh_token": false,
        "denials_on_own_page": false,
        "subject": "user_id",
        "first_party": first_party,
    });
    let registration = registration.map(|id| id.parse().expect("an id"));
    Client { registration, ..serde_json::from_value(written).expect("settings") }
}

fn id(text: &str) -> ConsentId {
    text.parse().expect("an id")
}

fn set(permissions: &[Permission]) -> BTreeSet<Permission> {
    permissions.iter().copied().collect()
}

fn consent(registration: Option<&str>, allowed: &[Permission]) -> Consent {
    Consent::given(&client(false, registration), &set(allowed), None, id("c1"), NOW)
}

/// The whole truth table: whose client x what was allowed, and to which registration x what is asked x asked again.
#[test]
fn truth_table_of_the_question() {
    let less = set(&[Identity]);
    let more = set(&[Identity, Email]);
    for first_party in [true, false] {
        // Now: configured, or registered by the act r2.
        for registration in [None, Some("r2")] {
            let client = client(first_party, registration);
            for before in [None, Some(None), Some(Some("r1")), Some(Some("r2"))] {
                for allowed in [&less, &more] {
                    let before = before.map(|then| consent(then, &allowed.iter().copied().collect::<Vec<_>>()));
                    for asked in [&less, &more] {
                        for again in [false, true] {
                            // Whoever is configured has taken over what its id was given.
                            let same = registration.is_none()
                                || before.as_ref().is_some_and(|b| b.registration == client.registration);
                            let expected = match (first_party, &before, again) {
                                (true, ..) => Decision::NotNeeded,
                                (false, Some(_), false) if same && asked.is_subset(allowed) => Decision::Given,
                                (false, ..) => Decision::Ask,
                            };
                            let found = decide(&client, asked, before.as_ref(), again);
                            assert_eq!(
                                found, expected,
                                "{first_party} {registration:?} {before:?} {asked:?} {again}"
                            );
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn truth_table_of_a_grant() {
    let kept = consent(None, &[Identity]);
    let (less, more) = (set(&[Identity]), set(&[Identity, FlyId]));
    for (first_party, named, kept, asked, expected) in [
        (true, None, None, &less, true),
        (true, None, Some(&kept), &more, true),
        (false, None, None, &less, false),
        (false, None, Some(&kept), &less, false),
        (false, Some("c1"), Some(&kept), &less, true),
        (false, Some("c0"), Some(&kept), &less, false),
        (false, Some("c1"), None, &less, false),
        // Its settings have changed, and it would learn what nobody was asked about.
        (false, Some("c1"), Some(&kept), &more, false),
        (true, Some("c1"), Some(&kept), &more, true),
        // What was taken back stays dead when the operator makes the client their own.
        (true, Some("c1"), Some(&kept), &less, true),
        (true, Some("c0"), Some(&kept), &less, false),
        (true, Some("c1"), None, &less, false),
    ] {
        let named = named.map(id);
        let found = stands(&client(first_party, None), named.as_ref(), kept, asked);
        assert_eq!(found, expected, "{first_party} {named:?} {} {asked:?}", kept.is_some());
    }
}

#[test]
fn what_is_asked_is_the_same_by_scope_and_by_claim() {
    let plain = client(false, None);
    let by = |client: &Client, scope: &str, claims: &str| {
        asked(client, &Scope::from(scope), &requested_claims::read(Some(claims), None, "").0)
    };
    for (scope, claims, expected) in [
        ("openid", "", vec![Identity]),
        ("openid profile", "", vec![Identity, Name]),
        ("openid", r#"{"userinfo":{"name":null}}"#, vec![Identity, Name]),
        ("openid", r#"{"id_token":{"name":null}}"#, vec![Identity, Name]),
        ("openid email", "", vec![Identity, Email]),
        ("openid", r#"{"id_token":{"email_verified":null}}"#, vec![Identity, Email]),
        ("openid organizations", "", vec![Identity, Organizations]),
        ("openid", r#"{"userinfo":{"organizations":null,"email":null}}"#, vec![Identity, Email, Organizations]),
        ("openid offline_access", "", vec![Identity, WhileAway]),
        ("openid", r#"{"id_token":{"acr":null,"auth_time":null}}"#, vec![Identity]),
        ("read", "", vec![Identity, Name, Email, Organizations]),
    ] {
        assert_eq!(by(&plain, scope, claims), set(&expected), "{scope} {claims}");
    }
    let fly = Client { subject: Subject::FlyUserId, always_refresh_token: true, ..plain };
    assert_eq!(by(&fly, "openid", ""), set(&[Identity, WhileAway]), "no id_token and no userinfo has it");
    assert_eq!(by(&fly, "read", ""), set(&[Identity, FlyId, Name, Email, Organizations, WhileAway]));
}

#[test]
fn more_that_is_allowed_adds_to_the_same_consent() {
    let first = consent(Some("r1"), &[Identity, Email]);
    let same = client(false, Some("r1"));
    let more = Consent::given(&same, &set(&[Identity, Name]), Some(&first), id("c2"), LATER);
    assert_eq!((&more.id, more.given_at), (&id("c1"), NOW), "its grants live on");
    assert_eq!(more.allowed, set(&[Identity, Name, Email]));
    assert_eq!(Consent::given(&same, &set(&[Email]), Some(&more), id("c2"), LATER), more, "nothing new");
}

#[test]
fn what_was_allowed_to_another_of_the_same_id_is_nothing_to_build_on() {
    let first = consent(Some("r1"), &[Identity, Email]);
    let other = Client { name: "Another".to_owned(), ..client(false, Some("r2")) };
    let new = Consent::given(&other, &set(&[Identity]), Some(&first), id("c2"), LATER);
    assert_eq!((new.id, new.given_at, new.allowed), (id("c2"), LATER, set(&[Identity])));
    assert_eq!((new.name.as_str(), new.registration), ("Another", other.registration));
}

#[test]
fn what_is_kept_reads_back() {
    for registration in [None, Some("r1")] {
        let kept = consent(registration, &[Identity, FlyId, Name, Email, Organizations, WhileAway]);
        let json = serde_json::to_string(&kept).expect("JSON");
        assert_eq!(serde_json::from_str::<Consent>(&json).expect("a consent"), kept);
    }
}
