//! TLS of the plays' web servers, with a certificate that nobody signed.

use anyhow::{Context, Result, anyhow, ensure};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::{Arc, LazyLock};

/// The server's side of a stream, which goes on to belong to the caller.
pub(super) fn accept(stream: &TcpStream) -> Result<StreamOwned<ServerConnection, TcpStream>> {
    static CONFIG: LazyLock<Result<Arc<ServerConfig>>> = LazyLock::new(config);
    let config = CONFIG.as_ref().map_err(|error| anyhow!("{error:#}"))?;
    Ok(StreamOwned::new(ServerConnection::new(Arc::clone(config))?, stream.try_clone()?))
}

/// Made once: the same for every server.
fn config() -> Result<Arc<ServerConfig>> {
    let pem = certify()?;
    let certificate = CertificateDer::from_pem_slice(&pem).map_err(|error| anyhow!("certificate: {error}"))?;
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|error| anyhow!("key: {error}"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(Arc::new(builder.with_no_client_auth().with_single_cert(vec![certificate], key)?))
}

/// A key and a certificate, one after the other.
fn certify() -> Result<Vec<u8>> {
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]);
    command.args(["-subj", "/CN=lab", "-days", "30", "-keyout", "/dev/stdout", "-out", "/dev/stdout"]);
    let output = command.stdin(Stdio::null()).output().context("openssl (Debian: openssl)")?;
    ensure!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_server_can_be_made() {
        super::config().expect("openssl makes a certificate, and rustls takes it");
    }
}
