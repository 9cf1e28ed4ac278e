//! argv → command → exit code. The only place that prints an error chain.

use std::error::Error;
use std::process::ExitCode;

use micropypi::commands;

fn main() -> ExitCode {
    let cli = commands::parse(std::env::args_os()).unwrap_or_else(|error| error.exit());
    match commands::dispatch(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_chain(&error);
            ExitCode::from(error.exit_status())
        }
    }
}

fn print_chain(error: &dyn Error) {
    eprintln!("error: {error}");
    for cause in std::iter::successors(error.source(), |&cause| cause.source()) {
        eprintln!("caused by: {cause}");
    }
}
