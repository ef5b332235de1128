//! `[[clients]]`: presets, secrets as digests, and clients that cannot be.

use std::collections::BTreeSet;

use flybridge::config::{SETTINGS, Setting, client_from_options, client_with_options};
use flybridge::domain::client::{AccessTokenFormat, Client, SigningAlgorithm, Subject, TokenAuth};

use super::{CLIENT, LEAST, load, problem};

#[test]
fn presets_of_clients() {
    let client = |lines: &str| load(&format!("{LEAST}{CLIENT}{lines}")).unwrap().clients.remove(0);
    let standard = client("");
    assert_eq!((standard.token_auth, standard.algorithm), (TokenAuth::ClientSecretBasic, SigningAlgorithm::Rs256));
    assert!(standard.require_pkce && standard.require_openid && !standard.require_par);
    assert!(!standard.dpop_bound_access_tokens);
    assert!(!standard.claims_in_id_token && !standard.always_refresh_token && !standard.denials_on_own_page);
    assert_eq!(standard.subject, Subject::UserId);
    assert!(standard.machine_scopes.is_empty());
    assert_eq!(standard, client("preset = \"standard\""));
    let oidc = client("preset = \"sentry-oidc\"");
    assert_eq!((oidc.token_auth, oidc.algorithm), (TokenAuth::ClientSecretPost, SigningAlgorithm::Rs256));
    assert!(!oidc.require_pkce && oidc.require_openid && oidc.claims_in_id_token);
    assert!(oidc.always_refresh_token && oidc.denials_on_own_page);
    assert_eq!(oidc.subject, Subject::UserId);
    let fly = client("preset = \"sentry-fly\"");
    assert_eq!(fly.token_auth, TokenAuth::ClientSecretPost);
    assert!(!fly.require_pkce && !fly.require_openid && fly.always_refresh_token && fly.denials_on_own_page);
    assert_eq!(fly.subject, Subject::FlyUserId);
    assert!(
        [&standard, &oidc, &fly].into_iter().all(|client| client.first_party),
        "whoever is written there was chosen"
    );
    assert!(!client("first_party = false").first_party);
    let own = client("preset = \"sentry-fly\"\nrequire_pkce = true\nalgorithm = \"ES256\"\nsubject = \"user_id\"");
    assert!(own.require_pkce && own.always_refresh_token);
    assert_eq!((own.algorithm, own.subject), (SigningAlgorithm::Es256, Subject::UserId));
}

#[test]
fn where_a_client_hears_of_sign_outs() {
    let told = |uri: &str| {
        let line = format!("backchannel_logout_uri = \"{uri}\"");
        load(&format!("{LEAST}{CLIENT}{line}")).unwrap().clients.remove(0).backchannel_logout_uri
    };
    for uri in ["https://sentry.example.com/out?from=login", "http://127.0.0.1:4602/out", "http://[::1]/out"] {
        assert_eq!(told(uri).unwrap().as_str(), uri);
    }
    assert_eq!(load(&format!("{LEAST}{CLIENT}")).unwrap().clients.remove(0).backchannel_logout_uri, None);
}

#[test]
fn a_client_is_known_by_the_digest_of_its_secret() {
    let client = load(&format!("{LEAST}{CLIENT}")).unwrap().clients.remove(0);
    // printf %s client-secret-0123456789 | sha256sum
    let digest = "c580a98efcac28b25a6fdf4c43d4e8b40c50827e2e7b405241330ad93f4c36bd";
    let hex = client.secrets[0].hash.as_bytes().iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    assert_eq!(hex, digest);
}

#[test]
fn clients_that_cannot_be_are_refused() {
    for (from, to, part) in [
        ("https://sentry.example.com/auth/sso/", "http://sentry.example.com/", "clear text on the network"),
        ("https://sentry.example.com/auth/sso/", "https://*.example.com/", "wildcard"),
        ("https://sentry.example.com/auth/sso/", "https://sentry.example.com/#x", "has a fragment"),
        ("https://sentry.example.com/auth/sso/", "/auth/sso/", "not an absolute address"),
        ("https://sentry.example.com/auth/sso/", "https://sentry.example.com/a b", "must be encoded"),
        ("\"https://sentry.example.com/auth/sso/\"", "", "the list is empty"),
        (
            "name = ",
            "backchannel_logout_uri = \"http://sentry.example.com/out\"\nname = ",
            "clear text on the network",
        ),
        ("name = ", "backchannel_logout_uri = \"https://sentry.example.com/#x\"\nname = ", "has a fragment"),
        ("name = ", "backchannel_logout_uri = \"https://me@sentry.example.com/\"\nname = ", "user name or password"),
        ("name = ", "backchannel_logout_uri = \"/out\"\nname = ", "not an absolute address"),
        ("name = ", "access_token_audience = \"https://api.example.com\"\nname = ", "names no audience"),
        ("name = ", "machine_scopes = \"organizations:write\"\nname = ", "\"organizations:write\" is not known here"),
        ("name = ", "access_token_format = \"jws\"\nname = ", "\"jws\" is not known here"),
        ("name = ", "access_token_format = \"jwt\"\naccess_token_audience = \"api\"\nname = ", "not an absolute"),
        ("client-secret-0123456789", "changeme", "the secret has 8 characters"),
        ("secret = ", "secret_sha256 = ", "not a SHA-256 digest"),
        ("id = \"sentry-fly\"", "id = \"sentry fly\"", "1 to 64 characters"),
        ("name = \"Sentry\"", "", "clients[0].name"),
    ] {
        let shown = problem(&format!("{LEAST}{}", CLIENT.replace(from, to)));
        assert!(shown.starts_with("clients[0].") && shown.contains(part), "{to}: {shown}");
    }
    assert!(problem(&format!("{LEAST}{CLIENT}{CLIENT}")).contains("clients[1].id"));
    assert!(problem(&format!("clients = 1\n{LEAST}")).contains("[[clients]]"));
    let many = "secret = [\"secret-number-one-1\", \"secret-number-two-2\", \"secret-number-three-3\", \
                \"secret-number-four-4\", \"secret-number-five-5\"]";
    let text = CLIENT.replace("secret = \"client-secret-0123456789\"", many);
    assert!(problem(&format!("{LEAST}{text}")).contains("this client has 5 secrets"));
}

#[test]
fn an_option_is_there_for_every_setting_and_says_the_same() {
    // An unknown key is answered with all that are known.
    let shown = problem(&format!("{LEAST}{CLIENT}zzzzzzzz = 1"));
    let known = shown.split_once("known here: ").unwrap().1.trim_end_matches('.');
    let (mut known, mut options): (BTreeSet<&str>, BTreeSet<&str>) = (known.split(", ").collect(), BTreeSet::new());
    known.retain(|key| *key != "id" && !key.starts_with("secret"));
    options.extend(SETTINGS.iter().map(|setting| setting.key));
    assert_eq!(options, known);

    let lines = [
        ("name", "\"Sentry\"", "Sentry"),
        ("redirect_uris", "\"https://sentry.example.com/auth/sso/\"", "https://sentry.example.com/auth/sso/"),
        ("post_logout_redirect_uris", "\"https://sentry.example.com/\"", "https://sentry.example.com/"),
        ("backchannel_logout_uri", "\"https://sentry.example.com/out\"", "https://sentry.example.com/out"),
        ("home", "\"https://sentry.example.com/\"", "https://sentry.example.com/"),
        ("preset", "\"sentry-fly\"", "sentry-fly"),
        ("token_auth", "\"client_secret_basic\"", "client_secret_basic"),
        ("algorithm", "\"ES256\"", "ES256"),
        ("access_token_format", "\"jwt\"", "jwt"),
        ("access_token_audience", "\"https://api.example.com\"", "https://api.example.com"),
        ("require_pkce", "true", "true"),
        ("require_par", "true", "true"),
        ("dpop_bound_access_tokens", "true", "true"),
        ("require_openid", "true", "true"),
        ("claims_in_id_token", "true", "true"),
        ("always_refresh_token", "false", "false"),
        ("denials_on_own_page", "false", "false"),
        ("subject", "\"user_id\"", "user_id"),
        ("first_party", "false", "false"),
        ("machine_scopes", "[\"organizations:read\"]", "organizations:read"),
    ];
    // Keys stand beside no secret, and have a test of their own.
    assert_eq!(lines.len() + 2, SETTINGS.len(), "each of them");
    let text = lines.map(|(key, value, _)| format!("{key} = {value}")).join("\n");
    let secret = "secret = \"client-secret-0123456789\"";
    let mut configured = load(&format!("{LEAST}[[clients]]\nid = \"sentry\"\n{secret}\n{text}")).unwrap().clients;
    let typed = |key: &str| lines.iter().find(|line| line.0 == key).map(|line| line.2.to_owned());
    let given = SETTINGS.iter().filter_map(|setting| Some((*setting, vec![typed(setting.key)?])));
    let registered = client_from_options("sentry", given).unwrap();
    configured[0].secrets.clear();
    assert_eq!(registered, configured[0]);
    let kept = serde_json::to_value(&registered).unwrap();
    let names: BTreeSet<&str> = kept.as_object().unwrap().keys().map(String::as_str).collect();
    options.retain(|key| !["preset", "jwks_file"].contains(key));
    options.insert("id");
    assert_eq!(names, options, "what is kept has the same names");
}

/// RFC 7517, appendix A.1.
const KEYS: &str = r#"{"keys":[{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","kid":"1"}]}"#;

#[test]
fn the_keys_of_a_client_that_signs() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    std::fs::write(&file, format!("{KEYS}\n")).unwrap();
    let file = file.to_str().unwrap();
    let signs = CLIENT.replace("secret = \"client-secret-0123456789\"", "token_auth = \"private_key_jwt\"");
    let configured = |line: &str| load(&format!("{LEAST}{signs}{line}")).unwrap().clients.remove(0);
    let inline = configured(&format!("jwks = '{KEYS}'"));
    assert_eq!((inline.token_auth, inline.secrets.len()), (TokenAuth::PrivateKeyJwt, 0));
    let keys = serde_json::to_value(&inline.jwks).unwrap();
    assert_eq!(keys, serde_json::from_str::<serde_json::Value>(KEYS).unwrap());
    assert_eq!(configured(&format!("jwks_file = \"{file}\"")), inline);
    for (key, value) in [("jwks", KEYS), ("jwks_file", file)] {
        let typed = [
            ("name", "Sentry"),
            ("redirect_uris", "https://sentry.example.com/auth/sso/"),
            ("token_auth", "private_key_jwt"),
            (key, value),
        ];
        let option = |key: &str| SETTINGS.iter().find(|setting| setting.key == key).copied().unwrap();
        let given = typed.map(|(key, value)| (option(key), vec![value.to_owned()]));
        assert_eq!(client_from_options("sentry-fly", given).unwrap(), inline, "{key}");
    }
}

#[test]
fn keys_that_prove_nothing_are_refused() {
    let signs = CLIENT.replace("secret = \"client-secret-0123456789\"", "token_auth = \"private_key_jwt\"");
    let private = KEYS.replace("\"kid\"", "\"d\":\"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE\",\"kid\"");
    for (lines, key, part) in [
        (signs.clone(), "clients[0].jwks", "has no key to prove itself by"),
        (format!("{signs}jwks = ''"), "clients[0].jwks", "the value is empty"),
        (format!("{signs}jwks = '[]'"), "clients[0].jwks", "this is no JWK set"),
        (format!("{signs}jwks = '{{\"keys\":[]}}'"), "clients[0].jwks", "this set has 0 keys, and from 1 to 8"),
        (format!("{signs}jwks = '{private}'"), "clients[0].jwks", "key 1 is private, since it has the member \"d\""),
        (format!("{signs}jwks_file = \"/no/such/file\""), "clients[0].jwks_file", "cannot be read"),
        (format!("{signs}jwks = '{KEYS}'\njwks_file = \"/no/such/file\""), "clients[0].jwks", "are both given"),
        (format!("{CLIENT}jwks = '{KEYS}'"), "clients[0].jwks", "proves itself by a secret, so keys mean nothing"),
        (
            format!("{CLIENT}jwks = '{KEYS}'\ntoken_auth = \"private_key_jwt\""),
            "clients[0].secret",
            "so a secret means nothing",
        ),
    ] {
        let shown = problem(&format!("{LEAST}{lines}"));
        assert!(shown.starts_with(key) && shown.contains(part), "{lines}: {shown}");
        assert!(!shown.contains("870MB6gf"), "{shown}");
    }
}

fn given(options: &[(&str, &str)]) -> Vec<(Setting, Vec<String>)> {
    let setting = |key: &str| SETTINGS.iter().find(|setting| setting.key == key).copied().unwrap();
    let mut given: Vec<(Setting, Vec<String>)> = Vec::new();
    for (key, value) in options {
        match given.iter_mut().find(|(known, _)| known.key == *key) {
            Some((_, values)) => values.push((*value).to_owned()),
            None => given.push((setting(key), vec![(*value).to_owned()])),
        }
    }
    given
}

fn registered(options: &[(&str, &str)]) -> Client {
    let least = [("name", "Grafana"), ("redirect_uris", "https://rp.test/cb")];
    client_from_options("grafana", given(&[&least, options].concat())).unwrap()
}

/// With other settings, where that is possible, or what is wrong with them.
fn changed(client: &Client, options: &[(&str, &str)], unset: &[&str]) -> Result<Client, String> {
    let unset: Vec<Setting> = SETTINGS.iter().filter(|setting| unset.contains(&setting.key)).copied().collect();
    client_with_options(client, &given(options), &unset).map_err(|error| error.problems[0].to_string())
}

const ALL_SET: &[(&str, &str)] = &[
    ("redirect_uris", "https://rp.test/cb2?keep=a%20b"),
    ("post_logout_redirect_uris", "https://rp.test/bye"),
    ("backchannel_logout_uri", "https://rp.test/out?from=login"),
    ("home", "https://rp.test"),
    ("preset", "sentry-fly"),
    ("token_auth", "private_key_jwt"),
    ("jwks", KEYS),
    ("algorithm", "ES256"),
    ("access_token_format", "jwt"),
    ("access_token_audience", "https://api.example.com"),
    ("first_party", "false"),
    ("machine_scopes", "organizations:read"),
    ("machine_scopes", "organizations:disable"),
];

#[test]
fn what_is_not_changed_of_a_client_stays_as_it_is() {
    for options in [&[][..], ALL_SET, &[("preset", "sentry-oidc")]] {
        let client = registered(options);
        assert_eq!(changed(&client, &[], &[]).unwrap(), client, "{options:?}");
        let named = Client { name: "Tideline".to_owned(), ..client.clone() };
        assert_eq!(changed(&client, &[("name", "Tideline")], &[]).unwrap(), named, "{options:?}");
        // As an older version wrote it, without what came later.
        let mut written = serde_json::to_value(&client).unwrap();
        written.as_object_mut().unwrap().retain(|key, _| key != "machine_scopes" && key != "require_par");
        let older: Client = serde_json::from_value(written).unwrap();
        assert_eq!(changed(&older, &[], &[]).unwrap(), older, "{options:?}");
    }
}

#[test]
fn a_list_that_is_given_takes_the_place_of_the_one_before() {
    let client = registered(ALL_SET);
    let uris = [("redirect_uris", "https://rp.test/a"), ("redirect_uris", "https://rp.test/b")];
    assert_eq!(changed(&client, &uris, &[]).unwrap().redirect_uris, ["https://rp.test/a", "https://rp.test/b"]);
}

#[test]
fn a_preset_counts_for_all_that_it_decides_and_for_nothing_else() {
    let presets = ["standard", "sentry-oidc", "sentry-fly"];
    for before in presets {
        let client = registered(&[("preset", before), ("home", "https://rp.test/"), ("algorithm", "ES256")]);
        for after in presets {
            let fresh = registered(&[("preset", after), ("home", "https://rp.test/")]);
            assert_eq!(changed(&client, &[("preset", after)], &[]).unwrap(), fresh, "{before} to {after}");
            let beside = Client { require_pkce: true, subject: Subject::FlyUserId, ..fresh };
            let given = [("preset", after), ("require_pkce", "true"), ("subject", "fly_user_id")];
            assert_eq!(changed(&client, &given, &[]).unwrap(), beside, "{before} to {after}");
        }
    }
}

#[test]
fn what_is_unset_is_as_if_it_had_never_been_given() {
    let client = registered(ALL_SET);
    let all: Vec<&str> = SETTINGS.iter().filter(|setting| !setting.takes.required()).map(|s| s.key).collect();
    let bare = changed(&client, &[], &all).unwrap();
    assert_eq!(bare, Client { redirect_uris: client.redirect_uris.clone(), ..registered(&[]) });
    for required in ["name", "redirect_uris"] {
        let shown = changed(&client, &[], &[required]).unwrap_err();
        assert!(shown.contains("this key is required and missing"), "{shown}");
    }
}

#[test]
fn what_means_nothing_any_more_goes_with_what_it_belongs_to() {
    let client = registered(ALL_SET);
    let secret = changed(&client, &[("token_auth", "client_secret_post")], &[]).unwrap();
    assert_eq!((secret.token_auth, &secret.jwks), (TokenAuth::ClientSecretPost, &None));
    for unset in [changed(&client, &[], &["token_auth"]), changed(&client, &[("preset", "standard")], &[])] {
        let client = unset.unwrap();
        assert_eq!((client.token_auth, client.jwks), (TokenAuth::ClientSecretBasic, None));
    }
    let opaque = changed(&client, &[("access_token_format", "opaque")], &[]).unwrap();
    assert_eq!((opaque.access_token_format, opaque.access_token_audience), (AccessTokenFormat::Opaque, None));
}

/// Whatever `client add` would refuse.
#[test]
fn a_change_to_what_cannot_be_is_refused() {
    let (signs, bare) = (registered(ALL_SET), registered(&[]));
    for (client, options, unset, part) in [
        (&bare, &[("token_auth", "private_key_jwt")][..], "", "jwks: this client has no key to prove itself by"),
        (&signs, &[], "jwks", "jwks: this client has no key to prove itself by"),
        (&signs, &[("jwks", "{}")], "", "jwks (--jwks): this is no JWK set"),
        (&signs, &[("jwks_file", "/no/such/file")], "", "jwks_file (--jwks-file): the file /no/such/file cannot be"),
        (&bare, &[("jwks", KEYS)], "", "proves itself by a secret, so keys mean nothing"),
        (&signs, &[("token_auth", "client_secret_post"), ("jwks", KEYS)], "", "so keys mean nothing"),
        (&bare, &[("access_token_audience", "https://api.example.com")], "", "names no audience"),
        (&bare, &[("redirect_uris", "https://*.test/")], "", "has a wildcard"),
        (&bare, &[("home", "http://rp.test/")], "", "clear text on the network"),
        (&bare, &[("require_pkce", "no")], "", "require_pkce (--require-pkce): this is neither true nor false"),
        (&bare, &[("preset", "sentry")], "", "\"sentry\" is not known here"),
        (&bare, &[("machine_scopes", "organizations:write")], "", "\"organizations:write\" is not known here"),
    ] {
        let shown = changed(client, options, &[unset]).unwrap_err();
        assert!(shown.contains(part), "{options:?}: {shown}");
    }
    // What was registered when less was asked of it, and is not touched.
    let loose = Client { redirect_uris: vec!["https://*.test/".to_owned()], ..bare };
    let shown = changed(&loose, &[("name", "Tideline")], &[]).unwrap_err();
    assert!(shown.starts_with("redirect_uris (as it is registered): \"https://*.test/\" has a wildcard"), "{shown}");
}
