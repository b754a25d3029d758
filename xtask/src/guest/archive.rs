//! The guest's initial file system: a cpio archive ("newc") with busybox, the first modules, two scripts and the
//! command.

use std::fs;

use anyhow::{Context, Result};

use super::{kernel::Kernel, modules};
use crate::workspace;

const INIT: &str = include_str!("init.sh");
const STAGE: &str = include_str!("stage.sh");

pub(super) fn initial_file_system(kernel: &Kernel, command: &str) -> Result<Vec<u8>> {
    let busybox = workspace::find_program("busybox").context("busybox not found (package busybox-static)")?;
    let mut archive = Archive::default();
    for folder in ["bin", "dev", "modules"] {
        archive.folder(folder);
    }
    archive.console();
    archive.file("bin/busybox", &fs::read(&busybox).with_context(|| format!("reading {}", busybox.display()))?);
    let mut order = String::new();
    for path in modules::first(kernel)? {
        let name = path.file_name().context("a module has a name")?.to_string_lossy().into_owned();
        archive
            .file(&format!("modules/{name}"), &fs::read(&path).with_context(|| format!("reading {}", path.display()))?);
        order.push_str(&name);
        order.push('\n');
    }
    archive.file("modules/order", order.as_bytes());
    archive.file("init", INIT.as_bytes());
    archive.file("stage", STAGE.as_bytes());
    archive.file("command", command.as_bytes());
    Ok(archive.finish())
}

#[derive(Default)]
struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

const FOLDER: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const CHARACTER_DEVICE: u32 = 0o020_600;

impl Archive {
    fn folder(&mut self, name: &str) {
        self.entry(name, FOLDER, (0, 0), &[]);
    }

    fn file(&mut self, name: &str, content: &[u8]) {
        self.entry(name, PROGRAM, (0, 0), content);
    }

    /// Without it the first program has no place for its complaints.
    fn console(&mut self) {
        self.entry("dev/console", CHARACTER_DEVICE, (5, 1), &[]);
    }

    fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, (0, 0), &[]);
        self.bytes
    }

    fn entry(&mut self, name: &str, mode: u32, (major, minor): (u32, u32), content: &[u8]) {
        self.entries += 1;
        let length = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
        // inode, mode, user, group, links, time, size, device (2), special device (2), name with its zero, checksum
        let (size, name_size) = (length(content.len()), length(name.len() + 1));
        let fields = [self.entries, mode, 0, 0, 1, 0, size, 0, 0, major, minor, name_size, 0];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::Archive;

    #[test]
    fn headers_names_and_contents_are_aligned() {
        let mut archive = Archive::default();
        archive.file("init", b"hello");
        let bytes = archive.finish();
        assert_eq!(&bytes[..14], b"07070100000001");
        assert_eq!(&bytes[54..62], b"00000005", "the size of the content");
        assert_eq!(&bytes[110..120], b"init\0\0hell");
        assert_eq!(&bytes[124..130], b"070701", "the next header starts at a multiple of four");
        assert!(bytes.ends_with(b"TRAILER!!!\0\0\0\0"));
    }
}
