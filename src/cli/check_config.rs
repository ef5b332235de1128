//! `flybridge check-config`

use std::path::Path;

use super::start::{StartError, load};

/// Without a client the program starts and nobody can sign in: easily overlooked, and no mistake in what is written.
const NO_CLIENT: &str = r#"
But nobody can sign in yet: no client is registered. Add one to the file, for example
  [[clients]]
  id = "sentry"
  name = "Sentry"
  preset = "sentry-fly"
  secret_file = "/run/secrets/sentry"
  redirect_uris = ["https://sentry.example.com/auth/sso/"]
  home = "https://sentry.example.com/auth/login/""#;

#[expect(clippy::print_stdout, reason = "the command line speaks to a person")]
pub fn run(file: Option<&Path>) -> Result<(), StartError> {
    let config = load(file)?;
    println!("The configuration is good: {} with {} client(s).", config.server.issuer.as_str(), config.clients.len());
    if config.clients.is_empty() {
        println!("{NO_CLIENT}");
    }
    Ok(())
}
