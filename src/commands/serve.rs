//! `serve`, and no command at all: the server.

use super::trial::{self, Newcomer};
use super::{CommandError, environment};
use crate::cli::ServeArgs;
use crate::config::{self, Flags, Source};

pub(super) fn run(args: &ServeArgs) -> Result<(), CommandError> {
    let mut flags = Flags::of(&args.settings);
    for (key, value) in &args.set {
        flags.set_text(key, value);
    }
    let loaded = config::load(args.file.config.as_deref(), flags, environment())?;
    let (loaded, newcomer) = match loaded.source {
        Source::None => trial::prepare(loaded)?,
        _ => (loaded, None),
    };
    let greet = || newcomer.into_iter().for_each(Newcomer::introduce);
    Ok(crate::serve::run(loaded, Vec::new(), greet)?)
}
