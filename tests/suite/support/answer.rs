//! An answer of the program, and what tests look for in it.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use serde_json::Value;
use url::Url;

use super::browser_client::query;

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The one header of this name, or nothing.
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut values = self.headers.get_all(name).iter();
        let first = values.next().map_or("", |value| value.to_str().unwrap());
        assert!(values.next().is_none(), "{name} stands there twice");
        first
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// Where a 303 leads, or the page that goes on by itself after a form.
    #[track_caller]
    pub(crate) fn location(&self) -> String {
        if self.status == StatusCode::OK && self.shows("go-on") {
            let refresh = self.attributes("content").pop().unwrap();
            return refresh.strip_prefix("0; url=").unwrap().to_owned();
        }
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.said());
        self.header("location").to_owned()
    }

    /// Where a 303 leads, without the query.
    #[track_caller]
    pub(crate) fn place(&self) -> String {
        self.location().split('?').next().unwrap().to_owned()
    }

    /// The query of where a 303 leads; each name once.
    #[track_caller]
    pub(crate) fn sent_back(&self) -> BTreeMap<String, String> {
        query(&Url::parse(&self.location()).unwrap())
    }

    /// Where the form of a `form_post` page leads, and the fields that the browser posts there.
    #[track_caller]
    pub(crate) fn posted(&self) -> (String, BTreeMap<String, String>) {
        assert_eq!(self.status, StatusCode::OK, "{}", self.said());
        let html = self.text();
        let form = html.split_once("<form id=\"form-post\"").unwrap().1.split_once("</form>").unwrap().0.to_owned();
        assert!(form.contains("method=\"post\"") && form.contains("<button"), "{form}");
        let action = form.split_once("action=\"").unwrap().1.split_once('"').unwrap().0;
        let mut fields = BTreeMap::new();
        for input in form.split("<input type=\"hidden\" name=\"").skip(1) {
            let (name, rest) = input.split_once("\" value=\"").unwrap();
            let value = rest.split_once("\">").unwrap().0;
            assert_eq!(fields.insert(name.to_owned(), unescape(value)), None, "{name} once");
        }
        (unescape(action), fields)
    }

    /// The text of the first element with this id, without tags.
    pub(crate) fn element(&self, id: &str) -> Option<String> {
        let html = self.text();
        let at = html.find(&format!("id=\"{id}\""))?;
        let start = at + html[at..].find('>')? + 1;
        let tag = html[..at].rsplit('<').next()?.split_whitespace().next()?.to_owned();
        let end = start + html[start..].find(&format!("</{tag}>"))?;
        let mut text = String::new();
        let mut inside = true;
        for c in html[start..end].chars() {
            match c {
                '<' => inside = false,
                '>' => inside = true,
                c if inside => text.push(c),
                _ => {}
            }
        }
        Some(text.trim().to_owned())
    }

    pub(crate) fn shows(&self, id: &str) -> bool {
        self.text().contains(&format!("id=\"{id}\""))
    }

    /// The values of an attribute, in order.
    pub(crate) fn attributes(&self, name: &str) -> Vec<String> {
        let html = self.text();
        let mark = format!(" {name}=\"");
        let parts = html.split(&mark).skip(1);
        parts.map(|rest| unescape(&rest[..rest.find('"').unwrap()])).collect()
    }

    /// The main heading, for messages of failed assertions and for pages without an id of their own.
    pub(crate) fn heading(&self) -> String {
        let html = String::from_utf8_lossy(&self.body).into_owned();
        let Some(start) = html.find("<h1") else { return html };
        let rest = &html[start..];
        let inner = &rest[rest.find('>').unwrap() + 1..rest.find("</h1>").unwrap()];
        unescape(inner.trim())
    }

    pub(crate) fn said(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let text = if text.len() > 600 { self.heading() } else { text.into_owned() };
        format!("{} {} {text}", self.status, self.headers.get("location").map_or("", |l| l.to_str().unwrap()))
    }

    /// The token of the forms on the page.
    pub(crate) fn csrf(&self) -> Option<String> {
        self.hidden("csrf")
    }

    /// The value of the first hidden field of this name.
    pub(crate) fn hidden(&self, name: &str) -> Option<String> {
        let html = std::str::from_utf8(&self.body).ok()?;
        let (_, rest) = html.split_once(&format!("name=\"{name}\" value=\""))?;
        Some(rest[..rest.find('"')?].to_owned())
    }
}

/// Text of an attribute or element as a browser reads it. The ampersand comes last, or it would be read twice.
fn unescape(html: &str) -> String {
    let entities = [("&amp;", "&"), ("&#60;", "<"), ("&#62;", ">"), ("&#34;", "\""), ("&#39;", "'"), ("&#38;", "&")];
    entities.iter().fold(html.to_owned(), |text, (entity, plain)| text.replace(entity, plain))
}
