//! What is read of the parameters, and what is not.

use super::ClaimName::{Acr, AuthTime, Email, EmailVerified, Name, Organizations};
use super::*;

fn claims(userinfo: &[ClaimName], id_token: &[ClaimName]) -> RequestedClaims {
    let set = |names: &[ClaimName]| names.iter().copied().collect();
    RequestedClaims { userinfo: set(userinfo), id_token: set(id_token) }
}

const ISSUER: &str = "https://login.test";

fn read(text: &str) -> (RequestedClaims, Demands) {
    super::read(Some(text), None, ISSUER)
}

fn nothing() -> (RequestedClaims, Demands) {
    (RequestedClaims::default(), Demands::default())
}

#[test]
fn the_example_of_the_specification() {
    let text = r#"{
        "userinfo": {
            "given_name": {"essential": true}, "nickname": null, "email": {"essential": true},
            "email_verified": {"essential": true}, "picture": null, "http://example.info/claims/groups": null
        },
        "id_token": {
            "auth_time": {"essential": true}, "acr": {"values": ["urn:mace:incommon:iap:silver"]}
        }
    }"#;
    assert_eq!(read(text), (claims(&[Email, EmailVerified], &[AuthTime, Acr]), Demands::default()));
}

#[test]
fn every_known_name_counts_where_it_may_stand() {
    let all = r#"{
        "name": null, "email": {}, "email_verified": {"value": true}, "organizations": {"x": 1},
        "auth_time": null, "acr": {}
    }"#;
    let person = [Name, Email, EmailVerified, Organizations];
    let told = [Name, Email, EmailVerified, Organizations, AuthTime, Acr];
    let text = format!(r#"{{"userinfo":{all},"id_token":{all},"elsewhere":{all}}}"#);
    assert_eq!(read(&text).0, claims(&person, &told), "userinfo is not about the sign-in");
    assert_eq!(read(&format!(r#"{{"userinfo":{all}}}"#)).0, claims(&person, &[]));
    assert_eq!(read(&format!(r#"{{"id_token":{all}}}"#)).0, claims(&[], &told));
}

#[test]
fn what_cannot_be_read_is_as_if_not_sent() {
    let deep = "[".repeat(2_000);
    let texts = [
        "",
        "name email",
        "null",
        "7",
        "[]",
        r#"["userinfo"]"#,
        r#""userinfo""#,
        "{",
        &deep,
        r#"{"userinfo":{"name":null}"#,
        r#"{"userinfo":{"name":null}} x"#,
        "{}",
        r#"{"userinfo":null,"id_token":null}"#,
        r#"{"userinfo":["name"],"id_token":"email"}"#,
        r#"{"userinfo":{},"id_token":{}}"#,
        r#"{"userinfo":{"name":true,"email":"","email_verified":1,"organizations":[]}}"#,
        r#"{"userinfo":{"Name":null,"name#de":null,"phone_number":{"essential":true}}}"#,
        r#"{"userinfo":{"sub":{"value":"u1"}}}"#,
    ];
    for text in texts {
        assert_eq!(read(text), nothing(), "{text}");
    }
}

#[test]
fn one_member_of_another_shape_leaves_the_others_as_they_are() {
    let text = r#"{"userinfo":7,"id_token":{"name":"x","email":null,"sub":"u1"}}"#;
    assert_eq!(read(text), (claims(&[], &[Email]), Demands::default()));
}

#[test]
fn a_text_may_have_4_kib_and_not_a_byte_more() {
    let asked = r#"{"userinfo":{"name":null}}"#;
    let padded = |length: usize| format!("{asked}{}", " ".repeat(length - asked.len()));
    assert_eq!(read(&padded(4_096)).0, claims(&[Name], &[]));
    assert_eq!(read(&padded(4_097)), nothing());
}

#[test]
fn a_subject_with_a_value_is_the_only_person_wanted() {
    let sub = |value: &str| read(&format!(r#"{{"id_token":{{"sub":{value}}}}}"#)).1.sub;
    assert_eq!(sub(r#"{"value":"u1"}"#), "u1".parse().ok());
    assert_eq!(sub(r#"{"essential":true,"value":"u1"}"#), "u1".parse().ok());
    for foreign in ["248289761001@example.com", "", &"x".repeat(300)] {
        assert_eq!(sub(&format!(r#"{{"value":"{foreign}"}}"#)), "nobody".parse().ok(), "{foreign}");
    }
    for none in ["null", "{}", r#"{"essential":true}"#, r#"{"value":7}"#, r#"{"value":null}"#, r#"["u1"]"#] {
        assert_eq!(sub(none), None, "{none}");
    }
}

#[test]
fn acr_values_ask_for_the_acr_and_demand_nothing() {
    let told = |acr_values| super::read(None, acr_values, ISSUER);
    for text in ["https://login.test/acr/fly", "urn:mace:incommon:iap:silver 1", "phr", "\u{0}"] {
        assert_eq!(told(Some(text)), (claims(&[], &[Acr]), Demands::default()), "{text}");
    }
    assert_eq!(told(Some(" ")), nothing());
    assert_eq!(told(None), nothing());
    let both = super::read(Some(r#"{"id_token":{"name":null}}"#), Some("phr"), ISSUER);
    assert_eq!(both.0, claims(&[], &[Name, Acr]));
}

#[test]
fn an_acr_is_demanded_only_as_essential_with_a_value() {
    let demanded = |asked: &str| {
        let (claims, demands) = read(&format!(r#"{{"id_token":{{"acr":{asked}}}}}"#).replace('@', ISSUER));
        assert!(claims.id_token.contains(&Acr), "{asked}");
        demands.methods
    };
    let voluntary = [
        "null",
        "{}",
        r#"{"value":"@/acr/fly"}"#,
        r#"{"essential":false,"values":["@/acr/fly"]}"#,
        r#"{"essential":"true","value":"@/acr/fly"}"#,
        r#"{"essential":true}"#,
        r#"{"essential":true,"value":1}"#,
        r#"{"essential":true,"values":[]}"#,
        r#"{"essential":true,"values":"@/acr/fly"}"#,
    ];
    for asked in voluntary {
        assert_eq!(demanded(asked), None, "{asked}");
    }
    let (fly, password) = (LoginMethod::Fly, LoginMethod::Password);
    let essential = [
        (r#"{"essential":true,"value":"@/acr/fly"}"#, vec![fly]),
        (r#"{"essential":true,"value":"@/acr/password"}"#, vec![password]),
        (r#"{"essential":true,"values":["@/acr/password","@/acr/fly","@/acr/fly",7]}"#, vec![fly, password]),
        (r#"{"essential":true,"values":["phr","@/acr/password"]}"#, vec![password]),
        (r#"{"essential":true,"value":"@/acr/fly","values":["phr"]}"#, vec![fly]),
        (r#"{"essential":true,"value":"phr"}"#, vec![]),
        (r#"{"essential":true,"value":""}"#, vec![]),
        (r#"{"essential":true,"value":"@/acr/fly/"}"#, vec![]),
        (r#"{"essential":true,"value":"https://elsewhere.test/acr/fly"}"#, vec![]),
    ];
    for (asked, expected) in essential {
        assert_eq!(demanded(asked), Some(expected), "{asked}");
    }
}

#[test]
fn demands_accept_a_way_or_name_another_or_can_not_be_met() {
    let (fly, password) = (LoginMethod::Fly, LoginMethod::Password);
    let cases = [
        (None, [true, true], [None, None]),
        (Some(vec![fly, password]), [true, true], [None, None]),
        (Some(vec![fly]), [true, false], [None, Some(fly)]),
        (Some(vec![password]), [false, true], [Some(password), None]),
        (Some(vec![]), [false, false], [None, None]),
    ];
    for (methods, accepted, instead) in cases {
        let demands = Demands { sub: None, methods };
        assert_eq!(LoginMethod::ALL.map(|method| demands.accept(method)), accepted, "{demands:?}");
        assert_eq!(LoginMethod::ALL.map(|method| demands.instead_of(method)), instead, "{demands:?}");
    }
}

#[test]
fn the_records_are_small_and_older_ones_read_as_none() {
    let (claims, demands) = read(r#"{"userinfo":{"email_verified":null},"id_token":{"sub":{"value":"u1"}}}"#);
    assert_eq!(serde_json::to_string(&claims).expect("JSON"), r#"{"userinfo":["email_verified"]}"#);
    assert_eq!(serde_json::to_string(&demands).expect("JSON"), r#"{"sub":"u1"}"#);
    let hopeless = Demands { sub: None, methods: Some(vec![]) };
    let text = serde_json::to_string(&hopeless).expect("JSON");
    assert_eq!(serde_json::from_str::<Demands>(&text).expect("a record"), hopeless, "nothing is not no demand");
    assert_eq!(serde_json::from_str::<RequestedClaims>("{}").expect("a record"), RequestedClaims::default());
    assert_eq!(serde_json::from_str::<Demands>("{}").expect("a record"), Demands::default());
}
