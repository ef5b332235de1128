//! The `flybridge` program: parses the command line, runs it, and gives the exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    flybridge::cli::main()
}
