//! Somebody with a browser: keeps cookies, follows no redirect by itself, fills in forms.

use std::collections::BTreeMap;

use reqwest::header::HeaderMap;
use url::Url;

use super::process::{Node, http};

/// One browser, at one node. A clone is a second window of a browser that has the same cookies at this moment.
#[derive(Clone)]
pub(crate) struct Visitor {
    http: reqwest::Client,
    base: String,
    pub(crate) cookies: BTreeMap<String, String>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    async fn read(response: reqwest::Response) -> reqwest::Result<Self> {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Self { status, headers, text: response.text().await? })
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Where it redirects to.
    pub(crate) fn location(&self) -> &str {
        assert!((300..400).contains(&self.status), "{}: {}", self.status, self.text);
        self.header("location")
    }

    /// The parameter of the address it redirects to.
    pub(crate) fn parameter(&self, name: &str) -> String {
        parameter(self.location(), name)
    }

    /// The token of the form on the page.
    pub(crate) fn csrf(&self) -> String {
        self.hidden("csrf")
    }

    /// The value of the hidden field of this name.
    pub(crate) fn hidden(&self, name: &str) -> String {
        let field = format!("name=\"{name}\" value=\"");
        let (_, rest) = self.text.split_once(&field).unwrap_or_else(|| panic!("{}", self.text));
        rest.split('"').next().unwrap().to_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{}: {}", self.status, self.text))
    }
}

/// The value of a query parameter; `url` may be a path.
pub(crate) fn parameter(url: &str, name: &str) -> String {
    let url = Url::parse("http://base").unwrap().join(url).unwrap();
    let found = url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    found.unwrap_or_else(|| panic!("no {name} in {url}"))
}

impl Visitor {
    pub(crate) fn at(node: &Node) -> Self {
        Self::of(node.url(""))
    }

    /// At the address `base`, such as that of a demo.
    pub(crate) fn of(base: String) -> Self {
        Self { http: http(), base, cookies: BTreeMap::new() }
    }

    /// The same browser, led to the node at this port.
    pub(crate) fn elsewhere(&self, port: u16) -> Self {
        Self { base: format!("http://127.0.0.1:{port}"), ..self.clone() }
    }

    fn header(&self) -> String {
        let pairs: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("; ")
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        let request = self.http.get(self.address(path)).header("cookie", self.header());
        self.take(request).await
    }

    pub(crate) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.try_post(path, fields).await.unwrap()
    }

    /// A form whose answer may get lost.
    pub(crate) async fn try_post(&mut self, path: &str, fields: &[(&str, &str)]) -> reqwest::Result<Answer> {
        let request = self.http.post(self.address(path)).header("cookie", self.header()).form(fields);
        self.try_take(request).await
    }

    fn address(&self, path: &str) -> String {
        if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.base) }
    }

    async fn take(&mut self, request: reqwest::RequestBuilder) -> Answer {
        self.try_take(request).await.unwrap()
    }

    async fn try_take(&mut self, request: reqwest::RequestBuilder) -> reqwest::Result<Answer> {
        let answer = Answer::read(request.send().await?).await?;
        for value in answer.headers.get_all("set-cookie") {
            let text = value.to_str().unwrap();
            let (name, value) = text.split(';').next().unwrap().split_once('=').unwrap();
            if text.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        Ok(answer)
    }

    /// From `start` to the moment before the callback: gives the address that Fly.io sends the browser back to.
    pub(crate) async fn approve_at_fly(&mut self, start: &str, person: &str) -> String {
        let sign_in = self.get(start).await;
        let leave = self.get(&sign_in.location().replace("/sign-in?", "/sign-in/fly?")).await;
        let consent = Url::parse(leave.location()).unwrap();
        let mut fields: Vec<(String, String)> = consent.query_pairs().into_owned().collect();
        fields.extend([("user", person), ("approve", "1")].map(|(name, value)| (name.to_owned(), value.to_owned())));
        let mut decide = consent.clone();
        decide.set_query(None);
        // Another site: it sees none of our cookies.
        let answer = Answer::read(self.http.post(decide).form(&fields).send().await.unwrap()).await.unwrap();
        answer.location().to_owned()
    }

    /// Signs in through Fly.io; gives the answer to the callback.
    pub(crate) async fn sign_in_with_fly(&mut self, start: &str, person: &str) -> Answer {
        let back = self.approve_at_fly(start, person).await;
        self.get(&back).await
    }

    /// Signs in with e-mail and password; gives the answer to the form.
    pub(crate) async fn sign_in_with_password(&mut self, start: &str, email: &str, password: &str) -> Answer {
        let page = self.get(start).await.location().to_owned();
        let csrf = self.get(&page).await.csrf();
        let form = page.replace("/sign-in?", "/sign-in/password?");
        self.post(&form, &[("csrf", &csrf), ("email", email), ("password", password)]).await
    }

    /// "Disable Fly.io Auth", clicked by an admin who is signed in; gives the path of the run's page.
    pub(crate) async fn disable(&mut self, slug: &str) -> String {
        let path = format!("/organizations/{slug}/auth/disable");
        let preview = self.get(&path).await;
        let answer = self.post(&path, &[("csrf", &preview.csrf()), ("confirm", slug)]).await;
        assert_eq!(answer.status, 303, "{}", answer.text);
        answer.location().to_owned()
    }
}
