//! Hashing and checking of passwords, on threads of their own.
//!
//! One argon2id hash takes some 20 ms and 19 MiB, so a crowd of sign-ins must neither fill the memory nor starve
//! everything else: a few threads work through a short queue, and when it is full the caller hears so at once.

mod worker;

use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::domain::password::{Assessment, Context, HashParameters, Password, PasswordHash, Policy};
use crate::domain::secret::Secret;
use crate::random::Random;
use worker::{Job, Shared};

/// How the pool is built.
#[derive(Debug, Clone)]
pub struct PoolSettings {
    /// For new hashes. Stored ones are checked with their own, and reported as due for a new hash.
    pub parameters: HashParameters,
    /// More than there are cores gains nothing.
    pub threads: NonZeroUsize,
    /// How many callers may wait beyond those being served.
    pub waiting: usize,
    /// What a caller who finds the queue full is told to wait.
    pub retry_after: Duration,
}

impl Default for PoolSettings {
    /// As many threads as cores, at most two; 64 callers waiting, which is less than a second's work.
    fn default() -> Self {
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let threads = NonZeroUsize::new(cores.min(2)).unwrap_or(NonZeroUsize::MIN);
        Self { parameters: HashParameters::default(), threads, waiting: 64, retry_after: Duration::from_secs(2) }
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PasswordsError {
    /// Everybody is being served already; nothing was done.
    #[error("too many passwords are being checked at once")]
    Busy { retry_after: Duration },
    /// No memory, or the pool has ended.
    #[error("the password could not be processed")]
    Failed,
}

/// What a check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Verified {
    /// Whether the password is the one that was hashed.
    pub ok: bool,
    /// The password is right, but its hash was made with other parameters than those of today.
    pub needs_rehash: bool,
}

/// The threads that hash. Dropping it ends them after what they are doing.
pub struct Passwords {
    shared: Arc<Shared>,
    retry_after: Duration,
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[passwords]")
    }
}

impl Passwords {
    /// Starts the threads. Memory is taken at the first use, and given back when nobody signs in for a while.
    ///
    /// # Errors
    /// When the operating system gives no threads.
    pub fn start(settings: &PoolSettings, random: Arc<dyn Random>) -> io::Result<Self> {
        let shared = Arc::new(Shared::new(settings.parameters, settings.waiting, random));
        // Owned before the first thread starts, so that those already running end if a later one does not start.
        let passwords = Self { shared, retry_after: settings.retry_after };
        for number in 0..settings.threads.get() {
            let shared = Arc::clone(&passwords.shared);
            thread::Builder::new().name(format!("passwords-{number}")).spawn(move || shared.work())?;
        }
        Ok(passwords)
    }

    /// Hashes a new password with a fresh salt and the parameters of today.
    ///
    /// # Errors
    /// [`PasswordsError::Busy`] at once when the queue is full.
    pub async fn hash(&self, password: &Password) -> Result<PasswordHash, PasswordsError> {
        let (reply, answer) = oneshot::channel();
        self.enqueue(Job::Hash { password: password.clone(), reply })?;
        answer.await.map_err(|_| PasswordsError::Failed)?
    }

    /// Checks a password. Without a stored hash the answer is always no, after the same work: whether an account
    /// exists does not show in the time.
    ///
    /// # Errors
    /// [`PasswordsError::Busy`] at once when the queue is full.
    pub async fn verify(
        &self,
        password: &Password,
        stored: Option<&PasswordHash>,
    ) -> Result<Verified, PasswordsError> {
        let (reply, answer) = oneshot::channel();
        self.enqueue(Job::Verify { password: password.clone(), stored: stored.cloned(), reply })?;
        answer.await.map_err(|_| PasswordsError::Failed)?
    }

    /// Checks a new password against the policy; see [`Policy::assess`].
    ///
    /// # Errors
    /// [`PasswordsError::Busy`] at once when the queue is full.
    pub async fn assess(&self, policy: Policy, raw: &Secret, context: Context) -> Result<Assessment, PasswordsError> {
        let (reply, answer) = oneshot::channel();
        self.enqueue(Job::Assess { policy, raw: raw.clone(), context, reply })?;
        answer.await.map_err(|_| PasswordsError::Failed)
    }

    fn enqueue(&self, job: Job) -> Result<(), PasswordsError> {
        if self.shared.push(job) { Ok(()) } else { Err(PasswordsError::Busy { retry_after: self.retry_after }) }
    }
}

impl Drop for Passwords {
    fn drop(&mut self) {
        self.shared.close();
    }
}
