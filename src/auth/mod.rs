//! Who may do what: the policy, Basic credentials (RFC 7617), the htpasswd file. Called by `http/`, which asks an
//! [`Authenticator`] before each use case, by `serve/`, which opens it, and by the commands `passwd` ([`passwd`]) and `check-config`.
//!
//! A request takes the shortest way that is safe: what is not protected asks for nothing; a password that was found
//! right before, from the same address, costs one keyed digest; everything else waits for its address's turn, counts
//! against its throttle, and is hashed off the runtime.

mod authenticator;
mod credentials;
mod error;
mod hash;
pub mod passwd;
mod password_file;
mod passwords;
mod policy;
mod remedy;
mod throttle;
mod user;
mod verified;

pub use authenticator::Authenticator;
pub use credentials::CHALLENGE;
pub use error::{AuthError, Denied};
pub use password_file::check;
pub use passwords::{LineError, Passwords};
pub use policy::{Action, Policy};
pub use remedy::SetPassword;
pub use user::{UserName, UserNameError};
