//! Addresses that look like a registered one and are not: every one must be refused.

use std::collections::BTreeSet;

/// Where an attacker would like people to end up.
pub(super) const EVIL: &str = "evil.test";

/// Shapes of an address. `{s}` is the scheme of the registered one, `{h}` its host, `{p}` its path, `{q}` its query with
/// the question mark; `{S}`, `{H}` and `{P}` are the same in upper case.
const SHAPES: &[&[&str]] = &[
    USER_INFO,
    CASE,
    PORTS,
    HOSTS,
    LOOK_ALIKES,
    PATHS,
    BACKSLASHES,
    CONTROLS,
    SCHEMES,
    QUERIES,
    FRAGMENTS,
    RELATIVE,
];

const USER_INFO: &[&str] = &[
    "{s}://user@{h}{p}{q}",
    "{s}://user:secret@{h}{p}{q}",
    "{s}://@{h}{p}{q}",
    "{s}://:@{h}{p}{q}",
    "{s}://{h}@evil.test{p}{q}",
    "{s}://{h}:443@evil.test{p}{q}",
    "{s}://{h}%40evil.test{p}{q}",
    "{s}://{h}%2540evil.test{p}{q}",
    "{s}://evil.test@{h}{p}{q}",
    "{s}://evil.test%2f@{h}{p}{q}",
    "{s}://evil.test#@{h}{p}{q}",
    "{s}://evil.test?@{h}{p}{q}",
    "{s}://evil.test&@{h}{p}{q}",
    "{s}://a@evil.test@{h}{p}{q}",
    "{s}://a@{h}@evil.test{p}{q}",
    "{s}://{h}\u{0}@evil.test{p}{q}",
    "{s}://{h}{p}@evil.test/",
    "{s}://{h}{p}{q}@evil.test",
];

const CASE: &[&str] =
    &["{S}://{h}{p}{q}", "Https://{h}{p}{q}", "{s}://{H}{p}{q}", "{s}://{h}{P}{q}", "{S}://{H}{P}{q}"];

const PORTS: &[&str] = &[
    "{s}://{h}:443{p}{q}",
    "{s}://{h}:0443{p}{q}",
    "{s}://{h}:{p}{q}",
    "{s}://{h}:0{p}{q}",
    "{s}://{h}:1{p}{q}",
    "{s}://{h}:80{p}{q}",
    "{s}://{h}:8443{p}{q}",
    "{s}://{h}:65535{p}{q}",
    "{s}://{h}:65536{p}{q}",
    "{s}://{h}:65979{p}{q}",
    "{s}://{h}:-443{p}{q}",
    "{s}://{h}:+443{p}{q}",
    "{s}://{h}:443:443{p}{q}",
    "{s}://{h}: 443{p}{q}",
    "{s}://{h}:\u{ff14}\u{ff14}\u{ff13}{p}{q}",
    "{s}://{h}:443.evil.test{p}{q}",
    "{s}://{h}%3a443{p}{q}",
];

const HOSTS: &[&str] = &[
    "{s}://evil.test{p}{q}",
    "{s}://evil.test/{s}://{h}{p}{q}",
    "{s}://evil.test/{h}{p}{q}",
    "{s}://evil.test?{s}://{h}{p}{q}",
    "{s}://www.{h}{p}{q}",
    "{s}://a.{h}{p}{q}",
    "{s}://*.{h}{p}{q}",
    "{s}://.{h}{p}{q}",
    "{s}://..{h}{p}{q}",
    "{s}://{h}.{p}{q}",
    "{s}://{h}..{p}{q}",
    "{s}://{h}.evil.test{p}{q}",
    "{s}://{h}-evil.test{p}{q}",
    "{s}://{h}evil.test{p}{q}",
    "{s}://{h},evil.test{p}{q}",
    "{s}://{h};evil.test{p}{q}",
    "{s}://{h}|evil.test{p}{q}",
    "{s}://{h}_.evil.test{p}{q}",
    "{s}://evil{h}{p}{q}",
    "{s}://evil-{h}{p}{q}",
    "{s}://evil.test.{h}{p}{q}",
    "{s}://{h}%2eevil.test{p}{q}",
    "{s}://{h}%252eevil.test{p}{q}",
    "{s}://{h}%00.evil.test{p}{q}",
    "{s}://{h}%0a.evil.test{p}{q}",
    "{s}://{h}%20.evil.test{p}{q}",
    "{s}://{h}%23.evil.test{p}{q}",
    "{s}://{h}%2f.evil.test{p}{q}",
    "{s}://{h}%5c.evil.test{p}{q}",
    "{s}://{h}:443.evil.test{p}{q}",
    "{s}://{h}!.evil.test{p}{q}",
    "{s}://{h}'.evil.test{p}{q}",
    "{s}://{h}\".evil.test{p}{q}",
    "{s}://{h}<.evil.test{p}{q}",
    "{s}://{h}{.evil.test{p}{q}",
    "{s}://[{h}]{p}{q}",
    "{s}://[::1]{p}{q}",
    "{s}://[::ffff:192.0.2.1]{p}{q}",
    "{s}://[2001:db8::1]:443{p}{q}",
    "{s}://[2001:db8::1%25eth0]{p}{q}",
    "{s}://[::1].{h}{p}{q}",
    "{s}://[::1]@{h}{p}{q}",
    "{s}://[{p}{q}",
    "{s}://192.0.2.1{p}{q}",
    "{s}://3221225985{p}{q}",
    "{s}://0xc0.0.2.1{p}{q}",
    "{s}://0300.0.02.01{p}{q}",
    "{s}://127.1{p}{q}",
    "{s}://localhost{p}{q}",
    "{s}://{p}{q}",
    "{s}://login.test{p}{q}",
];

/// Letters of other scripts, full width, ideographic full stops, soft hyphens, joiners, directions, punycode.
const LOOK_ALIKES: &[&str] = &[
    "{s}://{h}\u{3002}evil.test{p}{q}",
    "{s}://{h}\u{ff0e}evil.test{p}{q}",
    "{s}://{h}\u{ff61}evil.test{p}{q}",
    "{s}://{h}\u{ff0f}evil.test{p}{q}",
    "{s}://{h}\u{2044}evil.test{p}{q}",
    "{s}://{h}\u{2215}.evil.test{p}{q}",
    "{s}://{h}\u{ff1f}.evil.test{p}{q}",
    "{s}://{h}\u{ff03}.evil.test{p}{q}",
    "{s}://{h}\u{fe56}.evil.test{p}{q}",
    "{s}://{h}\u{ff20}evil.test{p}{q}",
    "{s}://evil.test\u{ff20}{h}{p}{q}",
    "{s}://{h}\u{ff1a}443{p}{q}",
    "{s}://{h}\u{ad}{p}{q}",
    "{s}://\u{ad}{h}{p}{q}",
    "{s}://{h}\u{200b}{p}{q}",
    "{s}://{h}\u{200d}{p}{q}",
    "{s}://{h}\u{2060}{p}{q}",
    "{s}://{h}\u{feff}{p}{q}",
    "{s}://\u{202e}{h}{p}{q}",
    "{s}://{h}\u{202e}tset.live{p}{q}",
    "{s}://{h}\u{301}{p}{q}",
    "{s}://xn--{h}{p}{q}",
    "{s}://xn--80ak6aa92e.test{p}{q}",
    "{s}://\u{440}\u{440}.test{p}{q}",
    "{s}://r\u{440}.test{p}{q}",
    "{s}://\u{455}entry.test{p}{q}",
    "{s}://sentry\u{2024}test{p}{q}",
    "{s}://rp.te\u{17f}t{p}{q}",
    "{s}://rp.t\u{212f}st{p}{q}",
    "{s}://rp.te\u{df}t{p}{q}",
    "{s}://{h}{p}\u{301}{q}",
    "{s}://{h}\u{ff0f}{p}{q}",
    "\u{ff48}ttps://{h}{p}{q}",
    "https\u{ff1a}//{h}{p}{q}",
    "https:\u{ff0f}\u{ff0f}{h}{p}{q}",
    "http\u{17f}://{h}{p}{q}",
];

const PATHS: &[&str] = &[
    "{s}://{h}{p}/{q}",
    "{s}://{h}{p}//{q}",
    "{s}://{h}/{p}{q}",
    "{s}://{h}//{p}{q}",
    "{s}://{h}/.{p}{q}",
    "{s}://{h}/..{p}{q}",
    "{s}://{h}/../..{p}{q}",
    "{s}://{h}/x/..{p}{q}",
    "{s}://{h}/%2e{p}{q}",
    "{s}://{h}/%2e%2e{p}{q}",
    "{s}://{h}/x/%2e%2e{p}{q}",
    "{s}://{h}/x/.%2e{p}{q}",
    "{s}://{h}/%252e%252e{p}{q}",
    "{s}://{h}/x/%252e%252e{p}{q}",
    "{s}://{h}/%c0%ae%c0%ae{p}{q}",
    "{s}://{h}{p}/.{q}",
    "{s}://{h}{p}/./{q}",
    "{s}://{h}{p}/..{q}",
    "{s}://{h}{p}/../{q}",
    "{s}://{h}{p}/../../evil{q}",
    "{s}://{h}{p}/%2e%2e/evil{q}",
    "{s}://{h}{p}/..;/evil{q}",
    "{s}://{h}{p}/x/..{q}",
    "{s}://{h}{p}%2f{q}",
    "{s}://{h}{p}%2F..%2Fevil{q}",
    "{s}://{h}{p}%252f{q}",
    "{s}://{h}{p}%{q}",
    "{s}://{h}{p}%2{q}",
    "{s}://{h}{p}%zz{q}",
    "{s}://{h}{p}%00{q}",
    "{s}://{h}{p}%20{q}",
    "{s}://{h}{p}%09{q}",
    "{s}://{h}{p}%0d%0aLocation:%20https://evil.test{q}",
    "{s}://{h}{p}%2500{q}",
    "{s}://{h}{p};{q}",
    "{s}://{h}{p};x=1{q}",
    "{s}://{h}{p};@evil.test{q}",
    "{s}://{h}{p}.{q}",
    "{s}://{h}{p}.html{q}",
    "{s}://{h}{p}2{q}",
    "{s}://{h}{p}x{q}",
    "{s}://{h}{p},{q}",
    "{s}://{h}{p}*{q}",
    "{s}://{h}{p}~{q}",
    "{s}://{h}{p}{p}{q}",
    "{s}://{h}/x{p}{q}",
    "{s}://{h}/",
    "{s}://{h}",
    "{s}://{h}/{q}",
    "{s}://{h}/open?to={s}://evil.test",
    "{s}://{h}{p}{s}://evil.test",
];

const BACKSLASHES: &[&str] = &[
    "{s}:\\\\{h}{p}{q}",
    "{s}:/\\{h}{p}{q}",
    "{s}:\\/{h}{p}{q}",
    "{s}:\\{h}{p}{q}",
    "{s}://\\{h}{p}{q}",
    "{s}://{h}\\{p}{q}",
    "{s}://{h}\\evil.test{p}{q}",
    "{s}://{h}\\.evil.test{p}{q}",
    "{s}://{h}\\@evil.test{p}{q}",
    "{s}://{h}\\\\@evil.test{p}{q}",
    "{s}://evil.test\\@{h}{p}{q}",
    "{s}://evil.test\\.{h}{p}{q}",
    "{s}://{h}\\..{p}{q}",
    "{s}://{h}{p}\\{q}",
    "{s}://{h}{p}\\..\\evil{q}",
    "{s}://{h}%5c{p}{q}",
    "{s}://{h}{p}%5c{q}",
    "{s}://{h}%5c@evil.test{p}{q}",
];

const CONTROLS: &[&str] = &[
    " {s}://{h}{p}{q}",
    "{s}://{h}{p}{q} ",
    "\t{s}://{h}{p}{q}",
    "{s}://{h}{p}{q}\t",
    "\n{s}://{h}{p}{q}",
    "{s}://{h}{p}{q}\n",
    "\r\n{s}://{h}{p}{q}",
    "{s}://{h}{p}{q}\r\n",
    "{s}://{h}{p}{q}\r\nSet-Cookie: a=b",
    "{s}://{h}{p}{q}\r\n\r\n<script>alert(1)</script>",
    "{s}://{h}{p}{q}\u{b}",
    "{s}://{h}{p}{q}\u{c}",
    "{s}://{h}{p}{q}\u{0}",
    "\u{0}{s}://{h}{p}{q}",
    "{s}://{h}{p}{q}\u{0}.evil.test",
    "\u{1}{s}://{h}{p}{q}",
    "\u{7f}{s}://{h}{p}{q}",
    "\u{85}{s}://{h}{p}{q}",
    "\u{a0}{s}://{h}{p}{q}",
    "\u{3000}{s}://{h}{p}{q}",
    "\u{feff}{s}://{h}{p}{q}",
    "{s}://{h}{p}{q}\u{2028}",
    "{s}://{h}{p}{q}\u{fffd}",
    "ht\ttps://{h}{p}{q}",
    "ht\ntps://{h}{p}{q}",
    "https:\t//{h}{p}{q}",
    "https:/\n/{h}{p}{q}",
    "{s}://\t{h}{p}{q}",
    "{s}://{h}\t{p}{q}",
    "{s}://{h}\n.evil.test{p}{q}",
    "{s}://{h}\r@evil.test{p}{q}",
    "{s}://{h} {p}{q}",
    "{s}://{h} @evil.test{p}{q}",
    "{s}://{h}{p} {q}",
    "{s}://{h}{p}{q} {s}://evil.test/",
    "{s}://{h}{p}{q},{s}://evil.test/",
    "{s}://evil.test/ {s}://{h}{p}{q}",
    "\"{s}://{h}{p}{q}\"",
    "<{s}://{h}{p}{q}>",
    "{s}://{h}{p}{q}\"><script>alert(1)</script>",
    "{s}://{h}{p}{q}' onmouseover='alert(1)",
];

const SCHEMES: &[&str] = &[
    "http://{h}{p}{q}",
    "httpss://{h}{p}{q}",
    "ftp://{h}{p}{q}",
    "ws://{h}{p}{q}",
    "wss://{h}{p}{q}",
    "file://{h}{p}{q}",
    "blob:{s}://{h}{p}{q}",
    "view-source:{s}://{h}{p}{q}",
    "url:{s}://{h}{p}{q}",
    "feed:{s}://{h}{p}{q}",
    "intent://{h}{p}{q}#Intent;scheme=https;end",
    "app.test:{p}{q}",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\nscript:alert(1)",
    "javascript://{h}{p}%0aalert(1)",
    "javascript:{s}://{h}{p}{q}",
    "vbscript:msgbox(1)",
    "data:text/html,<script>alert(1)</script>",
    "data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==",
    "data:{s}://{h}{p}{q}",
    "about:blank",
    "mailto:a@{h}",
    "urn:ietf:wg:oauth:2.0:oob",
    "urn:ietf:wg:oauth:2.0:oob:auto",
    "postmessage",
    "storagerelay://{s}/{h}?id=1",
    "{s}:{h}{p}{q}",
    "{s}:/{h}{p}{q}",
    "{s}:///{h}{p}{q}",
    "{s}:////{h}{p}{q}",
    "{s}//{h}{p}{q}",
    "{s}::{h}{p}{q}",
    "{s}%3a//{h}{p}{q}",
    "{s}%3A%2F%2F{h}{p}{q}",
    "{s}%253A%252F%252F{h}{p}{q}",
    ":{s}://{h}{p}{q}",
    "://{h}{p}{q}",
    "1{s}://{h}{p}{q}",
];

const QUERIES: &[&str] = &[
    "{s}://{h}{p}{q}?",
    "{s}://{h}{p}?",
    "{s}://{h}{p}?x=1",
    "{s}://{h}{p}?code=stolen",
    "{s}://{h}{p}?code=a&state=b",
    "{s}://{h}{p}{q}&",
    "{s}://{h}{p}{q}&x=1",
    "{s}://{h}{p}{q}&keep=a%20b",
    "{s}://{h}{p}{q}&code=stolen",
    "{s}://{h}{p}?x=1&keep=a%20b",
    "{s}://{h}{p}?keep=a%20b&x=1",
    "{s}://{h}{p}?keep=a%20b&keep=a%20b",
    "{s}://{h}{p}?keep=a+b",
    "{s}://{h}{p}?keep=a b",
    "{s}://{h}{p}?keep=a%2520b",
    "{s}://{h}{p}?KEEP=a%20b",
    "{s}://{h}{p}?keep=",
    "{s}://{h}{p}?keep",
    "{s}://{h}{p}?%6beep=a%20b",
    "{s}://{h}{p}%3fkeep=a%20b",
    "{s}://{h}{p}{q}%26x=1",
    "{s}://{h}{p}{q};x=1",
    "{s}://{h}{p}{q}&redirect_uri={s}://evil.test",
    "{s}://{h}{p}{q}?next={s}://evil.test",
];

const FRAGMENTS: &[&str] = &[
    "{s}://{h}{p}{q}#",
    "{s}://{h}{p}{q}#f",
    "{s}://{h}{p}#{q}",
    "{s}://{h}{p}{q}#@evil.test",
    "{s}://{h}{p}{q}#{s}://evil.test",
    "{s}://{h}#{p}{q}",
    "{s}://{h}{p}{q}%23",
    "{s}://{h}{p}{q}%23@evil.test",
];

const RELATIVE: &[&str] = &[
    "//{h}{p}{q}",
    "///{h}{p}{q}",
    "////{h}{p}{q}",
    "//evil.test{p}{q}",
    "/\\evil.test{p}{q}",
    "\\\\evil.test{p}{q}",
    "/\t/evil.test{p}{q}",
    "/%2f/evil.test",
    "{h}{p}{q}",
    "{p}{q}",
    "{q}",
    "/",
    ".",
    "..",
    "?",
    "#",
    "@",
    "*",
    "%",
    "null",
    "undefined",
    "true",
    "0",
    "[]",
    "{s}",
    "{s}:",
    "{s}://",
    "{s}:///",
    "//",
    "/sign-in",
    "/oauth/authorize",
    "https://login.test/oauth/authorize",
    "https://login.test/sign-out",
];

/// The parts of a registered address, for [`SHAPES`].
fn shaped(registered: &str) -> impl Iterator<Item = String> {
    let (scheme, rest) = registered.split_once("://").expect("an absolute address");
    let (host, rest) = rest.split_once('/').expect("an address with a path");
    let (path, query) = rest.find('?').map_or((rest, ""), |at| rest.split_at(at));
    let path = format!("/{path}");
    let parts = [
        ("{s}", scheme.to_owned()),
        ("{S}", scheme.to_uppercase()),
        ("{h}", host.to_owned()),
        ("{H}", host.to_uppercase()),
        ("{P}", path.to_uppercase()),
        ("{p}", path),
        ("{q}", query.to_owned()),
    ];
    SHAPES
        .iter()
        .copied()
        .flatten()
        .map(move |shape| parts.iter().fold((*shape).to_owned(), |text, (place, part)| text.replace(place, part)))
}

/// The registered address with one of its characters left out, doubled, in the other case, encoded once or twice, or cut
/// off from there.
fn edited(registered: &str) -> impl Iterator<Item = String> {
    registered.char_indices().flat_map(move |(at, c)| {
        let (before, after) = (&registered[..at], &registered[at + c.len_utf8()..]);
        let other_case = if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
        let hex = format!("{:02x}", u32::from(c));
        [
            format!("{before}{after}"),
            format!("{before}{c}{c}{after}"),
            format!("{before}{other_case}{after}"),
            format!("{before}%{hex}{after}"),
            format!("{before}%{}{after}", hex.to_uppercase()),
            format!("{before}%25{hex}{after}"),
            before.to_owned(),
        ]
    })
}

/// Much longer than any address there is, within what a request may hold.
fn long(registered: &str) -> [String; 4] {
    let x = "x".repeat(2_000);
    [
        format!("{registered}{x}"),
        format!("{registered}/{}", "../".repeat(700)),
        registered.replacen("://", &format!("://{x}."), 1),
        registered.replacen("://", &format!("://{x}@"), 1),
    ]
}

/// Every address made of those that are registered anywhere, without those registered for this purpose; in order, each
/// once. None is empty: that is a parameter left out.
pub(super) fn corpus(registered: &[&str], allowed: &[&str]) -> Vec<String> {
    let whole = registered.iter().map(|uri| (*uri).to_owned());
    let made = registered.iter().flat_map(|uri| shaped(uri).chain(edited(uri)).chain(long(uri))).chain(whole);
    let distinct: BTreeSet<String> = made.collect();
    distinct.into_iter().filter(|uri| !uri.is_empty() && !allowed.contains(&uri.as_str())).collect()
}

#[test]
fn the_corpus_is_large_and_each_shape_makes_something_of_its_own() {
    let shapes: usize = SHAPES.iter().map(|group| group.len()).sum();
    let distinct: BTreeSet<String> = shaped("https://rp.test/cb2?keep=a%20b").collect();
    assert!(shapes >= 300, "{shapes}");
    assert!(distinct.len() > shapes - 20, "{} of {shapes}", distinct.len());
}
