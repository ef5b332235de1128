//! `[[clients]]`: the relying parties.

mod options;

use std::collections::BTreeSet;

pub use options::{SETTINGS, Setting, client_from_options, client_with_options};
use url::Url;

use super::parse;
use super::problem::{Problems, Wrong};
use super::section::{Read, Section};
use super::source::Entry;
use crate::domain::client::{
    AccessTokenFormat, Client, ClientSecret, MOST_SECRETS, SigningAlgorithm, Subject, TokenAuth,
};
use crate::domain::client_keys::ClientKeys;
use crate::domain::machine::MachineScope;
use crate::domain::secret::{Secret, TokenHash};

/// What the switches of a client are unless they are set one by one.
#[derive(Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches, the same as those of a client")]
struct Preset {
    token_auth: TokenAuth,
    algorithm: SigningAlgorithm,
    require_pkce: bool,
    require_par: bool,
    dpop_bound_access_tokens: bool,
    require_openid: bool,
    claims_in_id_token: bool,
    always_refresh_token: bool,
    denials_on_own_page: bool,
    subject: Subject,
    first_party: bool,
}

/// RS256 throughout: OIDC Core (section 15.1) makes it the algorithm that every client can verify.
const STANDARD: Preset = Preset {
    token_auth: TokenAuth::ClientSecretBasic,
    algorithm: SigningAlgorithm::Rs256,
    require_pkce: true,
    require_par: false,
    dpop_bound_access_tokens: false,
    require_openid: true,
    claims_in_id_token: false,
    always_refresh_token: false,
    denials_on_own_page: false,
    subject: Subject::UserId,
    // Also of Sentry's presets: whoever writes a client here has chosen it for everybody.
    first_party: true,
};

/// sentry-auth-oidc sends no PKCE, reads the e-mail address out of the `id_token`, and loops on an error: the callback is
/// Sentry's own, the same as for its Fly provider.
const SENTRY_OIDC: Preset = Preset {
    token_auth: TokenAuth::ClientSecretPost,
    require_pkce: false,
    claims_in_id_token: true,
    denials_on_own_page: true,
    // Sentry asks every hour whether the person still belongs, and signs out whom it cannot ask about.
    always_refresh_token: true,
    ..STANDARD
};

/// Sentry's Fly provider asks for `read` alone, unlinks members without a refresh token, loops on an error, and keys
/// identities by the id at Fly.io.
const SENTRY_FLY: Preset = Preset {
    token_auth: TokenAuth::ClientSecretPost,
    require_pkce: false,
    require_openid: false,
    always_refresh_token: true,
    denials_on_own_page: true,
    subject: Subject::FlyUserId,
    ..STANDARD
};

const PRESETS: &[(&str, Preset)] =
    &[("standard", STANDARD), ("sentry-oidc", SENTRY_OIDC), ("sentry-fly", SENTRY_FLY)];

pub(super) fn read(sections: Vec<Section<'_>>, problems: &Problems) -> Option<Vec<Client>> {
    let clients: Vec<_> = sections.into_iter().map(client).collect();
    let clients: Vec<Client> = clients.into_iter().collect::<Option<_>>()?;
    let mut seen = BTreeSet::new();
    for (index, client) in clients.iter().enumerate() {
        if !seen.insert(client.id.as_str()) {
            let reason = format!("a client of the id {:?} stands there already", client.id.as_str());
            problems.add(
                format!("clients[{index}].id"),
                None,
                Wrong::new(reason, "Give each client an id of its own"),
            );
        }
    }
    Some(clients)
}

fn client(mut section: Section<'_>) -> Option<Client> {
    let signs = section.says("token_auth", TokenAuth::PrivateKeyJwt.as_str());
    let settings = settings(&mut section);
    let secrets = read_secrets(&mut section, signs);
    section.finish();
    Some(Client { secrets: secrets?, ..settings? })
}

/// All of a client but its secrets.
fn settings(section: &mut Section<'_>) -> Option<Client> {
    let id = section.required(
        "id",
        "Write the client id, such as id = \"sentry\"",
        parse::from_str("Shorten it to a-z, 0-9 and -"),
    );
    let name = section.required("name", "Write the name that people see, such as name = \"Sentry\"", parse::text);
    let redirect_remedy = "Write the addresses that may be redirected to, each in full";
    let redirect_uris = section.required("redirect_uris", redirect_remedy, parse::filled_list(redirect_uri));
    let post_logout = section.optional("post_logout_redirect_uris", parse::list(redirect_uri));
    let backchannel_logout = section.optional("backchannel_logout_uri", parse::web_url);
    let home = section.optional("home", parse::web_url);
    let preset = section.optional("preset", parse::choice(PRESETS));
    let switches = read_switches(section, preset.flatten().unwrap_or(STANDARD));
    let jwks = read_keys(section, switches.as_ref().map(|switches| switches.token_auth));
    let access_token = read_access_token(section);
    let scopes = &MACHINE_SCOPES;
    let machine_scopes = section.optional("machine_scopes", parse::list(parse::choice(scopes)));
    let (_, switches, access_token) = (preset?, switches?, access_token?);
    Some(Client {
        id: id?,
        name: name?,
        secrets: Vec::new(),
        registration: None,
        redirect_uris: redirect_uris?,
        post_logout_redirect_uris: post_logout?.unwrap_or_default(),
        backchannel_logout_uri: backchannel_logout?,
        home: home?,
        token_auth: switches.token_auth,
        jwks: jwks?,
        algorithm: switches.algorithm,
        access_token_format: access_token.0,
        access_token_audience: access_token.1,
        require_pkce: switches.require_pkce,
        require_par: switches.require_par,
        dpop_bound_access_tokens: switches.dpop_bound_access_tokens,
        require_openid: switches.require_openid,
        claims_in_id_token: switches.claims_in_id_token,
        always_refresh_token: switches.always_refresh_token,
        denials_on_own_page: switches.denials_on_own_page,
        subject: switches.subject,
        first_party: switches.first_party,
        machine_scopes: machine_scopes?.into_iter().flatten().collect(),
    })
}

const MACHINE_SCOPES: [(&str, MachineScope); 2] = [
    (MachineScope::OrganizationsRead.as_str(), MachineScope::OrganizationsRead),
    (MachineScope::OrganizationsDisable.as_str(), MachineScope::OrganizationsDisable),
];

fn read_switches(section: &mut Section<'_>, preset: Preset) -> Option<Preset> {
    let auth = &[
        ("client_secret_basic", TokenAuth::ClientSecretBasic),
        ("client_secret_post", TokenAuth::ClientSecretPost),
        ("private_key_jwt", TokenAuth::PrivateKeyJwt),
    ];
    let algorithms = &[("ES256", SigningAlgorithm::Es256), ("RS256", SigningAlgorithm::Rs256)];
    let subjects = &[("user_id", Subject::UserId), ("fly_user_id", Subject::FlyUserId)];
    let token_auth = section.optional("token_auth", parse::choice(auth));
    let algorithm = section.optional("algorithm", parse::choice(algorithms));
    let subject = section.optional("subject", parse::choice(subjects));
    let mut switch = |key, usual: bool| section.optional(key, parse::boolean).map(|given| given.unwrap_or(usual));
    let require_pkce = switch("require_pkce", preset.require_pkce);
    let require_par = switch("require_par", preset.require_par);
    let dpop_bound_access_tokens = switch("dpop_bound_access_tokens", preset.dpop_bound_access_tokens);
    let require_openid = switch("require_openid", preset.require_openid);
    let claims_in_id_token = switch("claims_in_id_token", preset.claims_in_id_token);
    let always_refresh_token = switch("always_refresh_token", preset.always_refresh_token);
    let denials_on_own_page = switch("denials_on_own_page", preset.denials_on_own_page);
    let first_party = switch("first_party", preset.first_party);
    Some(Preset {
        token_auth: token_auth?.unwrap_or(preset.token_auth),
        algorithm: algorithm?.unwrap_or(preset.algorithm),
        subject: subject?.unwrap_or(preset.subject),
        require_pkce: require_pkce?,
        require_par: require_par?,
        dpop_bound_access_tokens: dpop_bound_access_tokens?,
        require_openid: require_openid?,
        claims_in_id_token: claims_in_id_token?,
        always_refresh_token: always_refresh_token?,
        denials_on_own_page: denials_on_own_page?,
        first_party: first_party?,
    })
}

/// The keys of a client that signs: out of `jwks` or `jwks_file`. `method` is unknown where it was refused.
#[expect(clippy::option_option, reason = "not given and refused are different answers")]
fn read_keys(section: &mut Section<'_>, method: Option<TokenAuth>) -> Option<Option<ClientKeys>> {
    let given = section.one_of("jwks", "jwks_file")?;
    let signs = method == Some(TokenAuth::PrivateKeyJwt);
    let Some((entry, named)) = given else {
        if signs {
            let wrong = Wrong::new("this client has no key to prove itself by", "Give jwks or jwks_file");
            section.refuse("jwks", None, wrong);
        }
        return (!signs).then_some(None);
    };
    let text = if named == "jwks" { parse::raw_text(&entry).cloned() } else { parse::file_text(&entry) };
    let remedy = "Give the public keys of the client as a JWK set: RSA from 2048 bits, EC on P-256, or Ed25519";
    let keys = text.and_then(|text| ClientKeys::parse(&text).map_err(|error| Wrong::new(error.to_string(), remedy)));
    let keys = keys.and_then(|keys| {
        let without = "Remove it, or write token_auth = \"private_key_jwt\"";
        let wrong = || Wrong::new("this client proves itself by a secret, so keys mean nothing", without);
        if signs || method.is_none() { Ok(keys) } else { Err(wrong()) }
    });
    keys.map_err(|wrong| section.refuse(named, Some(entry.origin), wrong)).ok().map(Some)
}

/// The format of access tokens, and the service they are meant for.
fn read_access_token(section: &mut Section<'_>) -> Option<(AccessTokenFormat, Option<String>)> {
    let formats = &[("opaque", AccessTokenFormat::Opaque), ("jwt", AccessTokenFormat::Jwt)];
    let format = section.optional("access_token_format", parse::choice(formats));
    let audience = section.optional("access_token_audience", audience);
    let (format, audience) = (format?.unwrap_or_default(), audience?);
    if audience.is_some() && format == AccessTokenFormat::Opaque {
        let remedy = "Write access_token_format = \"jwt\", or remove this";
        section.refuse("access_token_audience", None, Wrong::new("an opaque access token names no audience", remedy));
        return None;
    }
    Some((format, audience))
}

/// An absolute address or name without fragment (RFC 8707, section 2), kept exactly as written.
fn audience(entry: &Entry) -> Read<String> {
    let text = parse::text(entry)?;
    match Url::parse(&text) {
        Ok(url) if url.fragment().is_none() => Ok(text),
        Ok(_) => Err(Wrong::new(format!("{text:?} has a fragment"), "Remove the # and what follows it")),
        Err(error) => {
            let remedy = "Write the address of the service, such as \"https://api.example.com/\"";
            Err(Wrong::new(format!("{text:?} is not an absolute address ({error})"), remedy))
        }
    }
}

/// The hashes of `secret`, `secret_file` and `secret_sha256`, all of them together. There must be none for a client that
/// signs.
fn read_secrets(section: &mut Section<'_>, signs: bool) -> Option<Vec<ClientSecret>> {
    let plain = section
        .optional("secret", parse::list(|entry| Ok(hash(&parse::own_secret(parse::raw_text(entry)?.clone())?))));
    let files =
        section.optional("secret_file", parse::list(|entry| Ok(hash(&parse::own_secret(parse::file_text(entry)?)?))));
    let digests = section.optional("secret_sha256", parse::list(read_digest));
    let given = [plain?, files?, digests?];
    let secrets: Vec<_> = given.into_iter().flatten().flatten().map(ClientSecret::chosen).collect();
    match secrets.len() {
        0 if signs => Some(secrets),
        _ if signs => {
            let reason = "this client proves itself by a key of its own, so a secret means nothing";
            section.refuse("secret", None, Wrong::new(reason, "Remove it, or choose another token_auth"));
            None
        }
        0 => {
            let remedy = "Give one of secret, secret_file and secret_sha256";
            section.refuse("secret", None, Wrong::new("this client has no secret", remedy));
            None
        }
        1..=MOST_SECRETS => Some(secrets),
        count => {
            let reason = format!("this client has {count} secrets");
            section.refuse("secret", None, Wrong::new(reason, format!("Keep at most {MOST_SECRETS}")));
            None
        }
    }
}

fn hash(secret: &Secret) -> TokenHash {
    TokenHash::of(secret.expose().as_bytes())
}

fn read_digest(entry: &Entry) -> Read<TokenHash> {
    let text = parse::raw_text(entry)?;
    let bytes = from_hex(text.trim()).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    let remedy = "Write 64 hexadecimal digits: printf %s SECRET | sha256sum";
    let hash = bytes.map(TokenHash::from_bytes);
    let hash = hash.ok_or_else(|| Wrong::new("this is not a SHA-256 digest", remedy))?;
    if hash == TokenHash::of(b"") {
        return Err(Wrong::new("this is the digest of no secret at all", remedy));
    }
    Ok(hash)
}

/// An absolute address without fragment (RFC 6749, section 3.1.2), kept exactly as written: it is compared byte for byte.
fn redirect_uri(entry: &Entry) -> Read<String> {
    let url: Url = parse::web_url(entry)?;
    let text = parse::text(entry)?;
    if text.contains('*') {
        return Err(Wrong::new(format!("{text:?} has a wildcard"), "Write each address in full"));
    }
    // Sent in a `Location` header as it stands, so nothing may be in it that a header cannot carry.
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(text);
    }
    Err(Wrong::new(format!("{text:?} has characters that must be encoded"), format!("Write \"{url}\"")))
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?)).collect()
}
