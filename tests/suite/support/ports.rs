//! Ports for the processes that tests start, each given out once.
//!
//! They lie below those that the system gives out by itself (32768 and up on Linux). So the port of a process that is down
//! for a moment goes to nobody else, neither to another test's listener nor to a connection.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

const LOWEST: u16 = 10_000;
const HIGHEST: u16 = 32_000;

pub(crate) fn free_port() -> u16 {
    free_ports(1)
}

/// The first of `count` ports in a row.
pub(crate) fn free_ports(count: u16) -> u16 {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let room = u32::from(HIGHEST - LOWEST);
    // Runs at the same time begin at different places.
    let begin = std::process::id().wrapping_mul(1_009);
    let free = |port: u16| (port..port + count).all(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok());
    let mut candidates = (0..1_000).map(|_| {
        let step = begin.wrapping_add(GIVEN.fetch_add(u32::from(count), Ordering::SeqCst));
        LOWEST + u16::try_from(step % room).unwrap()
    });
    candidates.find(|port| free(*port)).expect("free ports in a row")
}
