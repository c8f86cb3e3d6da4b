//! The certificate and the key of the server.

use std::path::Path;
use std::sync::Arc;

use egress::error::{ApiError, ErrorCode, Fault};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Reads certificate and key, in PEM.
///
/// # Errors
/// A file cannot be read, is not what it should be, or the two do not belong together.
pub fn acceptor(certificate: &Path, key: &Path) -> Result<TlsAcceptor, ApiError> {
    let chain: Result<Vec<CertificateDer<'static>>, _> =
        CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect);
    let chain = chain.map_err(|error| unfit(certificate, "certificate", error))?;
    if chain.is_empty() {
        return Err(unfit(certificate, "certificate", "there is none in it"));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| unfit(key, "private key", error))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private))
        .map_err(|error| unfit(key, "private key", format!("it does not fit the certificate: {error}")))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn unfit(path: &Path, what: &str, error: impl std::fmt::Display) -> ApiError {
    ApiError::new(
        ErrorCode::InvalidArgument,
        Fault::Input,
        format!("{} is no {what} that can be used.", path.display()),
        "Name files in PEM form: the certificate with those that vouch for it, and its private key.",
    )
    .with_detail(error)
}
