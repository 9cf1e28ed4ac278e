//! What is said of a pair of files that cannot be used, and which pair is in use.

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use tempfile::TempDir;

use super::*;

fn self_signed() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["micropypi.local".to_owned()]).unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

fn files(certificate: &str, key: &str) -> (TempDir, TlsFiles) {
    let dir = tempfile::tempdir().unwrap();
    let files = TlsFiles {
        certificate: dir.path().join("cert.pem"),
        key: dir.path().join("key.pem"),
    };
    fs::write(&files.certificate, certificate).unwrap();
    fs::write(&files.key, key).unwrap();
    (dir, files)
}

fn refusal(certificate: &str, key: &str) -> String {
    let (dir, files) = files(certificate, key);
    let error = load(&files.certificate, &files.key).unwrap_err().to_string();
    error.replace(&format!("{}/", dir.path().display()), "")
}

#[test]
fn a_refusal_names_the_file_and_what_is_wrong() {
    let (certificate, key) = self_signed();
    let (_, other) = self_signed();
    assert_eq!(
        refusal(&certificate, &other),
        "[tls] the key in key.pem is not the key of the certificate in cert.pem; name two that were made together"
    );
    assert_eq!(
        refusal(&key, &key),
        "[tls] certificate: cert.pem holds no PEM block \"BEGIN CERTIFICATE\""
    );
    assert_eq!(
        refusal(&certificate, &certificate),
        "[tls] key: key.pem holds no PEM block \"BEGIN PRIVATE KEY\""
    );
    let cut = certificate.split("-----END").next().unwrap();
    assert_eq!(
        refusal(cut, &key),
        "[tls] certificate: cert.pem is damaged: a PEM block has no \"END\" line; copy it anew"
    );
    let mut lines: Vec<&str> = certificate.lines().collect();
    lines.drain(2..5);
    assert_eq!(
        refusal(&lines.join("\n"), &key),
        "[tls] certificate: cert.pem is damaged: its first block is no X.509 certificate; copy it anew"
    );
}

#[test]
fn an_encrypted_key_is_called_so() {
    let (certificate, _) = self_signed();
    let decrypt = "[tls] key: key.pem is encrypted; decrypt it: openssl pkey -in key.pem -out plain.pem";
    for key in [
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIGj\n-----END ENCRYPTED PRIVATE KEY-----\n",
        "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nXH8=\n-----END EC PRIVATE KEY-----\n",
    ] {
        assert_eq!(refusal(&certificate, key), decrypt);
    }
}

#[test]
fn a_kind_of_key_that_cannot_be_used_is_told_from_a_bad_certificate() {
    let (certificate, _) = self_signed();
    let empty = "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n";
    assert_eq!(
        refusal(&certificate, empty),
        "[tls] key: the key in key.pem is damaged or of a kind that cannot be used: make one of RSA with 2048 to 4096 \
         bits, of ECDSA on P-256 or P-384, or of Ed25519, and a certificate for it"
    );
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let (certificate, key) = self_signed();
    let (_dir, mut files) = files(&certificate, &key);
    files.key = PathBuf::from("/nonexistent/key.pem");
    let error = load(&files.certificate, &files.key).unwrap_err();
    assert_eq!(error.to_string(), "[tls] key: cannot read /nonexistent/key.pem");
}

#[test]
fn a_bad_pair_leaves_the_old_one_in_use() {
    let (certificate, key) = self_signed();
    let (_dir, files) = files(&certificate, &key);
    let acceptor = Acceptor::new(files.clone(), Duration::from_secs(5)).unwrap();
    let before = acceptor.config.load_full();
    fs::write(&files.key, self_signed().1).unwrap();
    assert!(matches!(acceptor.reload(), Err(TlsError::Mismatch { .. })));
    assert!(Arc::ptr_eq(&before, &acceptor.config.load_full()));
    fs::write(&files.key, key).unwrap();
    acceptor.reload().unwrap();
    assert!(!Arc::ptr_eq(&before, &acceptor.config.load_full()));
}

#[test]
fn dates_are_judged_without_an_issuer() {
    let verdict = |from: i32, until: i32| {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["x".to_owned()]).unwrap();
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        dates_at(
            params.self_signed(&key).unwrap().der(),
            UnixTime::since_unix_epoch(Duration::from_secs(1_800_000_000)),
        )
    };
    assert!(matches!(verdict(2000, 2001), Err(webpki::Error::CertExpired { .. })));
    assert!(matches!(
        verdict(2100, 2101),
        Err(webpki::Error::CertNotValidYet { .. })
    ));
    assert!(verdict(2000, 2100).is_ok());
}
