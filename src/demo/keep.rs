//! A stand-in's memory in one JSON file, so that a demo that is started again goes on where it stopped.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

#[derive(Debug, Clone, Default)]
pub(super) struct Keep(Option<PathBuf>);

impl Keep {
    /// Without a path nothing is kept.
    pub(super) fn new(path: Option<PathBuf>) -> Self {
        Self(path)
    }

    /// What was kept; nothing when there is none or it does not read.
    pub(super) fn load<T: DeserializeOwned>(&self) -> Option<T> {
        let path = self.0.as_ref()?;
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "the stand-in cannot read what it kept");
                return None;
            }
        };
        match serde_json::from_slice(&bytes) {
            Ok(value) => Some(value),
            Err(error) => {
                // The message may quote a token, so only the place is told.
                tracing::warn!(path = %path.display(), line = error.line(), "the stand-in starts afresh");
                None
            }
        }
    }

    /// Replaces the file whole, so a stop in between leaves the old one.
    pub(super) fn save<T: Serialize>(&self, value: &T) {
        let Some(path) = self.0.as_ref() else { return };
        let written = serde_json::to_vec(value).map_err(io::Error::other).and_then(|bytes| {
            let fresh = path.with_extension("new");
            write_private(&fresh, &bytes)?;
            fs::rename(&fresh, path)
        });
        if let Err(error) = written {
            tracing::warn!(path = %path.display(), %error, "the stand-in cannot keep its state");
        }
    }
}

/// For the owner's eyes alone: there are tokens inside, if only of a stand-in.
fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(bytes)
}
