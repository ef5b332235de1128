//! `flybridge client set`.

use flybridge::config::SETTINGS;
use serde_json::{Value, json};

use super::{ID, add, client, done, home, refused, secret};
use crate::support::client_key::{ClientKey, set as key_set};
use crate::support::process::{OIDC_CLIENT, REDIRECT, program, stderr, stdout};

#[test]
fn settings_are_changed_one_by_one_and_go_back_to_their_defaults() {
    let home = home();
    let secret = add(&home);
    let shown = || -> Value { serde_json::from_str(&done(&home, &["show", ID, "--json"])).unwrap() };
    let before = shown();
    let said = done(
        &home,
        &["set", ID, "--name", "Tideline", "--home", "https://rp.test/", "--require-par", "true", "--yes"],
    );
    for line in ["  home: nothing -> https://rp.test/", "  name: Sentry -> Tideline", "  require_par: false -> true"]
    {
        assert!(said.lines().any(|told| told == line), "{line} in {said}");
    }
    assert!(said.starts_with("newcomer  \"Tideline\"  registered 2"), "{said}");
    assert!(said.ends_with("Nodes that run take this over within 5 seconds.\n"), "{said}");
    let after = shown();
    for (key, value) in before.as_object().unwrap() {
        let same = !["name", "home", "require_par", "changed_at", "history"].contains(&key.as_str());
        assert_eq!(&after[key] == value, same, "{key}: {}", after[key]);
    }
    let event = &after["history"][0];
    assert_eq!((&event["what"], &event["by"]), (&json!("changed"), &json!("an operator")));
    assert_eq!(
        event["settings"],
        json!([
            { "setting": "home", "before": null, "after": "https://rp.test/" },
            { "setting": "name", "before": "Sentry", "after": "Tideline" },
            { "setting": "require_par", "before": false, "after": true },
        ])
    );
    let text = done(&home, &["show", ID]);
    let told = "was changed by an operator, ";
    assert!(text.contains(told) && text.contains("\n  name: Sentry -> Tideline\n"), "{text}");
    assert!(!text.contains(&secret) && !said.contains(&secret));

    let said = done(&home, &["set", ID, "--unset", "home", "--unset", "require-par"]);
    assert!(said.contains("  home: https://rp.test/ -> nothing\n  require_par: true -> false\n"), "{said}");
    let said = done(&home, &["set", ID, "--name", "Tideline", "--unset", "home"]);
    assert_eq!(said, "Nothing is changed: newcomer has these settings already.\n");
    assert_eq!(shown()["history"].as_array().unwrap().len(), 3);
}

#[test]
fn what_works_now_is_ended_by_nobody_unasked() {
    let home = home();
    add(&home);
    let elsewhere = ["set", ID, "--redirect-uri", "https://rp.test/cb"];
    refused(&home, &elsewhere, 2, &format!("Then:\n- sign-ins that lead to {REDIRECT} are refused"));
    for (option, value, part) in [
        ("--subject", "fly_user_id", "takes each for somebody new (`sub` stays the same)"),
        ("--first-party", "false", "all codes and tokens that it was given are dead"),
        ("--token-auth", "client_secret_basic", "is refused until it proves itself in the new way"),
    ] {
        refused(&home, &["set", ID, option, value], 2, "nobody can be asked here; to change newcomer all the same");
        refused(&home, &["set", ID, option, value], 2, part);
    }
    let shown: Value = serde_json::from_str(&done(&home, &["show", ID, "--json"])).unwrap();
    assert_eq!(shown["history"].as_array().unwrap().len(), 1, "{shown}");

    let said = done(&home, &[&elsewhere[..], &["--yes"]].concat());
    assert!(said.contains(&format!("  redirect_uris: {REDIRECT} -> https://rp.test/cb\n")), "{said}");
    assert!(said.contains(&format!("From now on sign-ins that lead to {REDIRECT} are refused")), "{said}");
    let more = ["set", ID, "--redirect-uri", REDIRECT, "--redirect-uri", "https://rp.test/cb"];
    assert!(!done(&home, &more).contains("From now on"), "one more ends nothing");
}

#[test]
fn a_client_is_given_keys_other_keys_and_a_secret_again() {
    let home = home();
    let first = add(&home);
    let (one, other) = (ClientKey::p256("one"), ClientKey::rsa("other"));
    let keys = ["--token-auth", "private_key_jwt", "--jwks", &key_set(&[&one])];
    let said = done(&home, &[&["set", ID, "--yes"][..], &keys].concat());
    assert!(said.contains("From now on all its secrets end at once.") && !said.contains("secret: "), "{said}");
    let shown = || -> Value { serde_json::from_str(&done(&home, &["show", ID, "--json"])).unwrap() };
    assert_eq!((&shown()["secrets"], &shown()["jwks"]), (&json!([]), &json!({ "keys": [one.jwk()] })));
    // Both, and then the new one alone.
    done(&home, &["set", ID, "--jwks", &key_set(&[&one, &other])]);
    let file = home.path("keys.json").display().to_string();
    std::fs::write(&file, key_set(&[&other])).unwrap();
    done(&home, &["set", ID, "--jwks-file", &file]);
    refused(
        &home,
        &["set", ID, "--jwks", &key_set(&[&one])],
        2,
        "no key that it signs with now is accepted any more",
    );
    refused(&home, &["rotate-secret", ID], 1, "and has no secret; `client set` gives it other keys");
    let mut private = one.jwk();
    private["d"] = json!("870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE");
    let private = json!({ "keys": [private] }).to_string();
    refused(&home, &["set", ID, "--yes", "--jwks", &private], 2, "key 1 is private, since it has the member \"d\"");

    let said = done(&home, &["set", ID, "--yes", "--token-auth", "client_secret_post"]);
    assert_ne!(secret(&said), first);
    let shown = shown();
    assert_eq!((shown["jwks"].is_null(), shown["secrets"].as_array().unwrap().len()), (true, 1), "{shown}");
    assert!(!shown.to_string().contains(&secret(&said)) && !shown.to_string().contains("870MB6gf"), "{shown}");
}

#[test]
fn a_change_that_cannot_be_is_refused_in_words() {
    let home = home();
    refused(&home, &["set", ID], 2, "nothing is to be changed: name at least one setting, or --unset");
    refused(
        &home,
        &["set", ID, "--home", "https://rp.test/", "--unset", "home"],
        2,
        "--home is given and to be unset",
    );
    refused(&home, &["set", ID, "--unset", "name"], 2, "invalid value 'name' for '--unset <SETTING>'");
    assert!(!home.path("flybridge.db").exists(), "the store was not even opened");
    refused(&home, &["set", ID, "--name", "X"], 1, "there is no registered client newcomer; `client list` shows all");
    refused(
        &home,
        &["set", OIDC_CLIENT, "--name", "X"],
        1,
        "stands in the configuration: change its settings there, in its [[clients]] entry",
    );
    add(&home);
    refused(
        &home,
        &["set", ID, "--home", "x"],
        2,
        "the client cannot be changed so:\n- home (--home): \"x\" is not an",
    );
    let both = stderr(&client(&home, &["set", ID, "--home", "x", "--jwks", "{}"]));
    assert!(both.contains("- home (--home): ") && both.contains("- jwks (--jwks): "), "all at once: {both}");
}

#[test]
fn the_help_says_of_every_setting_what_changing_it_means() {
    let help = stdout(&program().args(["client", "set", "--help"]).output().unwrap());
    for setting in SETTINGS {
        let option = format!("      --{} <{}>\n", setting.option, setting.value);
        let told = help.split_once(&option).unwrap_or_else(|| panic!("{option} in {help}")).1;
        let told = told.split("\n      --").next().unwrap();
        assert!(told.contains("\n          Changed: "), "{option} in {help}");
    }
    assert!(help.contains("[possible values: post-logout-redirect-uri, backchannel-logout-uri, home, "), "{help}");
}
