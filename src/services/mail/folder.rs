//! Mail as files, for demos, tests and machines without a mail server.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::message::MessageId;

/// A folder that holds one `<message id>.eml` per mail. A repeat replaces the file it wrote before.
///
/// Files are readable by their owner alone: they hold live links.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    path: PathBuf,
    /// One writer at a time, so that two sends of the same mail do not share a temporary file.
    writer: Arc<Mutex<()>>,
}

impl Folder {
    /// Makes the folder if it is not there.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        Ok(Self { path: path.to_owned(), writer: Arc::default() })
    }

    /// Writes one mail: whole under its final name, on disk when this returns, or not at all.
    pub(super) async fn write(&self, id: &MessageId, bytes: Vec<u8>) -> io::Result<PathBuf> {
        let folder = self.clone();
        let name = format!("{id}.eml");
        tokio::task::spawn_blocking(move || folder.write_now(&name, &bytes)).await.map_err(io::Error::other)?
    }

    fn write_now(&self, name: &str, bytes: &[u8]) -> io::Result<PathBuf> {
        let _alone = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        // The process id keeps two processes apart; a leftover of a killed one is written over or ignored.
        let temporary = self.path.join(format!(".{name}.{}", std::process::id()));
        let place = self.path.join(name);
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, &place)?;
        // A rename is durable once the folder itself is on disk.
        fs::File::open(&self.path)?.sync_all()?;
        Ok(place)
    }

    /// Whether files can be made here.
    pub(super) async fn check(&self) -> io::Result<()> {
        let probe = self.path.join(format!(".check.{}", std::process::id()));
        tokio::fs::write(&probe, b"").await?;
        tokio::fs::remove_file(&probe).await
    }
}
