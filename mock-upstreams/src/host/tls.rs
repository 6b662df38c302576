//! TLS before HTTP: the certificate and the key that a host shows, read from PEM files.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};
use tokio_rustls::server::TlsStream;

use crate::fault::Socket;

/// The longest file that is read, in bytes; a chain of certificates has some ten thousand.
const MAX_BYTES: u64 = 1 << 20;

/// What a host needs to speak TLS 1.2 and 1.3: its certificates and their key. It shows neither when it is printed.
#[derive(Clone)]
pub struct Tls(Arc<ServerConfig>);

/// Why there is no TLS. None of it shows anything of the key.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read `{}`", .0.display())]
    Unreadable(PathBuf, #[source] io::Error),
    /// A file has a section that is broken, or is far too long.
    #[error("`{}` is broken, or no PEM file", .0.display())]
    Broken(PathBuf),
    /// A file has no certificate.
    #[error("`{}` holds no certificate", .0.display())]
    NoCertificate(PathBuf),
    /// A file has no private key.
    #[error("`{}` holds no private key", .0.display())]
    NoKey(PathBuf),
    /// Its private key is under a password.
    #[error("the key in `{}` is under a password", .0.display())]
    Locked(PathBuf),
    /// They are not made for each other.
    #[error("the key in `{}` is not that of the first certificate in `{}`", .key.display(), .certificate.display())]
    Mismatch {
        /// The file with the certificates.
        certificate: PathBuf,
        /// The file with the key.
        key: PathBuf,
    },
    /// The key is of a kind that is not spoken.
    #[error("the key cannot be used")]
    Unusable(#[source] rustls::Error),
}

impl Tls {
    /// Reads the certificates of a host, its own first, and their key (PKCS #8, PKCS #1 or SEC1, without a password). What
    /// else is in the files is passed over, so both may be one file.
    pub fn read(certificates: &Path, key: &Path) -> Result<Self, TlsError> {
        let text = read(certificates)?;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
        let chain = chain.map_err(|_| TlsError::Broken(certificates.to_owned()))?;
        if chain.is_empty() {
            return Err(TlsError::NoCertificate(certificates.to_owned()));
        }
        let text = read(key)?;
        // The error would show the line that is wrong, which may be one of the key.
        let secret = match PrivateKeyDer::pem_slice_iter(&text).next() {
            Some(Err(_)) | None if is_locked(&text) => return Err(TlsError::Locked(key.to_owned())),
            Some(secret) => secret.map_err(|_| TlsError::Broken(key.to_owned()))?,
            None => return Err(TlsError::NoKey(key.to_owned())),
        };
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().map_err(TlsError::Unusable)?;
        let config = builder.with_no_client_auth().with_single_cert(chain, secret).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                TlsError::Mismatch { certificate: certificates.to_owned(), key: key.to_owned() }
            }
            rustls::Error::InvalidCertificate(_) => TlsError::Broken(certificates.to_owned()),
            error => TlsError::Unusable(error),
        })?;
        Ok(Self(Arc::new(config)))
    }

    /// What shakes hands with clients, and agrees on HTTP/1.1 or, where it is spoken, HTTP/2 (ALPN, RFC 7301).
    pub(super) fn acceptor(&self, http2: bool) -> TlsAcceptor {
        let mut config = ServerConfig::clone(&self.0);
        config.alpn_protocols = if http2 { vec![HTTP2.to_vec(), HTTP1.to_vec()] } else { vec![HTTP1.to_vec()] };
        TlsAcceptor::from(Arc::new(config))
    }
}

/// The names of the protocols (RFC 7301 §6, RFC 9113 §3.1).
const HTTP1: &[u8] = b"http/1.1";
/// See [`HTTP1`].
const HTTP2: &[u8] = b"h2";

/// Whether client and host have agreed on HTTP/2. A client that has not named anything speaks HTTP/1.1 (RFC 9113 §3.2).
pub(super) fn is_http2(stream: &TlsStream<TcpStream>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(HTTP2)
}

/// Whether a file has a key under a password: as PKCS #8 (RFC 7468 §11), or with the header that OpenSSL once wrote.
fn is_locked(text: &[u8]) -> bool {
    let marks = [&b"-----BEGIN ENCRYPTED PRIVATE KEY-----"[..], b"Proc-Type: 4,ENCRYPTED"];
    text.split(|byte| *byte == b'\n').any(|line| marks.contains(&line.trim_ascii()))
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let mut bytes = Vec::new();
    let opened = File::open(path).map(|file| file.take(MAX_BYTES + 1));
    let read = opened.and_then(|mut file| file.read_to_end(&mut bytes));
    read.map_err(|error| TlsError::Unreadable(path.to_owned(), error))?;
    if bytes.len() as u64 > MAX_BYTES { Err(TlsError::Broken(path.to_owned())) } else { Ok(bytes) }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

/// What a fault says is said inside of the session, as an answer would have been.
impl Socket for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }

    fn say(&mut self, words: &[u8]) {
        let (tcp, session) = self.get_mut();
        let mut records = Vec::new();
        if session.writer().write_all(words).is_err() {
            return;
        }
        while session.wants_write() && session.write_tls(&mut records).is_ok() {}
        drop(tcp.try_write(&records));
    }
}
