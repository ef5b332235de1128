//! Addresses that look like a registered one and are not: every one must be refused.

use std::collections::BTreeSet;

/// Where an attacker would like people to end up.
pub(super) const EVIL: &str = "evil.test";

/// Shapes of an address, one to a line, each as it stands in a JSON string; `;` begins a heading. `{s}` is the scheme of
/// the registered one, `{h}` its host, `{p}` its path, `{q}` its query with the question mark; `{S}`, `{H}` and `{P}` are
/// the same in upper case.
const SHAPES: &str = include_str!("redirect_uris.txt");

fn shapes() -> impl Iterator<Item = String> {
    let lines = SHAPES.lines().filter(|line| !line.is_empty() && !line.starts_with("; "));
    lines.map(|line| serde_json::from_str(&format!("\"{line}\"")).expect("the inside of a JSON string"))
}

/// Every shape, with the parts of a registered address.
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
    shapes().map(move |shape| parts.iter().fold(shape, |text, (place, part)| text.replace(place, part)))
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

/// Every address made of these, which are not among them; in order, each once. None is empty: that is a parameter left
/// out.
pub(super) fn corpus(registered: &[&str]) -> Vec<String> {
    let made = registered.iter().flat_map(|uri| shaped(uri).chain(edited(uri)).chain(long(uri)));
    let distinct: BTreeSet<String> = made.collect();
    distinct.into_iter().filter(|uri| !uri.is_empty() && !registered.contains(&uri.as_str())).collect()
}

#[test]
fn the_corpus_is_large_and_each_shape_makes_something_of_its_own() {
    let shapes = shapes().count();
    let distinct: BTreeSet<String> = shaped("https://rp.test/cb2?keep=a%20b").collect();
    assert!(shapes >= 300, "{shapes}");
    assert!(distinct.len() > shapes - 20, "{} of {shapes}", distinct.len());
}
