//! Holds values against the shapes of the description. As much of JSON Schema as the description uses; a word that is not
//! known here fails, so that none is passed over.

use std::sync::LazyLock;

use flybridge::http::api::document::describe;
use serde_json::{Value, json};

use crate::support::app::ISSUER;

pub(super) static DESCRIPTION: LazyLock<Value> = LazyLock::new(|| {
    let text = format!(
        "[server]\nissuer = \"{ISSUER}\"\n[keys]\nmaster = [\"{}\"]\n[fly]\nclient_id = \"x\"\nclient_secret = \"the secret of somebody\"\n[mail]\nfrom = \"login@login.test\"\ntransport = \"file\"\n",
        crate::support::app::MASTER_KEY
    );
    describe(&flybridge::config::Config::from_text(&text, "the test's configuration", []).unwrap().server.issuer)
});

#[track_caller]
pub(super) fn check(value: &Value, schema: &str) {
    check_against(value, &json!({ "$ref": format!("#/components/schemas/{schema}") }));
}

#[track_caller]
pub(super) fn check_problem(value: &Value) {
    check(value, "Problem");
}

#[track_caller]
pub(super) fn check_against(value: &Value, schema: &Value) {
    let wrong = wrong(value, schema, "");
    assert!(wrong.is_empty(), "{wrong:#?}\n{value:#}");
}

/// What does not fit, and where.
pub(super) fn wrong(value: &Value, schema: &Value, place: &str) -> Vec<String> {
    let Some(schema) = schema.as_object() else { return vec![format!("{place}: no schema: {schema}")] };
    let mut found = Vec::new();
    let mut say = |what: String| found.push(format!("{place}: {what}: {value}"));
    let mut deeper = Vec::new();
    for (word, rule) in schema {
        match word.as_str() {
            "description" | "default" | "required" | "additionalProperties" => {}
            "$ref" => {
                let pointer = rule.as_str().unwrap().strip_prefix('#').unwrap();
                let target = DESCRIPTION.pointer(pointer).unwrap_or_else(|| panic!("{pointer} is nowhere"));
                deeper.extend(wrong(value, target, place));
            }
            "properties" => deeper.extend(members(value, schema, rule, place)),
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    deeper.extend(wrong(item, rule, &format!("{place}/{index}")));
                }
            }
            "allOf" => deeper.extend(rule.as_array().unwrap().iter().flat_map(|rule| wrong(value, rule, place))),
            word if !holds(word, rule, value, place) => say(format!("{word} {rule} does not hold")),
            _ => {}
        }
    }
    for name in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
        if value.is_object() && value.get(name.as_str().unwrap()).is_none() {
            say(format!("{name} is missing"));
        }
    }
    found.extend(deeper);
    found
}

/// Whether a rule about the value itself holds.
fn holds(word: &str, rule: &Value, value: &Value, place: &str) -> bool {
    match word {
        "type" => match rule {
            Value::Array(types) => types.iter().any(|name| is_a(value, name.as_str().unwrap())),
            name => is_a(value, name.as_str().unwrap()),
        },
        "enum" => rule.as_array().unwrap().contains(value),
        "anyOf" => rule.as_array().unwrap().iter().any(|rule| wrong(value, rule, place).is_empty()),
        "minimum" => value.as_i64().is_none_or(|n| n >= rule.as_i64().unwrap()),
        "maximum" => value.as_i64().is_none_or(|n| n <= rule.as_i64().unwrap()),
        "maxLength" => value.as_str().is_none_or(|text| text.chars().count() <= length(rule)),
        "pattern" => value.as_str().is_none_or(|text| fits(text, rule.as_str().unwrap())),
        "format" => value.as_str().is_none_or(|text| is_formatted(text, rule.as_str().unwrap())),
        // A word that the check does not know.
        _ => false,
    }
}

fn members(value: &Value, schema: &serde_json::Map<String, Value>, rules: &Value, place: &str) -> Vec<String> {
    let closed = schema.get("additionalProperties") == Some(&json!(false));
    let one = |(name, member): (&String, &Value)| match rules.get(name) {
        Some(rule) => wrong(member, rule, &format!("{place}/{name}")),
        None if closed => vec![format!("{place}: {name} is not described")],
        None => vec![],
    };
    value.as_object().into_iter().flatten().flat_map(one).collect()
}

fn length(rule: &Value) -> usize {
    usize::try_from(rule.as_u64().unwrap()).unwrap()
}

fn is_a(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "null" => value.is_null(),
        other => panic!("the check does not know the type {other}"),
    }
}

fn is_formatted(text: &str, format: &str) -> bool {
    match format {
        "date-time" => text.ends_with('Z') && text.parse::<jiff::Timestamp>().is_ok(),
        "uri" => url::Url::parse(text).is_ok(),
        other => panic!("the check does not know the format {other}"),
    }
}

/// The two patterns that the description has.
fn fits(text: &str, pattern: &str) -> bool {
    match pattern {
        "^[A-Za-z0-9_-]{1,64}$" => flybridge::domain::ids::is_id(text),
        "^[!-~]{1,255}$" => (1..=255).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()),
        other => panic!("the check does not know the pattern {other}"),
    }
}

#[test]
fn the_check_finds_what_does_not_fit() {
    let good = json!({ "organization": "o1", "outcome": "enabled" });
    check(&good, "Enabled");
    for (name, value) in [
        ("outcome", json!("perhaps")),
        ("outcome", json!(1)),
        ("outcome", Value::Null),
        ("organization", json!("not an id")),
        ("other", json!("member")),
    ] {
        let mut bad = good.clone();
        bad[name] = value;
        assert!(!wrong(&bad, &json!({ "$ref": "#/components/schemas/Enabled" }), "").is_empty(), "{bad}");
    }
    let schema = json!({ "$ref": "#/components/schemas/Enabled" });
    assert_eq!(
        wrong(&json!({ "organization": "o1" }), &schema, ""),
        [": \"outcome\" is missing: {\"organization\":\"o1\"}"]
    );
    assert!(!wrong(&json!([]), &schema, "").is_empty());
    assert!(!wrong(&json!("2027-13-01T00:00:00Z"), &json!({ "$ref": "#/components/schemas/Time" }), "").is_empty());
    assert!(!wrong(&json!({}), &json!({ "nonsense": 1 }), "").is_empty(), "what it does not know is no rule");
}
