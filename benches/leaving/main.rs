//! "Disable Fly.io Auth" in organizations of any size, on SQLite and on Redis: `cargo bench --bench leaving`.
//!
//! For each size and store: the time of the click's commit, and what it writes; members a second from the click to the
//! last mail in a local mail server; how much the memory of the server grows meanwhile; what a member costs. The server
//! is the real program in a process of its own, with its default settings but for `mail.per_second`, whose default of 10
//! would be all that is measured. Load, mail server and store share the machine with it, so members a second are also told
//! as a part of what the barest client gets into the same mail server with mails of the same size over as many connections.
//!
//! Options: `--members N,N,...` (10,1000,10000,100000), `--stores sqlite,redis`, `--clicks N` for each row (100),
//! `--concurrency N` (`workers.concurrency`), `--program PATH` of another build to compare with.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measuring program"
)]

mod click;
#[path = "../../tests/suite/support/counted.rs"]
mod counted;
#[path = "../common/cpu.rs"]
mod cpu;
mod people;
mod place;
#[path = "../common/redis.rs"]
mod redis;
mod server;
mod sink;

use std::env;
use std::time::{Duration, Instant};

use click::Clicks;
use cpu::cpu_time;
use place::Place;
use server::{Server, Settings, Watch, resident};
use sink::Sink;

/// Connections of the bare client: those of the program by default.
const CONNECTIONS: usize = 8;
/// How long the bare client sends.
const BARE: Duration = Duration::from_secs(3);

fn main() {
    let arguments: Vec<String> = env::args().collect();
    let value = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1).cloned()
    };
    check(&arguments);
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let list = |name: &str, usual: &str| value(name).unwrap_or_else(|| usual.to_owned());
    let number = |text: &str| text.trim().parse().expect("a number");
    let sizes: Vec<usize> = list("--members", "10,1000,10000,100000").split(',').map(number).collect();
    let stores = list("--stores", "sqlite,redis");
    let clicks = number(&list("--clicks", "100"));
    let settings = Settings {
        program: list("--program", env!("CARGO_BIN_EXE_flybridge")),
        concurrency: value("--concurrency").map(|text| number(&text)),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    println!("{HEAD}");
    for kind in stores.split(',') {
        for size in &sizes {
            let Some(place) = Place::new(kind) else {
                println!("{kind} is not installed, so not measured");
                break;
            };
            runtime.block_on(measure(&place, *size, clicks, &settings)).print(&place, *size);
        }
    }
}

/// A measurement takes minutes: whoever mistypes an option is told at once.
fn check(arguments: &[String]) {
    const OPTIONS: [&str; 5] = ["--members", "--stores", "--clicks", "--concurrency", "--program"];
    let mut rest = arguments.iter().skip(1);
    while let Some(name) = rest.next() {
        // Cargo's own.
        if name == "--bench" {
            continue;
        }
        let known = OPTIONS.contains(&name.as_str()) && rest.next().is_some();
        assert!(known, "{name} is none of the options, each with a value: {}", OPTIONS.join(", "));
    }
}

const HEAD: &str = "\
| store | members | click ms | asks of the store | click writes B | members/s | of bare SMTP | memory + MB | \
 CPU us a member | of it Redis | stored B a member | mail B |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|";

struct Row {
    clicks: Clicks,
    /// From the click to the last mail, and to the end of the run.
    mailed: Duration,
    done: Duration,
    /// Mails a second of the bare client.
    bare: f64,
    /// KiB before the click, and from then on.
    before: u64,
    memory: Vec<u64>,
    server_cpu: Duration,
    store_cpu: Duration,
    stored: u64,
    mail: usize,
    repeated: usize,
}

async fn measure(place: &Place, size: usize, clicks: usize, settings: &Settings) -> Row {
    let (store, _) = place.open().await;
    let organization = people::settle(&store, "leaving", size).await;
    drop(store);
    let (sink, held) = (Sink::start(), place.bytes());
    let server = Server::start(settings, place.folder(), &place.url(), sink.address).await;
    let (before, watch) = (resident(server.id()), Watch::begin(server.id()));
    let (server_cpu, store_cpu) = (cpu_time(server.id()), place.cpu_time());
    let start = Instant::now();
    let run = server.disable(&organization).await;
    let last = sink.wait_for(size, size).await.last.expect("the last mail");
    let sent = server.wait_until_done(&run).await;
    let done = start.elapsed();
    assert_eq!(sent, u64::try_from(size).expect("a number"), "everybody was mailed");
    // The last is the summary for the admin. Where the store was too slow to answer, a mail is sent once more.
    let tally = sink.wait_for(size, size + 1).await;
    let server_cpu = cpu_time(server.id()).saturating_sub(server_cpu);
    let store_cpu = place.cpu_time().saturating_sub(store_cpu);
    let memory = watch.end().into_iter().filter(|(at, _)| *at >= start).map(|(_, size)| size).collect();
    server.stop();
    let stored = place.bytes().saturating_sub(held);
    let bare = sink::capacity(&sink.sample(), settings.concurrency.unwrap_or(CONNECTIONS), BARE).await;
    let clicks = click::measure(place, &organization, clicks).await;
    let (mail, repeated) = (tally.bytes / tally.mails, tally.mails - (size + 1));
    Row { clicks, mailed: last - start, done, bare, before, memory, server_cpu, store_cpu, stored, mail, repeated }
}

impl Row {
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    fn print(&self, place: &Place, size: usize) {
        let Clicks { time, asked, bytes } = &self.clicks;
        let (members, rate) = (size as f64, size as f64 / self.mailed.as_secs_f64());
        let each = |span: Duration| span.as_secs_f64() * 1e6 / members;
        let peak = self.memory.iter().copied().max().unwrap_or(0);
        println!(
            "| {} | {size} | {:.2} | {asked} | {bytes} | {rate:.0} | {:.2} | {:.1} | {:.0} | {:.0} | {:.0} | {} |",
            place.name(),
            time.as_secs_f64() * 1e3,
            rate / self.bare,
            peak.saturating_sub(self.before) as f64 / 1024.0,
            each(self.server_cpu + self.store_cpu),
            each(self.store_cpu),
            self.stored as f64 / members,
            self.mail,
        );
        self.print_curve();
    }

    /// The memory at ten instants of the run, and how loaded the machine was.
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    fn print_curve(&self) {
        let steps = 10;
        let at = |step: usize| self.memory.get(step * self.memory.len().saturating_sub(1) / steps).copied();
        let curve = (0..=steps).filter_map(at).map(|size| format!("{:.1}", size as f64 / 1024.0));
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        println!(
            "    memory over the run, MB: {:.1} before, then {}; run over after {:.2} s; bare SMTP {:.0}/s; \
             {} mails repeated; load {}",
            self.before as f64 / 1024.0,
            curve.collect::<Vec<_>>().join(" "),
            self.done.as_secs_f64(),
            self.bare,
            self.repeated,
            load.split(' ').next().unwrap_or_default(),
        );
    }
}
