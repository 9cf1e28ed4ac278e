//! `serve`, and no command at all: the server.

use super::CommandError;
use super::trial;
use crate::cli::ServeArgs;
use crate::config::{Flags, Loaded, Source};
use crate::serve::Place;

pub(super) fn run(args: &ServeArgs) -> Result<(), CommandError> {
    let loaded = load(args)?;
    let (loaded, newcomer) = match loaded.source {
        Source::None => trial::prepare(loaded)?,
        _ => (loaded, None),
    };
    let greet = |places: &[Place]| {
        if let Some(newcomer) = newcomer {
            newcomer.introduce(places);
        }
    };
    Ok(crate::serve::run(loaded, Vec::new(), greet)?)
}

/// The configuration that these arguments start a server with, before the trial makes up what is missing.
pub(super) fn load(args: &ServeArgs) -> Result<Loaded, CommandError> {
    let mut flags = Flags::of(&args.settings);
    for (key, value) in &args.set {
        flags.set_text(key, value);
    }
    super::load(&args.file, flags)
}
