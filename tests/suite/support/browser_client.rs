//! A browser without a screen: it keeps cookies as browsers do, tells where a request comes from, and follows nothing
//! by itself.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Method, Request, StatusCode, header};
use flybridge::clock::{Clock as _, Timestamp};
use flybridge::demo::fly::FlyStandIn;
use flybridge::http::server::PeerAddress;
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;
use url::{Url, form_urlencoded};

use super::answer::Answer;
use super::app::{ISSUER, SteppingClock, TestApp};

/// The parameters of a URL; each name once.
pub(crate) fn query(url: &Url) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (name, value) in url.query_pairs().into_owned() {
        assert!(found.insert(name.clone(), value).is_none(), "{name} repeated in {url}");
    }
    found
}

pub(crate) fn encode(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

pub(crate) async fn send(router: &Router, request: Request<Body>) -> Answer {
    let (parts, body) = router.clone().oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer { status: parts.status, headers: parts.headers, body }
}

#[derive(Debug, Clone)]
pub(crate) struct Cookie {
    pub(crate) value: String,
    /// As the server wrote them, lower case.
    pub(crate) attributes: Vec<String>,
    ends: Option<Timestamp>,
}

/// One browser of one person.
#[derive(Clone)]
pub(crate) struct Browser {
    router: Router,
    clock: Arc<SteppingClock>,
    fly: FlyStandIn,
    pub(crate) cookies: BTreeMap<String, Cookie>,
    /// The form token of the last page that had one.
    pub(crate) csrf: String,
    /// Whom the last set-up form was about.
    pub(crate) person: String,
    /// From where it connects.
    pub(crate) peer: SocketAddr,
}

impl Browser {
    pub(crate) fn new(app: &TestApp) -> Self {
        Self {
            router: app.router.clone(),
            clock: Arc::clone(&app.clock),
            fly: app.fly.clone(),
            cookies: BTreeMap::new(),
            csrf: String::new(),
            person: String::new(),
            peer: SocketAddr::from(([192, 0, 2, 1], 40_000)),
        }
    }

    /// A browser that asks another node.
    pub(crate) fn at(self, router: &Router) -> Self {
        Self { router: router.clone(), ..self }
    }

    /// Sends a request with the cookies, and keeps those of the answer.
    pub(crate) async fn send(&mut self, mut request: Request<Body>) -> Answer {
        self.sign(&mut request);
        let answer = send(&self.router, request).await;
        self.keep_cookies(&answer);
        if let Some(csrf) = answer.csrf() {
            self.csrf = csrf;
        }
        if answer.shows("setup-form") {
            self.person = answer.hidden("person").unwrap();
        }
        answer
    }

    /// What a browser adds to every request.
    fn sign(&mut self, request: &mut Request<Body>) {
        let now = self.clock.now();
        self.cookies.retain(|_, cookie| cookie.ends.is_none_or(|ends| now < ends));
        // Cookies of SameSite=Lax do not go along when another site posts.
        let from_elsewhere = request.headers().get("sec-fetch-site").is_some_and(|site| site == "cross-site");
        let held_back = |cookie: &Cookie| {
            from_elsewhere
                && request.method() == Method::POST
                && !cookie.attributes.iter().any(|attribute| attribute == "samesite=none")
        };
        let sent = self.cookies.iter().filter(|(_, cookie)| !held_back(cookie));
        let pairs: Vec<String> = sent.map(|(name, c)| format!("{name}={}", c.value)).collect();
        if !pairs.is_empty() {
            request.headers_mut().insert(header::COOKIE, pairs.join("; ").parse().unwrap());
        }
        let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
        request.headers_mut().insert(header::USER_AGENT, agent.parse().unwrap());
        let accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        request.headers_mut().insert(header::ACCEPT, accept.parse().unwrap());
        request.extensions_mut().insert(PeerAddress(self.peer));
    }

    /// Begins to read an answer that need not have an end.
    pub(crate) async fn stream(&mut self, mut request: Request<Body>) -> (Answer, Body) {
        self.sign(&mut request);
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        (Answer { status: parts.status, headers: parts.headers, body: Bytes::new() }, body)
    }

    fn keep_cookies(&mut self, answer: &Answer) {
        for line in answer.headers.get_all(header::SET_COOKIE) {
            let mut parts = line.to_str().unwrap().split("; ");
            let (name, value) = parts.next().unwrap().split_once('=').unwrap();
            let attributes: Vec<String> = parts.map(str::to_ascii_lowercase).collect();
            let has = |wanted: &str| attributes.iter().any(|attribute| attribute == wanted);
            assert!(name.starts_with("__Host-"), "{name}");
            assert!(has("secure") && has("path=/"), "a browser refuses {name}");
            assert!(!attributes.iter().any(|attribute| attribute.starts_with("domain")), "a browser refuses {name}");
            let age = attributes.iter().find_map(|a| a.strip_prefix("max-age=")).map(|age| age.parse().unwrap());
            let ends = age.map(|age: u64| self.clock.now().plus(Duration::from_secs(age)));
            if age == Some(0) {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), Cookie { value: value.to_owned(), attributes, ends });
            }
        }
    }

    /// A click on a link of our own pages, or a typed address.
    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        let path = path.strip_prefix(ISSUER).unwrap_or(path);
        self.send(Request::get(path).header("sec-fetch-site", "same-origin").body(Body::empty()).unwrap()).await
    }

    /// A form of our own pages, with its token; one for a new password with its person too, unless a field names one.
    pub(crate) async fn post_form(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let (csrf, person) = (self.csrf.clone(), self.person.clone());
        let mut fields = fields.to_vec();
        fields.push(("csrf", &csrf));
        if path.starts_with("/set-up") && !fields.iter().any(|(name, _)| *name == "person") {
            fields.push(("person", &person));
        }
        self.post_bare(path, &fields, &[("sec-fetch-site", "same-origin"), ("origin", ISSUER)]).await
    }

    /// A form with exactly these fields and headers.
    pub(crate) async fn post_bare(
        &mut self,
        path: &str,
        fields: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = Request::builder().method(Method::POST).uri(path);
        request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(encode(fields))).unwrap()).await
    }

    /// The cookie of this short name.
    pub(crate) fn cookie(&self, short: &str) -> Option<&Cookie> {
        self.cookies.get(&format!("__Host-{short}"))
    }

    /// From now on cookies outlive their time, as in a browser that somebody tampers with.
    pub(crate) fn keep_everything(&mut self) {
        for cookie in self.cookies.values_mut() {
            cookie.ends = None;
        }
    }

    /// Opens `start`, which leads to the sign-in page; the id of the transaction.
    pub(crate) async fn begin(&mut self, start: &str) -> String {
        let answer = self.get(start).await;
        let location = answer.location();
        let tx = location.strip_prefix("/sign-in?tx=").unwrap_or_else(|| panic!("{}", answer.said()));
        tx.to_owned()
    }

    /// "Continue with Fly.io": the request that Fly.io gets.
    pub(crate) async fn leave_for_fly(&mut self, tx: &str) -> Url {
        let answer = self.get(&format!("/sign-in/fly?tx={tx}")).await;
        Url::parse(&answer.location()).unwrap()
    }

    /// The person at Fly.io; where Fly.io sends them back to.
    pub(crate) async fn at_fly(&self, asked: &Url, who: &str, button: &str) -> String {
        let asked = query(asked);
        let mut fields: Vec<(&str, &str)> = asked.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        fields.extend([("user", who), (button, "1")]);
        let request = Request::post("/oauth/authorize").header("content-type", "application/x-www-form-urlencoded");
        let request = request.body(Body::from(encode(&fields))).unwrap();
        let answer = send(&self.fly.router(), request).await;
        assert_eq!(answer.status, StatusCode::FOUND, "{}", answer.said());
        answer.header("location").to_owned()
    }

    /// The way through Fly.io, to whatever comes after it.
    pub(crate) async fn fly(&mut self, tx: &str, who: &str) -> Answer {
        let asked = self.leave_for_fly(tx).await;
        let back = self.at_fly(&asked, who, "approve").await;
        let answer = self.get(&back).await;
        self.follow(answer).await
    }

    /// The page that a sign-in ended on, when it did not go on by itself.
    pub(crate) async fn follow(&mut self, answer: Answer) -> Answer {
        let location = answer.header("location").to_owned();
        let ours =
            ["/sign-in/next?", "/sign-in/consent?", "/sign-in/denied?"].iter().any(|page| location.starts_with(page));
        if ours { self.get(&location).await } else { answer }
    }

    /// The sign-in page's other form.
    pub(crate) async fn password(&mut self, tx: &str, email: &str, password: &str) -> Answer {
        let page = self.get(&format!("/sign-in?tx={tx}&all=1")).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.said());
        let fields = [("email", email), ("password", password)];
        let answer = self.post_form(&format!("/sign-in/password?tx={tx}"), &fields).await;
        self.follow(answer).await
    }

    /// The click: the answer to "Disable Fly.io Auth", confirmed.
    pub(crate) async fn disable(&mut self, slug: &str) -> Answer {
        let path = format!("/organizations/{slug}/auth/disable");
        let page = self.get(&path).await;
        assert!(page.shows("disable-form"), "{}", page.said());
        self.post_form(&path, &[("confirm", slug)]).await
    }

    /// Turns Fly.io Auth on again.
    pub(crate) async fn enable(&mut self, slug: &str) -> Answer {
        let path = format!("/organizations/{slug}/auth/enable");
        let page = self.get(&path).await;
        assert!(page.shows("enable-form"), "{}", page.said());
        self.post_form(&path, &[]).await
    }

    /// Opens the page of a run and presses one of its buttons to have mail sent again.
    pub(crate) async fn resend(&mut self, run: &str, button: (&str, &str)) -> Answer {
        let once = self.get(run).await.hidden("once").unwrap();
        self.post_form(&format!("{run}/resend"), &[("once", &once), button]).await
    }

    /// Comes by themselves and ends with a session.
    pub(crate) async fn sign_in_with_fly(&mut self, who: &str) {
        let tx = self.begin("/sign-in").await;
        let answer = self.fly(&tx, who).await;
        assert_eq!(answer.location(), "/go");
    }

    pub(crate) async fn sign_in_with_password(&mut self, email: &str, password: &str) {
        let tx = self.begin("/sign-in").await;
        let answer = self.password(&tx, email, password).await;
        assert_eq!(answer.location(), "/go");
    }

    /// Whether the browser is signed in, which the question before signing out tells.
    pub(crate) async fn is_signed_in(&mut self) -> bool {
        self.get("/sign-out").await.status == StatusCode::OK
    }

    /// Opens the link of a mail and sets a password with it.
    pub(crate) async fn set_password(&mut self, link: &str, password: &str) -> Answer {
        let answer = self.get(link).await;
        assert_eq!(answer.location(), "/set-up");
        let page = self.get("/set-up").await;
        assert!(page.shows("setup-form"), "{}", page.said());
        self.post_form("/set-up", &[("password", password)]).await
    }
}
