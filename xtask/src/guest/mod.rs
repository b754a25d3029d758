//! Throw-away guests: one command run as root under another kernel. The guest boots a Debian kernel in qemu and sees
//! the host's files read-only through 9p, under an overlay in memory, so that whatever was built here just runs there.

mod archive;
mod kernel;
mod machine;
mod modules;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::workspace;
pub(crate) use kernel::Version;

/// One run of one guest.
pub(crate) struct Guest {
    pub(crate) kernel: Version,
    pub(crate) memory_mebibytes: u32,
    pub(crate) processors: u32,
    /// For boot and command together.
    pub(crate) timeout: Duration,
}

/// What a machine lacks to run guests, in words; `None` when nothing.
pub(crate) fn obstacle() -> Option<String> {
    if std::env::consts::ARCH != "x86_64" {
        return Some(format!("guests are x86_64, this machine is {}", std::env::consts::ARCH));
    }
    let missing: Vec<&str> = ["qemu-system-x86_64", "busybox", "depmod", "xz", "apt-get", "dpkg-deb"]
        .into_iter()
        .filter(|program| workspace::find_program(program).is_none())
        .collect();
    (!missing.is_empty()).then(|| format!("{} not found; `cargo xtask setup` installs it", missing.join(", ")))
}

impl Guest {
    /// Runs the command in `folder`; its output goes to this process's, its exit code comes back.
    pub(crate) fn run(&self, command: &[String], folder: &std::path::Path) -> Result<u8> {
        Ok(self.run_into(command, folder, std::io::stdout())?.0)
    }

    /// The same; gives what the command says, too.
    pub(crate) fn output(&self, command: &[String], folder: &std::path::Path) -> Result<(u8, Vec<u8>)> {
        let (code, said) = self.run_into(command, folder, Vec::new())?;
        Ok((code, said.unwrap_or_default()))
    }

    fn run_into<W: std::io::Write + Send + 'static>(
        &self,
        command: &[String],
        folder: &std::path::Path,
        to: W,
    ) -> Result<(u8, Option<W>)> {
        let cache = workspace::target_directory()?.join("guest");
        let kernel = kernel::prepare(self.kernel, &cache)?;
        let scratch = Scratch::new()?;
        let initial = archive::initial_file_system(&kernel, &script(command, folder))?;
        std::fs::write(scratch.0.join("initial.cpio"), initial).context("writing the guest's initial file system")?;
        machine::run(self, &kernel, &scratch.0, to)
    }
}

/// The command as a shell script.
fn script(command: &[String], folder: &std::path::Path) -> String {
    let words: Vec<String> = command.iter().map(|word| quote(word)).collect();
    let path = std::env::var("PATH").unwrap_or_default();
    format!("cd {} && export PATH={} && exec {}\n", quote(&folder.display().to_string()), quote(&path), words.join(" "))
}

/// One word for the shell, whatever is in it.
fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// A folder for the sockets and files of one run, gone with it; under the temporary folder because the path of a
/// socket has little room.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("xlvs-guest-{}", std::process::id()));
        std::fs::create_dir_all(&path).with_context(|| format!("creating {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("guest: {} could not be removed: {error}", self.0.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use super::script;

    #[test]
    fn words_arrive_as_they_were_given() {
        let words = ["printf", "%s|", "two words", "it's", "$HOME", "a\"b", "*"].map(str::to_owned);
        let output = Command::new("sh").arg("-c").arg(script(&words, Path::new("/"))).output().expect("sh runs");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "two words|it's|$HOME|a\"b|*|");
    }
}
