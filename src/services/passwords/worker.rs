//! What the threads of the pool do.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use tokio::sync::oneshot::Sender;
use zeroize::{Zeroize as _, Zeroizing};

use super::{PasswordsError, Verified};
use crate::domain::password::{Assessment, Context, HashParameters, Password, PasswordHash, Policy};
use crate::domain::secret::{Secret, same};
use crate::random::Random;

const SALT_LEN: usize = 16;
const OUTPUT_LEN: usize = 32;
/// A thread without work for this long gives its memory back.
const IDLE: Duration = Duration::from_secs(30);

/// One question, with the place for its answer.
pub(super) enum Job {
    Hash { password: Password, reply: Sender<Result<PasswordHash, PasswordsError>> },
    Verify { password: Password, stored: Option<PasswordHash>, reply: Sender<Result<Verified, PasswordsError>> },
    Assess { policy: Policy, raw: Secret, context: Context, reply: Sender<Assessment> },
}

impl Job {
    /// Whether nobody waits for the answer any more.
    fn is_abandoned(&self) -> bool {
        match self {
            Self::Hash { reply, .. } => reply.is_closed(),
            Self::Verify { reply, .. } => reply.is_closed(),
            Self::Assess { reply, .. } => reply.is_closed(),
        }
    }
}

/// The memory of one thread, reused from hash to hash.
#[derive(Default)]
struct Memory {
    blocks: Vec<Block>,
    /// What is in there depends on a password.
    used: bool,
}

impl Memory {
    fn wipe(&mut self) {
        self.blocks.iter_mut().for_each(Block::zeroize);
        self.used = false;
    }
}

struct Queue {
    jobs: VecDeque<Job>,
    closed: bool,
}

/// What the threads share with the callers.
pub(super) struct Shared {
    parameters: HashParameters,
    waiting: usize,
    random: Arc<dyn Random>,
    queue: Mutex<Queue>,
    wake: Condvar,
}

impl Shared {
    pub(super) fn new(parameters: HashParameters, waiting: usize, random: Arc<dyn Random>) -> Self {
        let queue = Mutex::new(Queue { jobs: VecDeque::new(), closed: false });
        Self { parameters, waiting, random, queue, wake: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the job was taken. Callers that went away make room for it.
    pub(super) fn push(&self, job: Job) -> bool {
        let mut queue = self.lock();
        if queue.jobs.len() >= self.waiting {
            queue.jobs.retain(|waiting| !waiting.is_abandoned());
        }
        if queue.closed || queue.jobs.len() >= self.waiting {
            return false;
        }
        queue.jobs.push_back(job);
        self.wake.notify_one();
        true
    }

    /// Ends the threads; whoever still waits is told that it failed.
    pub(super) fn close(&self) {
        let mut queue = self.lock();
        queue.closed = true;
        queue.jobs.clear();
        self.wake.notify_all();
    }

    /// The life of one thread.
    pub(super) fn work(&self) {
        let mut memory = Memory::default();
        while let Some(job) = self.next(&mut memory) {
            self.serve(job, &mut memory);
        }
        memory.wipe();
    }

    /// The next job that somebody waits for, or `None` at the end.
    ///
    /// The memory is wiped as soon as there is nothing to do. While there is, the next hash overwrites it anyway, and
    /// wiping would cost a tenth of the rate.
    fn next(&self, memory: &mut Memory) -> Option<Job> {
        let mut queue = self.lock();
        loop {
            if queue.closed {
                return None;
            }
            while let Some(job) = queue.jobs.pop_front() {
                if !job.is_abandoned() {
                    return Some(job);
                }
            }
            queue = if memory.used {
                drop(queue);
                memory.wipe();
                self.lock()
            } else if memory.blocks.is_empty() {
                self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner)
            } else {
                let (queue, wait) = self.wake.wait_timeout(queue, IDLE).unwrap_or_else(PoisonError::into_inner);
                if wait.timed_out() {
                    memory.blocks = Vec::new();
                }
                queue
            };
        }
    }

    fn serve(&self, job: Job, memory: &mut Memory) {
        // Sending fails when the caller went away meanwhile, and then nobody is left to tell.
        match job {
            Job::Hash { password, reply } => {
                let _ = reply.send(self.hash(&password, memory));
            }
            Job::Verify { password, stored, reply } => {
                let _ = reply.send(self.verify(&password, stored.as_ref(), memory));
            }
            Job::Assess { policy, raw, context, reply } => {
                let _ = reply.send(policy.assess(raw.expose(), &context));
            }
        }
    }

    fn hash(&self, password: &Password, memory: &mut Memory) -> Result<PasswordHash, PasswordsError> {
        let mut salt = [0; SALT_LEN];
        self.random.fill(&mut salt);
        let mut output = vec![0; OUTPUT_LEN];
        compute(self.parameters, password, &salt, &mut output, memory)?;
        PasswordHash::new(self.parameters, salt.to_vec(), output).map_err(|_| PasswordsError::Failed)
    }

    fn verify(
        &self,
        password: &Password,
        stored: Option<&PasswordHash>,
        memory: &mut Memory,
    ) -> Result<Verified, PasswordsError> {
        let (parameters, salt, expected) = match stored {
            Some(hash) => (hash.parameters(), hash.salt(), hash.output()),
            None => (self.parameters, &[0; SALT_LEN][..], &[0; OUTPUT_LEN][..]),
        };
        let mut output = Zeroizing::new(vec![0; expected.len()]);
        compute(parameters, password, salt, &mut output, memory)?;
        let equal = same(&output, expected);
        let ok = equal && stored.is_some();
        let outdated = parameters != self.parameters || salt.len() < SALT_LEN || expected.len() < OUTPUT_LEN;
        Ok(Verified { ok, needs_rehash: ok && outdated })
    }
}

/// argon2id, version 0x13 (RFC 9106).
fn compute(
    parameters: HashParameters,
    password: &Password,
    salt: &[u8],
    output: &mut [u8],
    memory: &mut Memory,
) -> Result<(), PasswordsError> {
    let params = Params::new(parameters.memory_kib(), parameters.passes(), parameters.lanes(), Some(output.len()))
        .map_err(|_| PasswordsError::Failed)?;
    let blocks = params.block_count();
    memory.fit(blocks)?;
    memory.used = true;
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(password.expose().as_bytes(), salt, output, &mut memory.blocks)
        .map_err(|_| PasswordsError::Failed)
}

impl Memory {
    /// Takes what this hash needs. What an unusually large one needed is not kept for the next.
    fn fit(&mut self, blocks: usize) -> Result<(), PasswordsError> {
        if self.blocks.len() > blocks {
            self.wipe();
            self.blocks.truncate(blocks);
            self.blocks.shrink_to_fit();
        } else if self.blocks.len() < blocks {
            self.wipe();
            self.blocks = Vec::new();
            self.blocks.try_reserve_exact(blocks).map_err(|_| PasswordsError::Failed)?;
            self.blocks.resize(blocks, Block::new());
        }
        Ok(())
    }
}
