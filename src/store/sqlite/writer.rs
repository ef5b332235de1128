//! Writing: one thread, and one transaction for everybody who is waiting (group commit).

use std::thread::{self, JoinHandle};

use rusqlite::{Connection, OptionalExtension as _, Statement};
use tokio::sync::{mpsc, oneshot};

use super::{answer, explain};
use crate::clock::Timestamp;
use crate::store::{Check, Key, MAX_TOTAL, Outcome, StoreError, Txn, Version};

/// Changes that share one transaction at most. More would make the first caller wait for the last.
const BATCH: usize = 512;
/// Callers that may wait in line; the next ones wait for a place in it.
const LINE: usize = 4_096;

type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

enum Request {
    Commit(Txn, Reply<Outcome>),
    Collect(Timestamp, usize, Reply<usize>),
    Probe(Reply<()>),
}

/// An answer that waits for the transaction to be on disk.
enum Pending {
    Commit(Reply<Outcome>, Result<Outcome, StoreError>),
    Collect(Reply<usize>, usize),
    Probe(Reply<()>),
}

impl Request {
    fn refuse(self, error: &StoreError) {
        match self {
            Self::Commit(_, reply) => send(reply, Err(error.clone())),
            Self::Collect(_, _, reply) => send(reply, Err(error.clone())),
            Self::Probe(reply) => send(reply, Err(error.clone())),
        }
    }
}

impl Pending {
    fn answer(self, failure: Option<&StoreError>) {
        match self {
            Self::Commit(reply, outcome) => send(reply, failure.map_or(outcome, |e| Err(e.clone()))),
            Self::Collect(reply, removed) => send(reply, failure.map_or(Ok(removed), |e| Err(e.clone()))),
            Self::Probe(reply) => send(reply, failure.map_or(Ok(()), |e| Err(e.clone()))),
        }
    }
}

/// A caller that no longer waits has no use for the answer.
fn send<T>(reply: Reply<T>, answer: Result<T, StoreError>) {
    let _ = reply.send(answer);
}

/// The writing thread. Dropping it waits until everything accepted is on disk.
pub(super) struct Writer {
    requests: Option<mpsc::Sender<Request>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(connection: Connection) -> Result<Self, StoreError> {
        let (requests, queue) = mpsc::channel(LINE);
        let thread = thread::Builder::new()
            .name("sqlite-write".to_owned())
            .spawn(move || run(&connection, queue))
            .map_err(|e| StoreError::Unavailable(e.to_string()))?;
        Ok(Self { requests: Some(requests), thread: Some(thread) })
    }

    pub(super) async fn commit(&self, txn: Txn) -> Result<Outcome, StoreError> {
        self.ask(|reply| Request::Commit(txn, reply)).await
    }

    /// Removes at most `limit` records that expired before `before`.
    pub(super) async fn collect(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.ask(|reply| Request::Collect(before, limit, reply)).await
    }

    /// A small write of its own.
    pub(super) async fn probe(&self) -> Result<(), StoreError> {
        self.ask(Request::Probe).await
    }

    async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, StoreError> {
        let (reply, result) = oneshot::channel();
        if let Some(requests) = &self.requests {
            // When the thread is gone, the request is dropped with its reply, and the caller hears so.
            let _ = requests.send(request(reply)).await;
        }
        answer(result).await
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has nothing to finish.
            let _ = thread.join();
        }
    }
}

fn run(connection: &Connection, mut queue: mpsc::Receiver<Request>) {
    let mut statements = match Statements::prepare(connection) {
        Ok(statements) => statements,
        Err(error) => return tracing::error!(%error, "the writer of the database could not start"),
    };
    let mut batch = Vec::with_capacity(BATCH);
    while let Some(first) = queue.blocking_recv() {
        batch.push(first);
        while batch.len() < BATCH
            && let Ok(next) = queue.try_recv()
        {
            batch.push(next);
        }
        statements.process(&mut batch);
    }
}

/// What the writer does, prepared once.
struct Statements<'c> {
    connection: &'c Connection,
    version: Statement<'c>,
    put: Statement<'c>,
    delete: Statement<'c>,
    total: Statement<'c>,
    add: Statement<'c>,
    delete_counter: Statement<'c>,
    collect: Statement<'c>,
    probe: Statement<'c>,
}

impl<'c> Statements<'c> {
    fn prepare(connection: &'c Connection) -> Result<Self, rusqlite::Error> {
        Ok(Self {
            connection,
            version: connection
                .prepare("SELECT version, expires_at FROM records WHERE partition = ?1 AND name = ?2")?,
            put: connection.prepare(
                "INSERT INTO records (partition, name, version, expires_at, value) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (partition, name)
                 DO UPDATE SET version = excluded.version, expires_at = excluded.expires_at, value = excluded.value",
            )?,
            delete: connection.prepare("DELETE FROM records WHERE partition = ?1 AND name = ?2")?,
            total: connection.prepare("SELECT value FROM counters WHERE partition = ?1 AND name = ?2")?,
            add: connection.prepare(
                "INSERT INTO counters (partition, name, value) VALUES (?1, ?2, ?3)
                 ON CONFLICT (partition, name) DO UPDATE SET value = value + excluded.value",
            )?,
            delete_counter: connection.prepare("DELETE FROM counters WHERE partition = ?1 AND name = ?2")?,
            collect: connection.prepare(
                "DELETE FROM records WHERE (partition, name) IN (
                     SELECT partition, name FROM records WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2)",
            )?,
            probe: connection.prepare("UPDATE probe SET writes = writes + 1")?,
        })
    }

    /// One transaction for the whole batch. Nobody gets an answer before it is on disk, and everybody gets the error
    /// when it fails: even "conflict" was judged against writes that did not last.
    fn process(&mut self, batch: &mut Vec<Request>) {
        let mut pending = Vec::with_capacity(batch.len());
        let mut untried = Vec::new();
        let mut failure = self.connection.execute_batch("BEGIN IMMEDIATE").err();
        for request in batch.drain(..) {
            if failure.is_some() {
                untried.push(request);
            } else {
                failure = self.apply(request, &mut pending).err();
            }
        }
        let failure = failure.or_else(|| self.connection.execute_batch("COMMIT").err()).map(|e| explain(&e));
        if let Some(error) = &failure {
            tracing::warn!(%error, changes = pending.len() + untried.len(), "the database took no writes");
            self.roll_back();
        }
        for waiting in pending {
            waiting.answer(failure.as_ref());
        }
        for request in untried {
            if let Some(error) = &failure {
                request.refuse(error);
            }
        }
    }

    fn roll_back(&self) {
        // Some errors end the transaction by themselves.
        if self.connection.is_autocommit() {
            return;
        }
        if let Err(error) = self.connection.execute_batch("ROLLBACK") {
            tracing::error!(%error, "a failed transaction could not be rolled back");
        }
    }

    fn apply(&mut self, request: Request, pending: &mut Vec<Pending>) -> Result<(), rusqlite::Error> {
        match request {
            Request::Commit(txn, reply) => match self.commit(&txn) {
                Ok(outcome) => {
                    pending.push(Pending::Commit(reply, outcome));
                    Ok(())
                }
                Err(error) => {
                    pending.push(Pending::Commit(reply, Err(explain(&error))));
                    Err(error)
                }
            },
            Request::Collect(before, limit, reply) => {
                let limit = i64::try_from(limit).unwrap_or(i64::MAX);
                let removed = self.collect.execute((before.as_millis(), limit));
                pending.push(Pending::Collect(reply, *removed.as_ref().unwrap_or(&0)));
                removed.map(|_| ())
            }
            Request::Probe(reply) => {
                pending.push(Pending::Probe(reply));
                self.probe.execute([]).map(|_| ())
            }
        }
    }

    /// Everything that can be refused is found out before the first write.
    fn commit(&mut self, txn: &Txn) -> Result<Result<Outcome, StoreError>, rusqlite::Error> {
        for check in &txn.checks {
            if !self.holds(check, txn.now)? {
                return Ok(Ok(Outcome::Conflict));
            }
        }
        for (key, delta) in &txn.adds {
            let total: Option<i64> = self.total.query_row(place(key), |row| row.get(0)).optional()?;
            if total.unwrap_or(0).checked_add(*delta).is_none_or(|sum| sum.unsigned_abs() > MAX_TOTAL) {
                return Ok(Err(StoreError::Misuse(format!("{}:{} grows too large", key.partition(), key.name()))));
            }
        }
        for key in &txn.deletes {
            let delete = if key.is_counter() { &mut self.delete_counter } else { &mut self.delete };
            delete.execute(place(key))?;
        }
        let version = txn.version.0.cast_signed();
        for put in &txn.puts {
            let (partition, name) = place(&put.key);
            let expires_at = put.expires_at.map(Timestamp::as_millis);
            self.put.execute((partition, name, version, expires_at, &put.value))?;
        }
        for (key, delta) in &txn.adds {
            let (partition, name) = place(key);
            self.add.execute((partition, name, delta))?;
        }
        Ok(Ok(Outcome::Committed))
    }

    fn holds(&mut self, check: &Check, now: Timestamp) -> Result<bool, rusqlite::Error> {
        let found: Option<(i64, Option<i64>)> =
            self.version.query_row(place(&check.key), |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let live = found.filter(|(_, expires_at)| expires_at.is_none_or(|at| now.as_millis() < at));
        Ok(check.holds(live.map(|(version, _)| Version(version.cast_unsigned()))))
    }
}

fn place(key: &Key) -> (&str, &str) {
    (key.partition().as_str(), key.name())
}
