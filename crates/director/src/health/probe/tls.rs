//! TLS of checks. Whether somebody answers is asked, not who: certificates are not looked at, as keepalived's are not.

use super::ration::{self, Rationed};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, InvalidMessage, SignatureScheme};
use std::sync::{Arc, LazyLock};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// What is spoken inside.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaks {
    /// What needs no word in the handshake.
    Http1,
    /// What a server has to agree to in the handshake (RFC 9113 §3.2).
    Http2,
}

/// A stream with TLS; the name is told where there is one.
pub(super) async fn handshake(
    stream: Rationed,
    name: Option<&str>,
    speaks: Speaks,
) -> Result<TlsStream<Rationed>, String> {
    let config = config(speaks)?;
    let peer = stream.peer_address().map_err(|error| error.to_string())?.ip();
    let name = match name {
        Some(name) => ServerName::try_from(name.to_owned()).map_err(|_| format!("`{name}` is no host name"))?,
        // An address is never told: RFC 6066 §3 has names alone.
        None => ServerName::IpAddress(peer.into()),
    };
    let connector = TlsConnector::from(config);
    connector.connect(name, stream).await.map_err(|error| explain(&error))
}

/// Who greets in another language is told from who speaks this one badly.
fn explain(error: &std::io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match inner {
        Some(Error::InvalidMessage(InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion)) => {
            "the server does not speak TLS".to_owned()
        }
        _ => format!("TLS: {}", ration::explain(error)),
    }
}

type Config = Result<Arc<ClientConfig>, String>;

/// Made once: the same for every check.
fn config(speaks: Speaks) -> Config {
    static HTTP1: LazyLock<Config> = LazyLock::new(|| new_config(&[]));
    static HTTP2: LazyLock<Config> = LazyLock::new(|| new_config(&[b"h2"]));
    match speaks {
        Speaks::Http1 => HTTP1.clone(),
        Speaks::Http2 => HTTP2.clone(),
    }
}

fn new_config(protocols: &[&[u8]]) -> Config {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Arc::new(Anybody(provider.signature_verification_algorithms));
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| format!("TLS: {error}"))?;
    let mut config = builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    // Each check asks for a whole handshake.
    config.resumption = Resumption::disabled();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(Arc::new(config))
}

/// Takes every certificate; signatures must be right all the same.
#[derive(Debug)]
struct Anybody(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
