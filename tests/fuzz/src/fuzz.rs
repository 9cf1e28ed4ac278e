//! libFuzzer on the target that `FUZZ_TARGET` names, starting from its seeds in the folder `FUZZ_CORPUS`. Started by `run`.
#![no_main]

use std::env;
use std::path::Path;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use micropypi_fuzz::{TARGETS, Target};

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = env::var("FUZZ_TARGET").expect("FUZZ_TARGET names a target");
    let mut targets = TARGETS.iter();
    targets
        .find(|target| target.name == name)
        .expect("FUZZ_TARGET names a target")
});

fn write_seeds() {
    let folder = env::var_os("FUZZ_CORPUS").expect("FUZZ_CORPUS names a folder");
    TARGET
        .write_seeds(Path::new(&folder))
        .expect("the folder can be written");
}

fuzz_target!(init: write_seeds(), |input: &[u8]| (TARGET.run)(input));
