//! The `farebox` program: arguments in, exit code out. What happens in between begins at [`farebox::cli::run`].

use std::process::ExitCode;

use farebox::cli;

fn main() -> ExitCode {
    cli::end_on_panic();
    cli::run(std::env::args_os()).into()
}
