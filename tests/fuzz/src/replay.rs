//! Without libFuzzer: replays the seeds of every target. Started by `run`.

use micropypi_fuzz::TARGETS;

fn main() {
    for target in &TARGETS {
        println!("fuzz: {}: {} inputs", target.name, target.replay());
    }
}
