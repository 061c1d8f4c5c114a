//! TLS between the socket's bytes and the WebSocket's: rustls, in this one file.
//!
//! Cost: rustls 0.23 puts each decrypted record into a vector of its own, in its buffered and in its unbuffered
//! interface alike, so a connection with TLS allocates per record received (`tests/allocations.rs` counts it). A
//! plain connection allocates nothing.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

/// Names a PEM file of root certificates that replaces the bundled ones, as for OpenSSL.
pub const ROOTS_ENV: &str = "SSL_CERT_FILE";

/// Why TLS cannot begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file of roots cannot be read.
    #[error("the root certificates in {path} cannot be read: {source} (see {ROOTS_ENV})")]
    ReadRoots {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The PEM text holds no certificate, or a damaged one.
    #[error("no usable root certificate in {origin}: {why}")]
    NoRoots {
        /// The file, or what the text was given as.
        origin: String,
        /// What is wrong with it.
        why: String,
    },
    /// The host is neither a DNS name nor an address.
    #[error("{host} is not a name that a certificate can carry")]
    ServerName {
        /// The host.
        host: String,
    },
    /// The peer's certificate is not accepted, or the peer breaks the protocol.
    #[error("TLS with {host}: {source}")]
    Protocol {
        /// The host.
        host: String,
        /// What rustls said.
        source: rustls::Error,
    },
}

/// The root certificates that servers are judged by. Cheap to clone, shared by all connections.
#[derive(Clone, Debug)]
pub struct Roots(Arc<ClientConfig>);

impl Roots {
    /// Mozilla's roots, as bundled at build time.
    pub fn bundled() -> Roots {
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        Roots::of(roots)
    }

    /// The certificates of a PEM text and no others. `origin` is for the error.
    pub fn from_pem(pem: &[u8], origin: &str) -> Result<Roots, TlsError> {
        let damaged = |why: String| TlsError::NoRoots { origin: origin.to_owned(), why };
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|e| damaged(e.to_string()))?;
            roots.add(certificate).map_err(|e| damaged(e.to_string()))?;
        }
        if roots.is_empty() {
            return Err(damaged("it holds no CERTIFICATE section".to_owned()));
        }
        Ok(Roots::of(roots))
    }

    /// The certificates of a PEM file and no others.
    pub fn from_file(path: PathBuf) -> Result<Roots, TlsError> {
        let origin = path.display().to_string();
        let pem = std::fs::read(&path).map_err(|source| TlsError::ReadRoots { path, source })?;
        Roots::from_pem(&pem, &origin)
    }

    /// The roots of the file that [`ROOTS_ENV`] names; the bundled ones where it is unset. The file is read once
    /// in the life of the process.
    pub fn from_environment() -> Result<Roots, TlsError> {
        static ROOTS: OnceLock<Roots> = OnceLock::new();
        if let Some(roots) = ROOTS.get() {
            return Ok(roots.clone());
        }
        let roots = match std::env::var_os(ROOTS_ENV).filter(|path| !path.is_empty()) {
            None => Roots::bundled(),
            Some(path) => Roots::from_file(path.into())?,
        };
        Ok(ROOTS.get_or_init(|| roots).clone())
    }

    fn of(roots: RootCertStore) -> Roots {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring supports the default protocol versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Roots(Arc::new(config))
    }
}

/// One TLS connection over buffers, client side.
pub(crate) struct TlsStream {
    connection: ClientConnection,
    host: String,
}

impl TlsStream {
    pub(crate) fn connect(host: &str, roots: &Roots) -> Result<TlsStream, TlsError> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| TlsError::ServerName { host: host.to_owned() })?;
        let mut connection = ClientConnection::new(Arc::clone(&roots.0), name)
            .map_err(|source| TlsError::Protocol { host: host.to_owned(), source })?;
        // Our own write limit stands before this one; two would only disagree.
        connection.set_buffer_limit(None);
        Ok(TlsStream { connection, host: host.to_owned() })
    }

    /// Takes bytes from the wire and appends what they decrypt to.
    pub(crate) fn feed(&mut self, mut wire: &[u8], plain: &mut Vec<u8>) -> Result<(), TlsError> {
        while !wire.is_empty() {
            let taken = self.connection.read_tls(&mut wire).expect(
                "a slice never fails to read, and the plaintext is drained after every record",
            );
            let state = self
                .connection
                .process_new_packets()
                .map_err(|source| TlsError::Protocol { host: self.host.clone(), source })?;
            let room = plain.len();
            plain.resize(room + state.plaintext_bytes_to_read(), 0);
            if state.plaintext_bytes_to_read() > 0 {
                self.connection
                    .reader()
                    .read_exact(&mut plain[room..])
                    .expect("rustls has said how many bytes there are");
            }
            if taken == 0 {
                // After the peer's close_notify nothing more is taken; what follows is not ours to judge.
                break;
            }
        }
        Ok(())
    }

    pub(crate) fn is_ready(&self) -> bool {
        !self.connection.is_handshaking()
    }

    pub(crate) fn wants_write(&self) -> bool {
        self.connection.wants_write()
    }

    /// Encrypts `plain` once the handshake is done, and appends all that is to be sent.
    pub(crate) fn take_outgoing(&mut self, plain: &mut Vec<u8>, into: &mut Vec<u8>) {
        if self.is_ready() && !plain.is_empty() {
            self.connection.writer().write_all(plain).expect("the buffer has no limit");
            plain.clear();
        }
        while self.connection.wants_write() {
            self.connection.write_tls(into).expect("a vector takes every write");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_refused_with_the_reason() {
        let error =
            |pem: &str| Roots::from_pem(pem.as_bytes(), "a.pem").expect_err("no roots").to_string();
        assert_eq!(
            error("nothing here"),
            "no usable root certificate in a.pem: it holds no CERTIFICATE section"
        );
        let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(error(damaged).starts_with("no usable root certificate in a.pem: "));
    }

    #[test]
    fn roots_come_from_a_file() {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
        assert!(Roots::from_file(folder.join("root.pem")).is_ok());
        let error = Roots::from_file(folder.join("none.pem")).expect_err("no such file");
        assert!(matches!(error, TlsError::ReadRoots { .. }), "{error}");
        assert!(error.to_string().contains("none.pem"), "{error}");
        // What the environment says is the test machine's affair; that it is asked once is ours.
        if let (Ok(first), Ok(second)) = (Roots::from_environment(), Roots::from_environment()) {
            assert!(Arc::ptr_eq(&first.0, &second.0));
        }
    }

    #[test]
    fn a_host_that_no_certificate_can_carry_is_refused() {
        let error = TlsStream::connect("under score..", &Roots::bundled()).err().expect("refused");
        assert!(matches!(error, TlsError::ServerName { .. }), "{error}");
    }
}
