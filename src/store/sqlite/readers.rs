//! Reading: a few threads, each with a connection of its own.

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use rusqlite::{Connection, OptionalExtension as _, Row, Statement};
use tokio::sync::oneshot;

use super::{answer, explain, schema};
use crate::clock::Timestamp;
use crate::store::{Key, Record, Scan, StoreError, Version};

type Job = Box<dyn FnOnce(&mut Statements<'_>) + Send>;

/// The reading threads. Dropping it waits for them to finish what they were given.
pub(super) struct Readers {
    jobs: Option<Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    pub(super) fn start(path: &Path) -> Result<Self, StoreError> {
        let (jobs, queue) = channel();
        let queue = Arc::new(Mutex::new(queue));
        let count = thread::available_parallelism().map_or(2, usize::from).clamp(2, 4);
        let mut readers = Self { jobs: Some(jobs), threads: Vec::with_capacity(count) };
        for number in 0..count {
            let connection = schema::open_for_reading(path)?;
            let queue = Arc::clone(&queue);
            let thread = thread::Builder::new()
                .name(format!("sqlite-read-{number}"))
                .spawn(move || run(&connection, &queue))
                .map_err(|e| StoreError::Unavailable(e.to_string()))?;
            readers.threads.push(thread);
        }
        Ok(readers)
    }

    /// Runs `read` on one of the threads.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut Statements<'_>) -> Result<T, rusqlite::Error> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, result) = oneshot::channel();
        let job: Job = Box::new(move |statements| {
            // A caller that no longer waits has no use for the answer.
            let _ = reply.send(read(statements).map_err(|e| explain(&e)));
        });
        if let Some(jobs) = &self.jobs {
            // When no thread is left, the job is dropped with its reply, and the caller hears so.
            let _ = jobs.send(job);
        }
        answer(result).await
    }

    pub(super) async fn probe(&self) -> Result<(), StoreError> {
        self.run(|statements| statements.connection.query_row("SELECT writes FROM probe", [], |_| Ok(()))).await
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // A thread that panicked has nothing to finish.
            let _ = thread.join();
        }
    }
}

fn run(connection: &Connection, queue: &Mutex<Receiver<Job>>) {
    let mut statements = match Statements::prepare(connection) {
        Ok(statements) => statements,
        Err(error) => return tracing::error!(%error, "a reader of the database could not start"),
    };
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        job(&mut statements);
    }
}

/// What readers ask, prepared once.
pub(super) struct Statements<'c> {
    connection: &'c Connection,
    record: Statement<'c>,
    counter: Statement<'c>,
    range: Statement<'c>,
}

impl<'c> Statements<'c> {
    fn prepare(connection: &'c Connection) -> Result<Self, rusqlite::Error> {
        Ok(Self {
            connection,
            record: connection
                .prepare("SELECT version, expires_at, value FROM records WHERE partition = ?1 AND name = ?2")?,
            counter: connection.prepare("SELECT value FROM counters WHERE partition = ?1 AND name = ?2")?,
            range: connection.prepare(
                "SELECT version, expires_at, value, name FROM records
                 WHERE partition = ?1 AND name >= ?2 AND name < ?3 AND (expires_at IS NULL OR expires_at > ?4)
                 ORDER BY name LIMIT ?5",
            )?,
        })
    }

    /// One snapshot of all `keys`.
    pub(super) fn get(&mut self, keys: &[Key]) -> Result<Vec<Option<Record>>, rusqlite::Error> {
        let snapshot = if keys.len() > 1 { Some(self.connection.unchecked_transaction()?) } else { None };
        let mut records = Vec::with_capacity(keys.len());
        for key in keys {
            let place = (key.partition().as_str(), key.name());
            records.push(if key.is_counter() {
                self.counter.query_row(place, counter).optional()?
            } else {
                self.record.query_row(place, record).optional()?
            });
        }
        if let Some(snapshot) = snapshot {
            snapshot.finish()?;
        }
        Ok(records)
    }

    pub(super) fn scan(&mut self, scan: &Scan) -> Result<Vec<(Key, Record)>, rusqlite::Error> {
        // The next possible name after `x` is `x` with a zero byte; no name goes beyond the last character.
        let after = scan.after.as_ref().map(|after| format!("{after}\0"));
        let from = after.map_or_else(|| scan.prefix.clone(), |after| after.max(scan.prefix.clone()));
        let end = format!("{}{}", scan.prefix, char::MAX);
        let limit = i64::try_from(scan.limit).unwrap_or(i64::MAX);
        let place = (scan.partition.as_str(), from, end, scan.now.as_millis(), limit);
        let found = self.range.query_map(place, |row| {
            let name: String = row.get(3)?;
            Ok((Key::record(scan.partition.clone(), name), record(row)?))
        })?;
        found.collect()
    }
}

fn record(row: &Row<'_>) -> Result<Record, rusqlite::Error> {
    let version: i64 = row.get(0)?;
    let expires_at: Option<i64> = row.get(1)?;
    Ok(Record {
        version: Version(version.cast_unsigned()),
        expires_at: expires_at.map(Timestamp::from_millis),
        value: row.get(2)?,
    })
}

fn counter(row: &Row<'_>) -> Result<Record, rusqlite::Error> {
    let total: i64 = row.get(0)?;
    Ok(Record { version: Version(0), expires_at: None, value: total.to_string().into_bytes() })
}
