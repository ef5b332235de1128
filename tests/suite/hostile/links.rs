//! Where an answer leads, as a browser reads it.

use axum::http::header;
use url::Url;

use crate::html::{Tag, tags};
use crate::support::answer::Answer;
use crate::support::app::ISSUER;

/// Attributes whose value a browser loads, follows or sends to.
const LINKS: [&str; 10] =
    ["action", "background", "cite", "data", "formaction", "href", "ping", "poster", "src", "srcset"];

/// Where an answer sends a browser without being asked, or with a form that is filled in.
pub(super) fn leads(answer: &Answer) -> Vec<String> {
    let mut found = Vec::new();
    for name in [header::LOCATION, header::REFRESH, header::LINK, header::CONTENT_LOCATION] {
        found.extend(answer.headers.get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()));
    }
    for tag in page(answer) {
        if tag.attribute("http-equiv").is_some() {
            let content = tag.attribute("content").unwrap();
            found.push(decode(content.strip_prefix("0; url=").unwrap_or(content)));
        }
        found.extend(["action", "formaction"].into_iter().filter_map(|name| tag.attribute(name)).map(decode));
    }
    found
}

/// Every address in the attributes of a page, in order.
pub(super) fn links(answer: &Answer) -> Vec<String> {
    let all = page(answer).into_iter().flat_map(|tag| tag.attributes);
    all.filter(|(name, _)| LINKS.contains(&name.as_str())).map(|(_, value)| decode(&value)).collect()
}

fn page(answer: &Answer) -> Vec<Tag> {
    if answer.header("content-type").starts_with("text/html") { tags(&answer.text()) } else { Vec::new() }
}

/// The references that our templates write.
fn decode(text: &str) -> String {
    let text = text.replace("&#38;", "&").replace("&amp;", "&");
    text.replace("&#39;", "'").replace("&#34;", "\"").replace("&#60;", "<").replace("&#62;", ">")
}

/// Whether a browser that is on one of our pages stays with us when it goes to `text`.
pub(super) fn is_ours(text: &str) -> bool {
    let ours = Url::parse(ISSUER).unwrap();
    ours.join(text).is_ok_and(|url| url.origin() == ours.origin() && url.username().is_empty())
}

/// Whether `text` is this registered address, with nothing but parameters added at its end.
pub(super) fn is_registered(text: &str, registered: &str) -> bool {
    let separator = if registered.contains('?') { '&' } else { '?' };
    let added = text.strip_prefix(registered);
    let url = Url::parse(text);
    added.is_some_and(|added| added.is_empty() || added.starts_with(separator))
        && url.is_ok_and(|url| url.origin() == Url::parse(registered).unwrap().origin() && url.fragment().is_none())
}

#[test]
fn what_is_ours_is_told_as_a_browser_does() {
    for ours in ["/sign-in?tx=a", "https://login.test/go", "https://LOGIN.test:443/", "?x=//evil.test", ""] {
        assert!(is_ours(ours), "{ours}");
    }
    for other in [
        "//evil.test/",
        "/\\evil.test",
        "/\t/evil.test",
        "http:/evil.test",
        "javascript:alert(1)",
        "https://login.test@evil.test/",
        "https://evil.test@login.test/",
        "https://login.test.evil.test/",
        "http://login.test/",
        "https://login.test:8443/",
    ] {
        assert!(!is_ours(other), "{other}");
    }
    let registered = "https://rp.test/cb2?keep=a%20b";
    assert!(is_registered("https://rp.test/cb2?keep=a%20b&code=x", registered));
    for other in ["https://rp.test/cb2?keep=a%20b?x", "https://rp.test/cb2?keep=a%20bc", "https://rp.test/cb2"] {
        assert!(!is_registered(other, registered), "{other}");
    }
    assert!(!is_registered("https://rp.test/cb?a=b#f", "https://rp.test/cb"));
    assert!(!is_registered("https://rp.test/cb/", "https://rp.test/cb"));
}
