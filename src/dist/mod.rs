//! What a distribution is, as PyPA's specifications say it: project name, version, file name, core metadata, archive
//! members, digests. Pure: no I/O beyond the reader that it is handed. Everybody may call it.
