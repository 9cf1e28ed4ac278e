//! How many cores there are, and small work on many things that is shared among them. Everybody may call it.

use std::num::NonZero;
use std::thread;

/// Fewer things are done sooner than threads are started.
const WORTH_SHARING: usize = 1_000;

/// How many cores this process may use; one where nobody can tell.
pub fn count() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// What `work` makes of each item, in their order. Blocks.
pub fn on_all_cores<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    if items.len() < WORTH_SHARING {
        return items.iter().map(work).collect();
    }
    let do_share = |share: &[T]| share.iter().map(&work).collect::<Vec<_>>();
    thread::scope(|scope| {
        let shares = items.chunks(items.len().div_ceil(count()));
        let workers: Vec<_> = shares.map(|share| scope.spawn(|| do_share(share))).collect();
        let done = workers
            .into_iter()
            .map(|worker| worker.join().expect("this work does not panic"));
        done.flatten().collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_stays() {
        for count in [0, 1, 999, 1_000, 1_001, 10_007] {
            let items: Vec<usize> = (0..count).collect();
            let doubled: Vec<usize> = items.iter().map(|item| 2 * item).collect();
            assert_eq!(on_all_cores(&items, |item| 2 * item), doubled);
        }
    }
}
