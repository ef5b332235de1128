//! Parameters of a query or form, as OAuth wants them read.

use std::collections::BTreeSet;

use super::authorize::{OAuthCode, OAuthError, Received};

/// Decoded parameters of a query or form, in order. A parameter without a value counts as absent (RFC 6749,
/// section 3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameters {
    pairs: Vec<(String, String)>,
    /// The name of the first that does not decode to UTF-8.
    no_text: Option<String>,
}

/// A parameter that stands more than once, where each may stand once (RFC 6749, section 3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeated(pub String);

impl Parameters {
    /// Reads `application/x-www-form-urlencoded` text.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let pairs = url::form_urlencoded::parse(text.as_bytes()).into_owned();
        Self { pairs: pairs.filter(|(_, value)| !value.is_empty()).collect(), no_text: no_text(text) }
    }

    /// A form's text as the query of an address, with the same parameters in the same order. None when it is not UTF-8.
    #[must_use]
    pub fn as_query(form: &str) -> Option<String> {
        let pairs = url::form_urlencoded::parse(form.as_bytes());
        no_text(form)
            .is_none()
            .then(|| url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish())
    }

    /// Whether everything decodes to UTF-8. What does not could not be given back byte for byte.
    pub fn check_text(&self) -> Result<(), OAuthError> {
        let Some(name) = &self.no_text else { return Ok(()) };
        let name = plain(name);
        Err(OAuthError::new(OAuthCode::InvalidRequest, format!("the parameter {name} is not UTF-8")).about(name))
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

/// The name, as far as it can be read, of the first parameter that is not UTF-8.
fn no_text(form: &str) -> Option<String> {
    let decoded = |part: &str| percent_encoding::percent_decode_str(part).decode_utf8().is_ok();
    let pair = form.split('&').find(|pair| !pair.split('=').all(decoded))?;
    Some(url::form_urlencoded::parse(pair.as_bytes()).next().map(|(name, _)| name.into_owned()).unwrap_or_default())
}

/// The name comes from outside: only one that is a name is repeated to the client and to the log.
fn plain(name: &str) -> &str {
    const LONGEST: usize = 40;
    let of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let is_name = (1..=LONGEST).contains(&name.len()) && name.chars().all(of_name);
    if is_name && Received::of(name).as_str() == name { name } else { "of another name" }
}

impl From<Repeated> for OAuthError {
    fn from(repeated: Repeated) -> Self {
        let name = plain(&repeated.0);
        Self::new(OAuthCode::InvalidRequest, format!("the parameter {name} stands more than once")).about(name)
    }
}
