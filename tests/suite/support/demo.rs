//! `flybridge demo` as a person starts it: the real program, its addresses read from what it prints.

use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use super::child::Process;
use super::ports::free_ports;

/// On which ports a second demo is tried.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ports {
    Same,
    Others,
}

/// A running demo.
pub(crate) struct Demo {
    process: Process,
    pub(crate) flybridge: String,
    pub(crate) fly: String,
    pub(crate) sentry: String,
    pub(crate) mailbox: String,
}

impl Demo {
    /// Starts the demo on `data`, with `options` behind it and `settings` (`NAME=value`) in its environment, and returns
    /// when it answers.
    pub(crate) fn start(data: &Path, options: &[&str], settings: &[String]) -> Self {
        let mut arguments: Vec<&str> = settings.iter().map(String::as_str).collect();
        arguments.extend([env!("CARGO_BIN_EXE_flybridge"), "demo", "--data", data.to_str().unwrap()]);
        arguments.extend(options);
        // Ports of its own for as long as the folder lives: tests run beside each other, and a demo keeps its addresses.
        let ports = data.with_extension("port");
        let port = std::fs::read_to_string(&ports).unwrap_or_else(|_| free_ports(4).to_string());
        std::fs::write(&ports, &port).unwrap();
        arguments.extend(["--port", &port]);
        let log = data.with_extension("log");
        let mut process = Process::start(Path::new("env"), &arguments, &log);
        let mut address = |name: &str| {
            let found = process.line(|line| {
                let words: Vec<&str> = line.split_whitespace().collect();
                let at = words.iter().position(|word| *word == name)?;
                words.get(at + 1).filter(|word| word.starts_with("http://")).map(|word| (*word).to_owned())
            });
            let said = || std::fs::read_to_string(&log).unwrap_or_default();
            found.unwrap_or_else(|| panic!("the demo ended before it told the address of {name}: {}", said()))
        };
        let (sentry, mailbox, fly, flybridge) =
            (address("Sentry"), address("Mailbox"), address("Fly.io"), address("Flybridge"));
        process.line(|line| line.contains("Ctrl-C").then_some(())).expect("the demo says how to stop it");
        Self { process, flybridge, fly, sentry, mailbox }
    }

    /// Starts the demo on the folder of a running one, on its ports or on others, and waits for its end; what it said.
    pub(crate) fn start_in_vain(data: &Path, ports: Ports, options: &[&str]) -> (ExitStatus, String) {
        let port = match ports {
            Ports::Same => std::fs::read_to_string(data.with_extension("port")).unwrap(),
            Ports::Others => free_ports(4).to_string(),
        };
        let mut command = Command::new(env!("CARGO_BIN_EXE_flybridge"));
        command.args(["demo", "--data", data.to_str().unwrap(), "--port", &port]).args(options).stdin(Stdio::null());
        let output = command.output().unwrap();
        (output.status, String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Ctrl-C.
    pub(crate) fn interrupt(self) -> ExitStatus {
        self.process.end_with("-INT")
    }

    /// The settings of an organization.
    pub(crate) fn settings(&self, slug: &str) -> String {
        format!("{}/organizations/{slug}/auth", self.flybridge)
    }
}
