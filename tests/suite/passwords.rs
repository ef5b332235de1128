//! The pool that hashes passwords.

use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flybridge::domain::password::{Context, HashParameters, Password, PasswordHash, Policy, Weak};
use flybridge::domain::secret::Secret;
use flybridge::random::{Random, SeededRandom};
use flybridge::services::passwords::{Passwords, PasswordsError, PoolSettings, Verified};
use futures_util::FutureExt as _;

const RIGHT: Verified = Verified { ok: true, needs_rehash: false };
const WRONG: Verified = Verified { ok: false, needs_rehash: false };
const BUSY: PasswordsError = PasswordsError::Busy { retry_after: Duration::from_secs(3) };

fn password(text: &str) -> Password {
    Password::normalize(text).expect("short enough")
}

/// Cheap hashes; what is tested does not depend on their cost.
fn settings() -> PoolSettings {
    PoolSettings {
        parameters: HashParameters::new(64, 2, 1).expect("within bounds"),
        threads: NonZeroUsize::MIN,
        waiting: 2,
        retry_after: Duration::from_secs(3),
    }
}

fn pool(settings: &PoolSettings) -> Passwords {
    Passwords::start(settings, Arc::new(SeededRandom::new(1))).expect("threads")
}

#[tokio::test]
async fn what_was_hashed_verifies() {
    let pool = pool(&settings());
    let hash = pool.hash(&password("otter velvet ladder")).await.unwrap();
    assert_eq!(pool.verify(&password("otter velvet ladder"), Some(&hash)).await.unwrap(), RIGHT);
    assert_eq!(pool.verify(&password("otter velvet ladde"), Some(&hash)).await.unwrap(), WRONG);
    assert_eq!(pool.verify(&password(""), Some(&hash)).await.unwrap(), WRONG);
    let kept = PasswordHash::parse(&hash.to_text()).unwrap();
    assert_eq!(pool.verify(&password("otter velvet ladder"), Some(&kept)).await.unwrap(), RIGHT);
}

#[tokio::test]
async fn the_same_password_never_has_the_same_hash() {
    let pool = pool(&settings());
    let (one, two) = (pool.hash(&password("same")).await.unwrap(), pool.hash(&password("same")).await.unwrap());
    assert_ne!(one.salt(), two.salt());
    assert_eq!(one.salt().len(), 16);
    assert_ne!(one.output(), two.output());
    assert_eq!(one.output().len(), 32);
}

#[tokio::test]
async fn hashes_have_the_default_parameters() {
    let pool = pool(&PoolSettings::default());
    let hash = pool.hash(&password("otter velvet ladder")).await.unwrap();
    assert!(hash.to_text().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.to_text());
    assert_eq!(pool.verify(&password("otter velvet ladder"), Some(&hash)).await.unwrap(), RIGHT);
}

/// Vectors of the reference implementation (`src/test.c`): hashes made elsewhere are understood, larger ones too.
#[tokio::test]
async fn hashes_of_the_reference_implementation_verify() {
    let pool = pool(&settings());
    for text in [
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
    ] {
        let stored = PasswordHash::parse(text).unwrap();
        let found = pool.verify(&password("password"), Some(&stored)).await.unwrap();
        assert_eq!(found, Verified { ok: true, needs_rehash: true }, "{text}");
        assert_eq!(pool.verify(&password("Password"), Some(&stored)).await.unwrap(), WRONG, "{text}");
    }
}

#[tokio::test]
async fn a_hash_with_other_parameters_is_due_for_a_new_one() {
    let old = pool(&settings()).hash(&password("otter")).await.unwrap();
    for (memory, passes, lanes) in [(128, 2, 1), (64, 3, 1), (64, 2, 2), (32, 2, 1)] {
        let parameters = HashParameters::new(memory, passes, lanes).unwrap();
        let pool = pool(&PoolSettings { parameters, ..settings() });
        let found = pool.verify(&password("otter"), Some(&old)).await.unwrap();
        assert_eq!(found, Verified { ok: true, needs_rehash: true });
        assert_eq!(pool.verify(&password("other"), Some(&old)).await.unwrap(), WRONG);
        let new = pool.hash(&password("otter")).await.unwrap();
        assert_eq!(pool.verify(&password("otter"), Some(&new)).await.unwrap(), RIGHT);
    }
}

#[tokio::test]
async fn without_a_hash_the_answer_is_no() {
    let pool = pool(&settings());
    for text in ["", "password", "otter velvet ladder"] {
        assert_eq!(pool.verify(&password(text), None).await.unwrap(), WRONG);
    }
}

#[tokio::test]
async fn new_passwords_are_assessed_on_the_same_threads() {
    let Gated { pool, arrived, permission } = gated();
    let assess = |raw: &str| {
        let (pool, raw) = (&pool, Secret::new(raw.to_owned()));
        async move { pool.assess(Policy::default(), &raw, Context::new()).await }
    };
    let good = assess("otter velvet ladder monsoon brick").await.unwrap();
    assert_eq!(good.verdict.unwrap().expose(), "otter velvet ladder monsoon brick");
    assert_eq!(assess("short").await.unwrap().verdict.unwrap_err(), Weak::TooShort { min: 15 });

    let word = password("otter");
    let mut served = Box::pin(pool.hash(&word));
    assert!(served.as_mut().now_or_never().is_none());
    arrived.recv().unwrap();
    let mut waiting = [Box::pin(assess("one")), Box::pin(assess("two"))];
    assert!(waiting.iter_mut().all(|one| one.as_mut().now_or_never().is_none()));
    assert_eq!(assess("three").await.unwrap_err(), BUSY);
    permission.send(()).unwrap();
    served.await.unwrap();
}

/// Randomness that waits for permission: a thread that draws a salt stands still until it is let go.
struct Gate {
    arrived: Mutex<Sender<()>>,
    permission: Mutex<Receiver<()>>,
}

impl Random for Gate {
    fn fill(&self, bytes: &mut [u8]) {
        self.arrived.lock().unwrap().send(()).unwrap();
        self.permission.lock().unwrap().recv().unwrap();
        bytes.fill(7);
    }
}

struct Gated {
    pool: Passwords,
    arrived: Receiver<()>,
    permission: Sender<()>,
}

/// A pool of one thread with room for two callers waiting.
fn gated() -> Gated {
    let ((arrive, arrived), (permission, permit)) = (channel(), channel());
    let gate = Gate { arrived: Mutex::new(arrive), permission: Mutex::new(permit) };
    Gated { pool: Passwords::start(&settings(), Arc::new(gate)).expect("threads"), arrived, permission }
}

#[tokio::test]
async fn a_full_queue_says_so_at_once() {
    let Gated { pool, arrived, permission } = gated();
    let word = password("otter");
    let mut served = Box::pin(pool.hash(&word));
    assert!(served.as_mut().now_or_never().is_none());
    arrived.recv().unwrap();
    let mut first = Box::pin(pool.verify(&word, None));
    let mut second = Box::pin(pool.verify(&word, None));
    assert!(first.as_mut().now_or_never().is_none() && second.as_mut().now_or_never().is_none());

    assert_eq!(pool.verify(&word, None).await, Err(BUSY));
    assert_eq!(pool.hash(&word).await.unwrap_err(), BUSY);

    permission.send(()).unwrap();
    assert_eq!(served.await.unwrap().salt(), [7; 16]);
    assert_eq!((first.await.unwrap(), second.await.unwrap()), (WRONG, WRONG));
    assert_eq!(pool.verify(&word, None).await.unwrap(), WRONG, "there is room again");
}

#[tokio::test]
async fn a_caller_who_goes_away_makes_room() {
    let Gated { pool, arrived, permission } = gated();
    let word = password("otter");
    let mut served = Box::pin(pool.hash(&word));
    assert!(served.as_mut().now_or_never().is_none());
    arrived.recv().unwrap();
    let mut gone = Box::pin(pool.hash(&word));
    let mut stays = Box::pin(pool.verify(&word, None));
    assert!(gone.as_mut().now_or_never().is_none() && stays.as_mut().now_or_never().is_none());
    assert_eq!(pool.verify(&word, None).await, Err(BUSY));
    drop(gone);
    let mut late = Box::pin(pool.verify(&word, None));
    assert!(late.as_mut().now_or_never().is_none());

    permission.send(()).unwrap();
    served.await.unwrap();
    assert_eq!((stays.await.unwrap(), late.await.unwrap()), (WRONG, WRONG));
    assert!(arrived.try_recv().is_err());
}

#[tokio::test]
async fn nothing_is_computed_for_a_caller_who_went_away() {
    let Gated { pool, arrived, permission } = gated();
    let word = password("otter");
    let (mut served, mut gone) = (Box::pin(pool.hash(&word)), Box::pin(pool.hash(&word)));
    assert!(served.as_mut().now_or_never().is_none());
    arrived.recv().unwrap();
    assert!(gone.as_mut().now_or_never().is_none());
    drop(gone);
    // One permission more than needed: a hash for nobody would take it.
    permission.send(()).unwrap();
    permission.send(()).unwrap();
    served.await.unwrap();
    assert_eq!(pool.verify(&word, None).await.unwrap(), WRONG);
    assert!(arrived.try_recv().is_err());
}

#[tokio::test]
async fn a_caller_who_goes_away_while_being_served_harms_nobody() {
    let Gated { pool, arrived, permission } = gated();
    let word = password("otter");
    let mut gone = Box::pin(pool.hash(&word));
    assert!(gone.as_mut().now_or_never().is_none());
    arrived.recv().unwrap();
    drop(gone);
    permission.send(()).unwrap();
    assert_eq!(pool.verify(&word, None).await.unwrap(), WRONG);
}

#[tokio::test]
async fn every_thread_takes_part() {
    let ((arrive, arrived), (permission, permit)) = (channel(), channel());
    let gate = Gate { arrived: Mutex::new(arrive), permission: Mutex::new(permit) };
    let threads = NonZeroUsize::new(2).unwrap();
    let pool = Passwords::start(&PoolSettings { threads, ..settings() }, Arc::new(gate)).unwrap();
    let word = password("otter");
    let (mut one, mut two) = (Box::pin(pool.hash(&word)), Box::pin(pool.hash(&word)));
    assert!(one.as_mut().now_or_never().is_none() && two.as_mut().now_or_never().is_none());
    // Both stand at the gate before either is let through.
    arrived.recv().unwrap();
    arrived.recv().unwrap();
    permission.send(()).unwrap();
    permission.send(()).unwrap();
    one.await.unwrap();
    two.await.unwrap();
}
