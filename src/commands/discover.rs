//! `discover`: [`crate::mdns::discover`] by the command line's words.

use super::{CommandError, print};
use crate::cli::{DiscoverArgs, DiscoverShape};
use crate::mdns::{DEFAULT_TIMEOUT, Request, Shape, discover};

pub(super) fn run(args: DiscoverArgs) -> Result<(), CommandError> {
    let request = Request {
        shape: shape(&args.shape),
        name: args.name,
        timeout: args.timeout.unwrap_or(DEFAULT_TIMEOUT),
    };
    print(discover(&request)?.as_bytes())
}

fn shape(shape: &DiscoverShape) -> Shape {
    let chosen = [
        (shape.json, Shape::Json),
        (shape.pip, Shape::Pip),
        (shape.uv, Shape::Uv),
        (shape.pypirc, Shape::Pypirc),
        (shape.mip, Shape::Mip),
        (shape.env, Shape::Env),
    ];
    chosen
        .iter()
        .find(|(is_chosen, _)| *is_chosen)
        .map_or(Shape::Table, |(_, shape)| *shape)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::{CommandFactory, Parser};

    #[test]
    fn no_time_is_longer_than_clocks_can_add() {
        let parsed = |seconds| Cli::try_parse_from(["micropypi", "discover", "--timeout", seconds]);
        assert!(parsed("86400").is_ok() && parsed("0.5").is_ok());
        let error = parsed("1e19").unwrap_err().to_string();
        assert!(error.contains("more than a day"), "{error}");
    }

    #[test]
    fn the_help_tells_the_time_that_it_takes() {
        let mut cli = Cli::command();
        let discover = cli.find_subcommand_mut("discover").unwrap();
        let default = format!("[default: {}]", DEFAULT_TIMEOUT.as_secs_f64());
        let help = discover.render_help().to_string();
        // A narrow terminal breaks the line anywhere.
        let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(&default), "{help}");
    }
}
