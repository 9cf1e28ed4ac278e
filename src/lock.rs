//! Mutexes that a panic does not close. Everybody may call it.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex, whoever has panicked under it: each change of what these mutexes guard is one step, so it is always whole.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
