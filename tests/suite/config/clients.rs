//! `[[clients]]`: presets, secrets as digests, and clients that cannot be.

use flybridge::domain::client::{SigningAlgorithm, Subject, TokenAuth};

use super::{CLIENT, LEAST, load, problem};

#[test]
fn presets_of_clients() {
    let client = |lines: &str| load(&format!("{LEAST}{CLIENT}{lines}")).unwrap().clients.remove(0);
    let standard = client("");
    assert_eq!((standard.token_auth, standard.algorithm), (TokenAuth::ClientSecretBasic, SigningAlgorithm::Rs256));
    assert!(standard.require_pkce && standard.require_openid);
    assert!(!standard.claims_in_id_token && !standard.always_refresh_token && !standard.denials_on_own_page);
    assert_eq!(standard.subject, Subject::UserId);
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
    let hex = client.secrets[0].iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
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
