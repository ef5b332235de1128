//! Properties over the running program: many inputs, the same in every run.

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use tokio::runtime::{Builder, Runtime};

use crate::support::app::TestApp;

/// A program, and a runtime that waits for it: the inputs of a property come one after the other.
pub(super) struct Lab {
    pub(super) app: TestApp,
    runtime: Runtime,
}

impl Lab {
    pub(super) fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let app = runtime.block_on(TestApp::new());
        Self { app, runtime }
    }

    pub(super) fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Holds `property`, which panics where it does not hold, against so many inputs.
    pub(super) fn holds<S: Strategy>(&self, cases: u32, inputs: &S, property: impl AsyncFn(S::Value)) {
        let config = Config {
            cases,
            rng_seed: RngSeed::Fixed(1),
            failure_persistence: None,
            max_shrink_iters: 200,
            ..Config::default()
        };
        let outcome = TestRunner::new(config).run(inputs, |input| {
            self.wait(property(input));
            Ok(())
        });
        outcome.unwrap_or_else(|error| panic!("{error}"));
    }
}
