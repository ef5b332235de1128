//! Looking for secrets in a heap of bytes: in clear, in hexadecimal, in base64 at any offset, and decoded.

use std::collections::{BTreeMap, HashMap};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// Shorter ones could be there by chance.
const SHORTEST: usize = 12;
/// Bytes by which candidates are looked up.
const HEAD: usize = 8;

/// Secrets by what they are.
#[derive(Default)]
pub(super) struct Needles(BTreeMap<String, String>);

impl Needles {
    pub(super) fn add(&mut self, secret: &str, what: &str) {
        assert!(secret.len() >= SHORTEST, "{what} is too short to be looked for: {secret:?}");
        self.0.insert(secret.to_owned(), what.to_owned());
    }

    /// The part of a token that is secret: what stands behind the last `.`.
    pub(super) fn add_token(&mut self, token: &str, what: &str) {
        self.add(token.rsplit('.').next().unwrap(), what);
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// How often each thing was noted.
    pub(super) fn kinds(&self) -> BTreeMap<&str, usize> {
        let mut kinds = BTreeMap::new();
        for what in self.0.values() {
            *kinds.entry(what.as_str()).or_default() += 1;
        }
        kinds
    }

    /// What was found in `heap`, with the form it was found in.
    pub(super) fn found_in(&self, heap: &[u8]) -> Vec<String> {
        let mut heads: HashMap<[u8; HEAD], Vec<(Vec<u8>, String)>> = HashMap::new();
        let mut first = vec![false; 256 * 256];
        for (secret, what) in &self.0 {
            for (form, bytes) in forms(secret) {
                let start: [u8; HEAD] = bytes[..HEAD].try_into().unwrap();
                first[usize::from(start[0]) << 8 | usize::from(start[1])] = true;
                heads.entry(start).or_default().push((bytes, format!("{what} {form}")));
            }
        }
        let mut found = Vec::new();
        for at in 0..heap.len().saturating_sub(HEAD) {
            if !first[usize::from(heap[at]) << 8 | usize::from(heap[at + 1])] {
                continue;
            }
            let start: [u8; HEAD] = heap[at..at + HEAD].try_into().unwrap();
            let candidates = heads.get(&start).into_iter().flatten();
            found.extend(candidates.filter(|(bytes, _)| heap[at..].starts_with(bytes)).map(|(_, what)| what.clone()));
        }
        found.sort();
        found.dedup();
        found
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// Every way in which it could have been written down.
fn forms(secret: &str) -> Vec<(String, Vec<u8>)> {
    let mut forms = written("", secret.as_bytes());
    let escaped: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    if escaped != secret {
        forms.push(("percent-encoded".to_owned(), escaped.into_bytes()));
    }
    let decoded = [URL_SAFE_NO_PAD.decode(secret).ok(), STANDARD.decode(secret).ok(), from_hex(secret)];
    for bytes in decoded.into_iter().flatten().filter(|bytes| bytes.len() >= SHORTEST) {
        forms.extend(written("decoded, ", &bytes));
    }
    forms
}

fn written(prefix: &str, bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let lower = hex(bytes);
    let mut forms = vec![
        (format!("{prefix}in clear"), bytes.to_vec()),
        (format!("{prefix}in hexadecimal"), lower.to_ascii_uppercase().into_bytes()),
        (format!("{prefix}in hexadecimal"), lower.into_bytes()),
    ];
    for offset in 0..3 {
        // Alone or within something longer: the characters at both ends depend on the neighbours and are left out.
        let mut padded = vec![0; offset];
        padded.extend_from_slice(bytes);
        let skipped = [0, 2, 3][offset];
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            let text = engine.encode(&padded);
            let text = &text[skipped..text.len() - 1];
            forms.push((format!("{prefix}in base64"), text.as_bytes().to_vec()));
        }
    }
    forms
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    pairs.map(|pair| pair.filter(|p| p.len() == 2).and_then(|p| u8::from_str_radix(p, 16).ok())).collect()
}

#[test]
fn a_secret_is_found_in_every_form() {
    let secret = "S3cret-of-somebody-0123";
    let mut needles = Needles::default();
    needles.add(secret, "a secret");
    let mut planted = vec![secret.as_bytes().to_vec(), hex(secret.as_bytes()).into_bytes()];
    for before in ["", "x", "xy", "xyz"] {
        let text = format!("{before}{secret}, and more");
        planted.extend([STANDARD.encode(&text).into_bytes(), URL_SAFE_NO_PAD.encode(&text).into_bytes()]);
    }
    for bytes in planted {
        let heap = [b"before ".as_slice(), &bytes, b" after"].concat();
        assert_eq!(needles.found_in(&heap).len(), 1, "{}", String::from_utf8_lossy(&bytes));
    }
    assert_eq!(needles.found_in(b"nothing of the kind, S3cret-of-somebody-012 is cut off"), Vec::<String>::new());

    let mut raw = Needles::default();
    raw.add(&URL_SAFE_NO_PAD.encode([7; 32]), "a token");
    assert_eq!(raw.found_in(&[[0; 9].as_slice(), &[7; 32], &[0; 9]].concat()), ["a token decoded, in clear"]);
    assert_eq!(raw.found_in(hex(&[7; 40]).as_bytes()), ["a token decoded, in hexadecimal"]);
}
