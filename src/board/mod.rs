//! What a board gets, made from a distribution: the importable members, upip's tarball, mip's manifest, requirements.
//! Pure: no I/O beyond the reader that it is handed. Called by `index/`.
