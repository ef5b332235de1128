//! The disk under the SQLite store of a real process, which fills up, cannot be read, or fails, with or without the process,
//! at a commit that was chosen. A small library (`disk.c`) stands between the program and the system calls.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

use super::trip::{Trip, What, When};

/// For each process that a test starts one of its own.
pub(crate) struct Disk {
    orders: File,
    folder: TempDir,
}

/// As in `disk.c`.
#[derive(Clone, Copy)]
enum Order {
    Peace,
    Full,
    Unreadable,
    KillBefore,
    KillAfter,
    FailBefore,
    FailAfter,
}

impl Disk {
    /// A disk on which all is well.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("orders");
        let orders = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        orders.write_all_at(&[0; 16], 0).unwrap();
        Self { orders, folder }
    }

    /// What a process has to be started with.
    pub(crate) fn environment(&self) -> [(&'static str, PathBuf); 2] {
        [("LD_PRELOAD", library()), ("DISK_ORDERS", self.folder.path().join("orders"))]
    }

    /// Nothing more can be written.
    pub(crate) fn fill(&self) {
        self.order(Order::Full, 0);
    }

    /// Nothing can be read.
    pub(crate) fn spoil(&self) {
        self.order(Order::Unreadable, 0);
    }

    /// All is well again.
    pub(crate) fn mend(&self) {
        self.order(Order::Peace, 0);
    }

    /// Strikes at a commit, counted from now.
    pub(crate) fn arm(&self, trip: Trip) {
        let order = match (trip.what, trip.when) {
            (What::Kill, When::Before) => Order::KillBefore,
            (What::Kill, When::After) => Order::KillAfter,
            (What::Fail, When::Before) => Order::FailBefore,
            (What::Fail, When::After) => Order::FailAfter,
        };
        self.mend();
        self.set(2, 0);
        self.order(order, trip.at);
    }

    /// Whether it has struck since it was armed.
    pub(crate) fn struck(&self) -> bool {
        let mut number = [0; 4];
        self.orders.read_exact_at(&mut number, 12).unwrap();
        number != [0; 4]
    }

    fn order(&self, order: Order, at: usize) {
        self.set(3, 0);
        self.set(1, i32::try_from(at).unwrap());
        self.set(0, order as i32);
    }

    fn set(&self, index: u64, number: i32) {
        self.orders.write_all_at(&number.to_ne_bytes(), 4 * index).unwrap();
    }
}

/// Compiled once for all tests of this process.
fn library() -> PathBuf {
    static LIBRARY: OnceLock<(PathBuf, TempDir)> = OnceLock::new();
    let (path, _) = LIBRARY.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk.so");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/suite/support/disk.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]).arg(&path).args([source, "-ldl"]);
        let done = compiler.output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        (path, folder)
    });
    path.clone()
}
