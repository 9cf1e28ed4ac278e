//! Without libFuzzer: runs every target on its seeds, and on each seed cut short and with bits flipped. Started by `run`.

use micropypi_fuzz::{TARGETS, Target};

/// Places in which each seed is damaged.
const PLACES: usize = 200;

fn main() {
    TARGETS.iter().for_each(replay);
}

fn replay(target: &Target) {
    let mut inputs = 0;
    for seed in (target.seeds)() {
        (target.run)(&seed);
        for at in (0..seed.len()).step_by((seed.len() / PLACES).max(1)) {
            (target.run)(&seed[..at]);
            let mut damaged = seed.clone();
            damaged[at] ^= 1 << (at % 8);
            (target.run)(&damaged);
            inputs += 2;
        }
    }
    println!("fuzz: {}: {inputs} inputs", target.name);
}
