//! HTTPS: the certificate and its key, checked when they are read, swapped on reload. Called by `serve/`,
//! `http/connections.rs` and `check-config`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::ServerConfig;
use rustls::{CertificateError, InconsistentKeys, crypto};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use webpki::{EndEntityCert, KeyUsage};

use crate::shell::Word;

/// What can be wrong with the certificate and the key.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file that cannot be read.
    #[error("[tls] {field}: cannot read {path}")]
    Read {
        /// The setting that names the file.
        field: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file without the PEM block that it is named for.
    #[error("[tls] {field}: {path} holds no PEM block \"BEGIN {expected}\"")]
    Missing {
        /// The setting that names the file.
        field: &'static str,
        /// The file.
        path: PathBuf,
        /// The label of the block that should be there.
        expected: &'static str,
    },
    /// A file that was cut or garbled.
    #[error("[tls] {field}: {path} is damaged: {flaw}; copy it anew")]
    Damaged {
        /// The setting that names the file.
        field: &'static str,
        /// The file.
        path: PathBuf,
        /// What the parser met.
        flaw: String,
    },
    /// A key that asks for a passphrase, which nobody types at the start of a service.
    #[error("[tls] key: {path} is encrypted; decrypt it: openssl pkey -in {word} -out plain.pem", word = Word(.path))]
    Encrypted {
        /// The key's file.
        path: PathBuf,
    },
    /// A key that rustls cannot sign with.
    #[error(
        "[tls] key: the key in {path} is damaged or of a kind that cannot be used: make one of RSA with 2048 to 4096 bits, \
         of ECDSA on P-256 or P-384, or of Ed25519, and a certificate for it"
    )]
    Kind {
        /// The key's file.
        path: PathBuf,
    },
    /// Two files that do not belong together.
    #[error(
        "[tls] the key in {key} is not the key of the certificate in {certificate}; name two that were made together"
    )]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// Something that rustls does not support.
    #[error("[tls] the certificate in {certificate} cannot be used")]
    Unusable {
        /// The certificate's file.
        certificate: PathBuf,
        /// Why not.
        source: rustls::Error,
    },
}

/// A client that did not get as far as its first request.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// A client that does not trust the certificate, or a connection that broke.
    #[error("the TLS handshake failed")]
    Failed(#[source] io::Error),
    /// A client that says nothing.
    #[error("the TLS handshake was not finished in time")]
    Slow,
    /// No TLS at all: `http://` in place of `https://`. The client can be told on the stream.
    #[error("the client speaks no TLS")]
    Plain(TcpStream),
}

/// The two PEM files of `[tls]`.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The certificate, then the chain.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// Turns TCP connections into TLS connections; the certificate can be renewed while it works.
pub struct Acceptor {
    files: TlsFiles,
    config: ArcSwap<ServerConfig>,
    patience: Duration,
}

impl Acceptor {
    /// Reads the pair. `patience` is how long a client may take for its handshake. Blocks on the disk.
    ///
    /// # Errors
    /// As [`load`].
    pub fn new(files: TlsFiles, patience: Duration) -> Result<Self, TlsError> {
        let config = ArcSwap::new(load(&files.certificate, &files.key)?);
        Ok(Self {
            files,
            config,
            patience,
        })
    }

    /// Reads the pair again, for the connections to come. Blocks on the disk.
    ///
    /// # Errors
    /// As [`load`]; the old pair stays in use.
    pub fn reload(&self) -> Result<(), TlsError> {
        self.config.store(load(&self.files.certificate, &self.files.key)?);
        Ok(())
    }

    /// The TLS side of a fresh connection.
    ///
    /// # Errors
    /// When the client does not finish the handshake.
    pub async fn accept(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>, HandshakeError> {
        let handshake = self.handshake(stream);
        timeout(self.patience, handshake)
            .await
            .unwrap_or(Err(HandshakeError::Slow))
    }

    async fn handshake(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>, HandshakeError> {
        let mut first = [0];
        stream.peek(&mut first).await.map_err(HandshakeError::Failed)?;
        // The method of a request. What TLS sends first is a 22 (RFC 8446 section 5.1).
        if first[0].is_ascii_uppercase() {
            return Err(HandshakeError::Plain(stream));
        }
        let acceptor = TlsAcceptor::from(self.config.load_full());
        acceptor.accept(stream).await.map_err(HandshakeError::Failed)
    }
}

/// Reads a certificate with its chain and its key, and checks that they belong together. A certificate whose time has
/// not come or is over is used all the same (a Raspberry Pi has no clock of its own), with a warning.
/// Blocks on the disk.
///
/// # Errors
/// [`TlsError`], which names the file.
pub fn load(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = read_chain(certificate)?;
    let private = read_key(key)?;
    check_kind(key, &private)?;
    warn_of_dates(certificate, &chain[0]);
    let mut config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has the cipher suites of TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|source| unusable(certificate, key, source))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn unusable(certificate: &Path, key: &Path, source: rustls::Error) -> TlsError {
    let certificate = certificate.to_owned();
    match source {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => TlsError::Mismatch {
            certificate,
            key: key.to_owned(),
        },
        rustls::Error::InvalidCertificate(CertificateError::BadEncoding) => TlsError::Damaged {
            field: "certificate",
            path: certificate,
            flaw: "its first block is no X.509 certificate".to_owned(),
        },
        source => TlsError::Unusable { certificate, source },
    }
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let (field, expected) = ("certificate", "CERTIFICATE");
    let pem = read(field, path)?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|source| damaged(field, path, expected, source))?;
    if chain.is_empty() {
        return Err(damaged(field, path, expected, pem::Error::NoItemsFound));
    }
    Ok(chain)
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let field = "key";
    let pem = read(field, path)?;
    if is_encrypted(&pem) {
        return Err(TlsError::Encrypted { path: path.to_owned() });
    }
    PrivateKeyDer::from_pem_slice(&pem).map_err(|source| damaged(field, path, "PRIVATE KEY", source))
}

/// As PKCS #8 has it, `BEGIN ENCRYPTED PRIVATE KEY`, and as OpenSSL had it before, `Proc-Type: 4,ENCRYPTED`.
fn is_encrypted(pem: &[u8]) -> bool {
    pem.split(|&byte| byte == b'\n').any(|line| {
        line.starts_with(b"-----BEGIN ENCRYPTED PRIVATE KEY") || line.starts_with(b"Proc-Type: 4,ENCRYPTED")
    })
}

/// rustls blames the certificate for a key that it does not support.
fn check_kind(path: &Path, key: &PrivateKeyDer<'_>) -> Result<(), TlsError> {
    match crypto::ring::sign::any_supported_type(key) {
        Ok(_) => Ok(()),
        Err(_) => Err(TlsError::Kind { path: path.to_owned() }),
    }
}

fn read(field: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Read {
        field,
        path: path.to_owned(),
        source,
    })
}

fn damaged(field: &'static str, path: &Path, expected: &'static str, source: pem::Error) -> TlsError {
    let path = path.to_owned();
    match source {
        pem::Error::NoItemsFound => TlsError::Missing { field, path, expected },
        source => {
            let flaw = flaw(&source);
            TlsError::Damaged { field, path, flaw }
        }
    }
}

/// The parser shows the line that it expected or met as a list of bytes.
fn flaw(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { .. } => "a PEM block has no \"END\" line".to_owned(),
        pem::Error::IllegalSectionStart { .. } => "a \"BEGIN\" line of PEM is broken".to_owned(),
        error => error.to_string(),
    }
}

fn warn_of_dates(path: &Path, certificate: &CertificateDer<'_>) {
    let path = path.display();
    match dates_at(certificate, UnixTime::now()) {
        Err(webpki::Error::CertExpired { .. }) => {
            tracing::warn!("the certificate in {path} has expired: clients will refuse it until it is renewed");
        }
        Err(webpki::Error::CertNotValidYet { .. }) => {
            tracing::warn!("the certificate in {path} is not valid yet: is this machine's clock right?");
        }
        _ => {}
    }
}

/// The verdict on a certificate's dates. No issuer is known here, which webpki looks at after the dates: so an
/// unknown issuer is a good answer.
fn dates_at(certificate: &CertificateDer<'_>, time: UnixTime) -> Result<(), webpki::Error> {
    let parsed = EndEntityCert::try_from(certificate)?;
    match parsed.verify_for_usage(&[], &[], &[], time, KeyUsage::server_auth(), None, None) {
        Ok(_) | Err(webpki::Error::UnknownIssuer) => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
