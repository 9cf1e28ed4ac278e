//! What is done about names that others have: the next name, and peace between two tries. Called by `announce.rs`.

use std::time::{Duration, Instant};

/// After this many conflicts within [`CONFLICT_WINDOW`], each further one waits for [`BACK_OFF`]. RFC 6762, section
/// 8.1, has 15 within 10 s, which are never reached where each one is looked into for seconds.
const CONFLICTS: usize = 5;
const CONFLICT_WINDOW: Duration = Duration::from_mins(1);
const BACK_OFF: Duration = Duration::from_secs(5);

/// The times of the latest conflicts.
#[derive(Default)]
pub(super) struct Conflicts(Vec<Instant>);

impl Conflicts {
    /// Counts a conflict, and says how long to wait before the name is tried again.
    pub(super) fn pause(&mut self, now: Instant) -> Duration {
        self.0.retain(|&then| now.duration_since(then) < CONFLICT_WINDOW);
        self.0.push(now);
        if self.0.len() > CONFLICTS {
            BACK_OFF
        } else {
            Duration::ZERO
        }
    }
}

/// `micropypi` → `micropypi-2` → `micropypi-3`, and after 99 from 2 again: a longer number need not fit in a label.
pub(super) fn next_label(name: &str, lost: &str) -> String {
    let number = lost
        .strip_prefix(name)
        .and_then(|rest| rest.strip_prefix('-'))
        .and_then(|number| number.parse::<u32>().ok())
        .unwrap_or(1);
    let next = if number < 99 { number + 1 } else { 2 };
    format!("{name}-{next}")
}

#[cfg(test)]
mod tests {
    use super::super::service::NAME_MAX;
    use super::*;

    #[test]
    fn a_taken_name_gives_way_to_the_next_number() {
        assert_eq!(next_label("micropypi", "micropypi"), "micropypi-2");
        assert_eq!(next_label("micropypi", "micropypi-9"), "micropypi-10");
        assert_eq!(next_label("lab-3", "lab-3"), "lab-3-2");
        assert_eq!(next_label("micropypi", "micropypi-99"), "micropypi-2");
    }

    #[test]
    fn a_taken_name_gives_way_to_one_that_fits() {
        let name = "a".repeat(NAME_MAX);
        let labels = std::iter::successors(Some(name.clone()), |lost| Some(next_label(&name, lost)));
        assert!(labels.take(300).all(|label| label.len() <= 63));
    }

    #[test]
    fn one_conflict_after_the_other_is_slowed_down_until_there_is_peace() {
        let start = Instant::now();
        let mut conflicts = Conflicts::default();
        for second in 0..5 {
            assert_eq!(conflicts.pause(start + Duration::from_secs(second)), Duration::ZERO);
        }
        assert_eq!(conflicts.pause(start + Duration::from_secs(5)), BACK_OFF);
        assert_eq!(conflicts.pause(start + Duration::from_secs(120)), Duration::ZERO);
    }
}
