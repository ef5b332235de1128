//! Parameters of a query or form, as OAuth wants them read.

use std::collections::BTreeSet;

use super::authorize::{OAuthCode, OAuthError};

/// Decoded parameters of a query or form, in order. A parameter without a value counts as absent (RFC 6749,
/// section 3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameters {
    pairs: Vec<(String, String)>,
    /// Everything decoded to UTF-8.
    is_text: bool,
}

/// A parameter that stands more than once, where each may stand once (RFC 6749, section 3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeated(pub String);

impl Parameters {
    /// Reads `application/x-www-form-urlencoded` text.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let pairs = url::form_urlencoded::parse(text.as_bytes()).into_owned();
        Self { pairs: pairs.filter(|(_, value)| !value.is_empty()).collect(), is_text: is_text(text) }
    }

    /// A form's text as the query of an address, with the same parameters in the same order. None when it is not UTF-8.
    #[must_use]
    pub fn as_query(form: &str) -> Option<String> {
        let pairs = url::form_urlencoded::parse(form.as_bytes());
        is_text(form).then(|| url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish())
    }

    /// Whether everything decodes to UTF-8. What does not could not be given back byte for byte.
    pub fn check_text(&self) -> Result<(), OAuthError> {
        if self.is_text {
            return Ok(());
        }
        Err(OAuthError::new(OAuthCode::InvalidRequest, "a parameter is not UTF-8"))
    }

    pub fn one(&self, name: &str) -> Result<Option<&str>, Repeated> {
        let mut found = self.pairs.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let first = found.next();
        if found.next().is_some() { Err(Repeated(name.to_owned())) } else { Ok(first) }
    }

    /// The first parameter that stands twice, whatever its name.
    pub fn check_once_each(&self) -> Result<(), Repeated> {
        let mut seen = BTreeSet::new();
        for (name, _) in &self.pairs {
            if !seen.insert(name) {
                return Err(Repeated(name.clone()));
            }
        }
        Ok(())
    }
}

fn is_text(form: &str) -> bool {
    form.split(['&', '=']).all(|part| percent_encoding::percent_decode_str(part).decode_utf8().is_ok())
}

impl From<Repeated> for OAuthError {
    fn from(repeated: Repeated) -> Self {
        // The name comes from outside; only what is plain is repeated to the client.
        let name: String = repeated.0.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(40).collect();
        Self::new(OAuthCode::InvalidRequest, format!("the parameter {name} stands more than once"))
    }
}
