//! Reads a mail back as a mail program would: headers unfolded and decoded, parts in their own encoding.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A mail, or one part of it.
#[derive(Debug)]
pub(crate) struct Mail {
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Mail {
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let split = bytes.windows(4).position(|w| w == b"\r\n\r\n").expect("headers end with an empty line");
        let head = std::str::from_utf8(&bytes[..split]).expect("headers are UTF-8");
        let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
        let headers = unfolded.split("\r\n").map(|line| {
            let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("no header: {line:?}"));
            (name.to_ascii_lowercase(), value.trim().to_owned())
        });
        Self { headers: headers.collect(), body: bytes[split + 4..].to_vec() }
    }

    /// The names of all headers, lower case, in order.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.headers.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// The one header of this name, with its encoded words (RFC 2047) decoded.
    pub(crate) fn header(&self, name: &str) -> String {
        decode_words(self.raw(name))
    }

    fn raw(&self, name: &str) -> &str {
        let mut found = self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        let (_, value) = found.next().unwrap_or_else(|| panic!("no header {name}"));
        assert!(found.next().is_none(), "{name} stands there twice");
        value
    }

    /// The parts of a multipart mail.
    pub(crate) fn parts(&self) -> Vec<Self> {
        let kind = self.raw("content-type");
        assert!(kind.starts_with("multipart/alternative"), "{kind}");
        let (_, boundary) = kind.split_once("boundary=\"").expect("a boundary");
        let boundary = format!("--{}", boundary.trim_end_matches('"'));
        let body = std::str::from_utf8(&self.body).expect("ASCII");
        let mut pieces = body.split(&boundary);
        assert_eq!(pieces.next().map(str::trim), Some(""), "nothing before the first part");
        let mut parts: Vec<&str> = pieces.collect();
        assert_eq!(parts.pop().map(str::trim), Some("--"), "the last boundary closes");
        parts.into_iter().map(|part| Self::parse(part.strip_prefix("\r\n").expect("a line").as_bytes())).collect()
    }

    /// The decoded text of a part of this type.
    pub(crate) fn text(&self, kind: &str) -> String {
        let parts = self.parts();
        let part = parts.iter().find(|p| p.raw("content-type").starts_with(kind)).expect("such a part");
        assert!(part.raw("content-type").contains("utf-8"));
        let bytes = match part.raw("content-transfer-encoding") {
            "7bit" | "8bit" => part.body.clone(),
            "quoted-printable" => decode_quoted(&part.body),
            "base64" => STANDARD.decode(part.body.iter().copied().filter(|b| *b > b' ').collect::<Vec<_>>()).unwrap(),
            other => panic!("encoding {other}"),
        };
        String::from_utf8(bytes).expect("UTF-8").replace("\r\n", "\n")
    }
}

fn decode_quoted(body: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(body).unwrap().replace("=\r\n", "");
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first == b'=' {
            bytes.push(u8::from_str_radix(std::str::from_utf8(&after[..2]).unwrap(), 16).unwrap());
            rest = &after[2..];
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    bytes
}

fn decode_words(value: &str) -> String {
    let mut text = String::new();
    let mut after_word = false;
    for piece in value.split(' ') {
        let encoded = piece.strip_prefix("=?utf-8?b?").and_then(|rest| rest.strip_suffix("?="));
        // White space between two encoded words is not part of the text (RFC 2047, section 6.2).
        let joined = after_word && encoded.is_some();
        if !(text.is_empty() || joined) {
            text.push(' ');
        }
        after_word = encoded.is_some();
        match encoded {
            Some(word) => text.push_str(&String::from_utf8(STANDARD.decode(word).unwrap()).unwrap()),
            None => text.push_str(piece),
        }
    }
    text
}
