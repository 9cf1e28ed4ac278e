//! What a board gets, made from a distribution: the importable members, upip's tarball, mip's manifest, requirements.
//! Pure: no I/O beyond the reader that it is handed, but for [`mpy`], which runs a compiler. Called by `index/`; the
//! configuration's patterns and compiler come by `config/` and `serve/`.
//!
//! [`choose`] picks the distribution that describes a release best, [`view`] reads it once and gives its [`View`],
//! [`resolve`] pins what it requires, and [`write_tarball`] and [`manifest_json`] put both in the clients' forms.

mod declared;
mod layout;
mod manifest;
mod marker;
pub mod mpy;
mod path;
mod patterns;
mod requires;
mod resolve;
mod sandbox;
mod select;
mod sink;
mod source_tree;
mod tarball;
mod view;

pub use manifest::manifest_json;
pub use patterns::{PatternError, Patterns};
pub use requires::Requirement;
pub use resolve::{Candidate, Missing, Pin, Resolution, Universe, alias, resolve};
pub use sink::Sink;
pub use tarball::{TarballError, is_whole, write_tarball};
pub use view::{BoardError, BoardFile, Code, Refusal, View, choose, read_pyproject, view};
