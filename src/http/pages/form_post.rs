//! The page that carries an answer to an application in a form.

use askama::Template;

use super::Frame;

/// OAuth 2.0 Form Post Response Mode: the script sends the form at once; without scripts a person presses the button.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/form_post.html")]
pub struct FormPostPage {
    pub frame: Frame,
    /// Name of the application.
    pub client: String,
    /// The verified redirect URI.
    pub action: String,
    /// Names and values, in order.
    pub fields: Vec<(String, String)>,
}

impl FormPostPage {
    #[must_use]
    pub fn samples() -> Vec<(&'static str, Self)> {
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let code = Self {
            frame: Frame::new(false, ""),
            client: "Sentry".into(),
            action: "https://sentry.example/auth/sso/".into(),
            fields: vec![
                field("code", "fbc_3v7k9m2p.x"),
                field("state", "a\"b<c>&'d:fly"),
                field("iss", "https://login.example"),
            ],
        };
        let error = vec![
            field("error", "login_required"),
            field("error_description", "the person has to sign in"),
            field("iss", "https://login.example"),
        ];
        vec![("error", Self { fields: error, ..code.clone() }), ("code", code)]
    }
}
