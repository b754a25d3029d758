//! A certificate that nobody signed, of another name.

use std::path::Path;
use std::process::{Command, Stdio};

/// Makes it, and its key, as `cert.pem` and `key.pem`.
pub(crate) fn certify(directory: &Path) {
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=somebody.else.example"]);
    command.arg("-keyout").arg(directory.join("key.pem")).arg("-out").arg(directory.join("cert.pem"));
    let finished = command.stdin(Stdio::null()).output().unwrap();
    assert!(finished.status.success(), "{}", String::from_utf8_lossy(&finished.stderr));
}
