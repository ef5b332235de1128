//! `flybridge check-config`

use std::path::Path;

use super::start::{StartError, load};

#[expect(clippy::print_stdout, reason = "the command line speaks to a person")]
pub fn run(file: Option<&Path>) -> Result<(), StartError> {
    let config = load(file)?;
    println!("The configuration is good: {} with {} client(s).", config.server.issuer.as_str(), config.clients.len());
    Ok(())
}
