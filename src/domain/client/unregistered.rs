//! In what an address that a client sent differs from those it registered, for the log: whoever set the client up sees at
//! a glance what to mend.

use super::super::authorize::Received;

/// The parts of an address as they are spelled (RFC 3986, section 3), since addresses are compared byte for byte.
struct Parts<'a> {
    scheme: &'a str,
    user: Option<&'a str>,
    host: &'a str,
    port: Option<&'a str>,
    path: &'a str,
    query: Option<&'a str>,
    fragment: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Self {
        let (text, fragment) = cut(text, '#');
        let (text, query) = cut(text, '?');
        let (scheme, rest) = text.split_once(':').unwrap_or(("", text));
        let (authority, path) = match rest.strip_prefix("//") {
            Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
            None => ("", rest),
        };
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        // The colons of an IPv6 address stand in brackets.
        let (host, port) = match host.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (host, None),
        };
        Self { scheme, user, host, port, path, query, fragment }
    }

    /// What is different, and how little alike that makes them.
    fn differences(&self, known: &Self) -> (u32, Vec<&'static str>) {
        let path = path_differs(self.path, known.path);
        let host = if self.host.eq_ignore_ascii_case(known.host) { "the case of its host" } else { "its host" };
        let all = [
            (16, "its scheme", self.scheme != known.scheme),
            (2, "user information before the host", self.user != known.user),
            (if host == "its host" { 32 } else { 1 }, host, self.host != known.host),
            (8, "its port", self.port != known.port),
            (if path == "its path" { 4 } else { 1 }, path, self.path != known.path),
            (2, "its query", self.query != known.query),
            (2, "its fragment", self.fragment != known.fragment),
        ];
        let found = all.into_iter().filter(|(_, _, differs)| *differs);
        found.fold((0, Vec::new()), |(sum, mut words), (weight, word, _)| {
            words.push(word);
            (sum + weight, words)
        })
    }
}

fn cut(text: &str, at: char) -> (&str, Option<&str>) {
    text.split_once(at).map_or((text, None), |(before, after)| (before, Some(after)))
}

fn path_differs(sent: &str, known: &str) -> &'static str {
    let decoded = |path: &str| percent_encoding::percent_decode_str(path).collect::<Vec<u8>>();
    if sent.trim_end_matches('/') == known.trim_end_matches('/') {
        "its trailing slash"
    } else if sent.eq_ignore_ascii_case(known) {
        "the case of its path"
    } else if decoded(sent) == decoded(known) {
        "the percent-encoding of its path"
    } else {
        "its path"
    }
}

/// One sentence about `sent`, which is none of `registered`: the nearest of them, and what is different.
pub(super) fn difference(registered: &[String], sent: &str) -> String {
    let compared = registered.iter().map(|known| (Parts::of(sent).differences(&Parts::of(known)), known));
    match compared.min_by_key(|((sum, _), _)| *sum) {
        None => "the client has registered none".to_owned(),
        Some(((_, words), known)) => {
            let known = Received::ours(known);
            format!("it differs from the registered {} in {}", known.as_str(), words.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_registered_address_is_named_with_what_is_different() {
        let registered = ["https://rp.test/cb", "https://rp.test/cb2?keep=a%20b", "https://[::1]:8443/cb"];
        let registered = registered.map(str::to_owned);
        for (sent, nearest, words) in [
            ("https://rp.test/cb/", 0, "its trailing slash"),
            ("https://rp.test/CB", 0, "the case of its path"),
            ("https://rp.test/%63b", 0, "the percent-encoding of its path"),
            ("https://rp.test/callback", 0, "its path"),
            ("https://RP.test/cb", 0, "the case of its host"),
            ("http://rp.test/cb", 0, "its scheme"),
            ("https://rp.test:443/cb", 0, "its port"),
            ("https://rp.test/cb?x=1", 0, "its query"),
            ("https://rp.test/cb#top", 0, "its fragment"),
            ("https://me@rp.test/cb", 0, "user information before the host"),
            ("https://rp.test/cb2", 1, "its query"),
            ("https://rp.test/cb2?keep=a+b", 1, "its query"),
            ("https://[::1]/cb", 2, "its port"),
            ("http://evil.test/cb/", 0, "its scheme, its host, its trailing slash"),
            ("cb", 0, "its scheme, its host, its path"),
        ] {
            let expected = format!("it differs from the registered {} in {words}", registered[nearest]);
            assert_eq!(difference(&registered, sent), expected, "{sent}");
        }
        assert_eq!(difference(&[], "https://rp.test/cb"), "the client has registered none");
    }
}
