//! A configuration file as bytes: a regular file of bounded size, so that no pipe and no device can hold a reader up.

use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, Read as _, Result};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Longest file: more than all services with all their servers need.
const LONGEST: u64 = 1 << 28;

/// Opens a regular file. A pipe that nobody writes to does not block: it is opened, looked at, and refused.
pub(super) fn open(path: &Path) -> Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(Error::new(ErrorKind::InvalidInput, "it is no regular file; name one"));
    }
    check_length(found.len())?;
    Ok(file)
}

/// All of a file.
pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // It may have grown since it was opened.
    let length = open(path)?.take(LONGEST + 1).read_to_end(&mut bytes)?;
    check_length(length as u64)?;
    Ok(bytes)
}

/// Bytes as text.
pub(super) fn text(bytes: Vec<u8>) -> Result<String> {
    let wrong = |_| Error::new(ErrorKind::InvalidData, "is no text in UTF-8; convert it (iconv -t utf-8)");
    String::from_utf8(bytes).map_err(wrong)
}

fn check_length(length: u64) -> Result<()> {
    if length <= LONGEST {
        return Ok(());
    }
    Err(Error::new(ErrorKind::FileTooLarge, format!("it has more than {LONGEST} bytes; that is no configuration")))
}
