//! The parameters `claims` and `acr_values` of an authorization request, on a line each.
#![no_main]

use flybridge::domain::organization::LoginMethod;
use flybridge::domain::requested_claims::{Demands, read};
use flybridge_fuzz::{ISSUER, keeps, parts};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|text: &str| {
    let [acr_values, claims] = parts(text);
    let (asked, demands) = read(Some(claims), Some(acr_values), ISSUER);
    keeps(&asked);
    keeps(&demands);

    let json: Value = serde_json::from_str(claims).unwrap_or_default();
    let member = |place: &str, name: &str| json.get(place).and_then(|place| place.get(name)).cloned();
    let may_ask = |value: Option<Value>| value.is_some_and(|value| value.is_null() || value.is_object());
    for name in &asked.userinfo {
        assert!(may_ask(member("userinfo", name.as_str())), "{name:?} of userinfo, which nobody asked for");
    }
    let (plain, _) = read(Some(claims), None, ISSUER);
    for name in &plain.id_token {
        assert!(may_ask(member("id_token", name.as_str())), "{name:?} of the id_token, which nobody asked for");
    }
    assert!(plain.id_token.is_subset(&asked.id_token) && plain.userinfo == asked.userinfo);
    check_demands(&demands, member("id_token", "sub"), member("id_token", "acr"));
});

/// Nothing is demanded that was not, and of two ways of signing in at least one is the way out of a refusal or none.
fn check_demands(demands: &Demands, sub: Option<Value>, acr: Option<Value>) {
    let wanted = sub.as_ref().and_then(|sub| sub.get("value")).and_then(Value::as_str);
    assert!(demands.sub.is_none() || wanted.is_some());
    if let (Some(demanded), Some(wanted)) = (&demands.sub, wanted) {
        assert!(demanded.as_str() == wanted || demanded.as_str() == "nobody");
    }
    let essential = acr.is_some_and(|acr| acr.get("essential") == Some(&Value::Bool(true)));
    assert!(demands.methods.is_none() || essential);
    for method in LoginMethod::ALL {
        let instead = demands.instead_of(method);
        assert!(instead.is_none_or(|instead| !demands.accept(method) && demands.accept(instead)));
    }
}
