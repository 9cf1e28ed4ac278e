//! `serve`, and no command at all: the server.

use super::{CommandError, environment, trial};
use crate::cli::ServeArgs;
use crate::config::{self, Flags, Source};

pub(super) fn run(args: &ServeArgs) -> Result<(), CommandError> {
    let mut flags = Flags::of(&args.settings);
    for (key, value) in &args.set {
        flags.set_text(key, value);
    }
    let mut loaded = config::load(args.file.config.as_deref(), flags, environment())?;
    if loaded.source == Source::None {
        loaded = trial::prepare(loaded)?;
    }
    Ok(crate::serve::run(loaded, Vec::new())?)
}
