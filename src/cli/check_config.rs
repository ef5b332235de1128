//! `flybridge check-config`

use std::path::Path;

use super::start::{StartError, load};

/// Without a client the program starts and nobody can sign in: easily overlooked, and no mistake in what is written. The
/// store, which is not touched here, may know clients that were registered by command.
const NO_CLIENT: &str = r#"
But nobody can sign in yet, unless a client is registered (`flybridge client list` shows all): `flybridge client add`
registers one. Or add one to the file, for example
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
    let (issuer, clients) = (config.server.issuer.as_str(), config.clients.len());
    println!("The configuration is good: {issuer} with {clients} client(s) of its own.");
    if config.clients.is_empty() {
        println!("{NO_CLIENT}");
    }
    Ok(())
}
