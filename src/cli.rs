//! The command line. Each command is a short composition of the parts below it.

pub mod assemble;
pub mod check_config;
pub mod client;
pub mod demo;
pub mod health;
pub mod keys;
pub mod organizations;
mod question;
pub mod serve;
pub mod start;
pub mod verify;
pub mod worker;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use assemble::{Program, assemble};
pub use start::{StartError, open_store};

/// SSO identity bridge: signs Fly.io users in to Sentry, and lets an organization leave Fly.io Auth.
#[derive(Parser)]
#[command(name = "flybridge", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// Which configuration.
#[derive(clap::Args)]
struct ConfigArgs {
    /// Configuration file (TOML). Variables `FLYBRIDGE_SECTION__KEY` replace single keys.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Run the provider, its pages and (unless the configuration says otherwise) the workers.
    Serve(ConfigArgs),
    /// Run workers alone, beside nodes that serve.
    Worker {
        #[command(flatten)]
        config: ConfigArgs,
        /// Do what is due now, then stop.
        #[arg(long)]
        once: bool,
    },
    /// Show the whole way on this machine, with stand-ins for Fly.io, Sentry and the mailbox.
    Demo(demo::DemoArgs),
    /// Read the configuration, say what is wrong with it, and do nothing else.
    CheckConfig(ConfigArgs),
    /// Ask a running node whether it is ready.
    Health {
        /// Only whether it lives; for container health checks. A node that waits for its store is not to be restarted: it
        /// goes on by itself.
        #[arg(long)]
        alive: bool,
        /// Address of the node. Otherwise the first of `server.listen` in the file of `--config`; without a file, of
        /// `FLYBRIDGE_SERVER__LISTEN`; or else 127.0.0.1:8080.
        #[arg(long, value_name = "IP:PORT")]
        address: Option<std::net::SocketAddr>,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Register applications that people sign in to, change them, give them new secrets, and look at them.
    Client {
        #[command(flatten)]
        config: ConfigArgs,
        #[command(subcommand)]
        command: client::ClientCommand,
    },
    /// Look at the signing keys, have the next ones sign sooner, or take one away; look at the master keys.
    Keys {
        #[command(flatten)]
        config: ConfigArgs,
        #[command(subcommand)]
        command: keys::KeysCommand,
    },
    /// Hold everything that is kept twice against its source: totals against rows, counters and copies against records.
    /// Says what differs, and exits with 1 when something does. The program may run meanwhile.
    Verify {
        #[command(flatten)]
        config: ConfigArgs,
        /// Short name or id of one organization; otherwise all.
        organization: Option<String>,
        /// Make right what can be made again from its source without guessing.
        #[arg(long)]
        repair: bool,
    },
    /// Link organizations and look at them.
    Organizations {
        #[command(flatten)]
        config: ConfigArgs,
        #[command(subcommand)]
        command: organizations::OrganizationsCommand,
    },
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    // One provider for all of TLS, before anything asks for one. An error means that it is installed already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&StartError::new("the runtime cannot start", error)),
    };
    let outcome = runtime.block_on(run(cli.command));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

async fn run(command: Command) -> Result<(), StartError> {
    match command {
        Command::Serve(args) => serve::run(args.config.as_deref()).await,
        Command::Worker { config, once } => worker::run(config.config.as_deref(), once).await,
        Command::Demo(args) => demo::run(args).await,
        Command::CheckConfig(args) => check_config::run(args.config.as_deref()),
        Command::Health { alive, address, config } => health::run(alive, address, config.config.as_deref()).await,
        Command::Client { config, command } => client::run(config.config.as_deref(), command).await,
        Command::Keys { config, command } => keys::run(config.config.as_deref(), command).await,
        Command::Verify { config, organization, repair } => {
            verify::run(config.config.as_deref(), organization.as_deref(), repair).await
        }
        Command::Organizations { config, command } => organizations::run(config.config.as_deref(), command).await,
    }
}

#[expect(clippy::print_stderr, reason = "the command line speaks to a person")]
fn fail(error: &StartError) -> ExitCode {
    eprintln!("flybridge: {error}");
    ExitCode::from(error.code())
}
