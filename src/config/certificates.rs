//! Certificates of authorities, from the file that a key names.

use std::fmt;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::parse;
use super::problem::Wrong;
use super::section::Read;
use super::source::Entry;

/// At least one certificate, each of which can be trusted as an authority.
#[derive(Clone)]
pub struct Certificates(Vec<u8>);

impl Certificates {
    /// The file as it was read.
    #[must_use]
    pub fn pem(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} bytes of certificates]", self.0.len())
    }
}

pub(super) fn read(entry: &Entry) -> Read<Certificates> {
    let path = parse::path(entry)?;
    let pem = std::fs::read(&path).map_err(|error| parse::unreadable(&path, &error))?;
    let unusable = |why: &str| {
        let remedy = "Name a file with the certificates of the authorities to trust, in PEM";
        Wrong::new(format!("the certificates in {} cannot be used ({why})", path.display()), remedy)
    };
    let mut authorities = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| unusable(&error.to_string()))?;
        authorities.add(certificate).map_err(|error| unusable(&error.to_string()))?;
    }
    if authorities.is_empty() { Err(unusable("there are none")) } else { Ok(Certificates(pem)) }
}
