//! The embedded default: SQLite, one file in WAL mode, every commit on disk before its answer.
//!
//! One thread writes and puts the changes of many callers into one transaction (`sqlite/writer.rs`); a few threads with
//! connections of their own read beside it (`sqlite/readers.rs`), so the async runtime never waits for the disk. Another
//! process (a command on the same machine) may open the same file at the same time.

mod readers;
mod schema;
mod writer;

use std::path::Path;

use futures_util::future::BoxFuture;
use rusqlite::ErrorCode;
use tokio::sync::oneshot;

use super::{Backend, Key, Outcome, Record, Scan, StoreError, Txn};
use crate::clock::Timestamp;
use readers::Readers;
use writer::Writer;

/// A store in one file. Dropping it finishes what was accepted and closes the file.
pub struct SqliteStore {
    // Dropped first: the writer's connection is then the last one, and takes the log back into the file.
    readers: Readers,
    writer: Writer,
}

impl SqliteStore {
    /// Opens or makes the file at `path` (mode 0600) and the folder around it.
    ///
    /// # Errors
    /// When the file cannot be opened, is not ours, is of a newer program, or its disk cannot keep a log.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::open_limited(path, None)
    }

    /// Like [`SqliteStore::open`], and commits are refused as [`StoreError::Full`] once the file would outgrow
    /// `max_bytes`.
    ///
    /// # Errors
    /// See [`SqliteStore::open`].
    pub fn open_limited(path: impl AsRef<Path>, max_bytes: Option<u64>) -> Result<Self, StoreError> {
        let path = path.as_ref();
        schema::make_file(path)?;
        let connection = schema::open_for_writing(path, max_bytes)?;
        let writer = Writer::start(connection)?;
        let readers = Readers::start(path)?;
        Ok(Self { readers, writer })
    }
}

impl Backend for SqliteStore {
    fn get<'a>(&'a self, keys: &'a [Key]) -> BoxFuture<'a, Result<Vec<Option<Record>>, StoreError>> {
        let keys = keys.to_vec();
        Box::pin(self.readers.run(move |statements| statements.get(&keys)))
    }

    fn scan<'a>(&'a self, scan: &'a Scan) -> BoxFuture<'a, Result<Vec<(Key, Record)>, StoreError>> {
        let scan = scan.clone();
        Box::pin(self.readers.run(move |statements| statements.scan(&scan)))
    }

    fn commit(&self, txn: Txn) -> BoxFuture<'_, Result<Outcome, StoreError>> {
        Box::pin(self.writer.commit(txn))
    }

    /// The file has no clock, and one node alone.
    fn ping(&self) -> BoxFuture<'_, Result<Option<Timestamp>, StoreError>> {
        Box::pin(async {
            self.readers.probe().await?;
            self.writer.probe().await?;
            Ok(None)
        })
    }

    fn collect(&self, expired_before: Timestamp, limit: usize) -> BoxFuture<'_, Result<usize, StoreError>> {
        Box::pin(self.writer.collect(expired_before, limit))
    }
}

/// The error as the rest of the program knows it. "Malformed" says nothing about any one record: SQLite says it also when
/// the disk could not be read (`EIO` becomes `SQLITE_CORRUPT`), and the next attempt may find everything in order.
fn explain(error: &rusqlite::Error) -> StoreError {
    let text = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull | ErrorCode::ReadOnly) => StoreError::Full(text),
        Some(ErrorCode::NotADatabase) => StoreError::Corrupt(text),
        _ => StoreError::Unavailable(text),
    }
}

/// The answer of a thread; a thread that is gone has none.
async fn answer<T>(reply: oneshot::Receiver<Result<T, StoreError>>) -> Result<T, StoreError> {
    reply.await.unwrap_or_else(|_| Err(StoreError::Unavailable("the database thread has ended".to_owned())))
}
