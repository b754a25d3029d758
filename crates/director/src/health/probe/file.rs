//! `FILE_CHECK`: a number in a file.

use protocols::health::Outcome;
use tokio::fs::OpenOptions;
use tokio::io::AsyncReadExt;

/// Longest text that can be a number.
const LONGEST: u64 = 64;

/// A weight, or 0 for well.
pub(super) async fn look(name: &str, weight: i32, reverse: bool, sets_weight: bool) -> Result<Outcome, String> {
    let text = read(name).await.map_err(|error| format!("cannot read {name}: {error}"))?;
    let value: i64 = text.trim().parse().map_err(|_| format!("{name} does not hold a number"))?;
    let weight = value.saturating_mul(i64::from(weight)) * if reverse { -1 } else { 1 };
    match (sets_weight, value) {
        (true, _) => Ok(Outcome::Weight(weight)),
        (false, 0) => Ok(Outcome::Success),
        (false, value) => Err(format!("{name} says {value}")),
    }
}

/// The text of a regular file: a pipe would be waited for, and a device may have no end.
async fn read(name: &str) -> std::io::Result<String> {
    let file =
        OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK | nix::libc::O_NOCTTY).open(name).await?;
    if !file.metadata().await?.is_file() {
        return Err(std::io::Error::other("it is no regular file"));
    }
    let mut text = String::new();
    file.take(LONGEST + 1).read_to_string(&mut text).await?;
    if text.len() as u64 > LONGEST {
        return Err(std::io::Error::other("it is too long for a number"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn looked(name: &str, weight: i32, sets_weight: bool) -> Result<Outcome, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let look = look(name, weight, false, sets_weight);
        runtime.block_on(async { tokio::time::timeout(Duration::from_secs(30), look).await }).expect("it hangs")
    }

    #[test]
    fn numbers_are_weights_or_zero_for_well() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("weight");
        let name = path.to_str().unwrap();
        std::fs::write(&path, " 0\n").unwrap();
        assert_eq!(looked(name, 1, false), Ok(Outcome::Success));
        std::fs::write(&path, "-7").unwrap();
        assert_eq!(looked(name, 2, true), Ok(Outcome::Weight(-14)));
        assert_eq!(looked(name, 1, false), Err(format!("{name} says -7")));
        std::fs::write(&path, "seven").unwrap();
        assert!(looked(name, 1, true).unwrap_err().ends_with("does not hold a number"));
        std::fs::write(&path, "1".repeat(1 << 20)).unwrap();
        assert!(looked(name, 1, true).unwrap_err().ends_with("too long for a number"));
    }

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        for name in [pipe.to_str().unwrap(), "/dev/zero", directory.path().to_str().unwrap()] {
            assert!(looked(name, 1, true).unwrap_err().ends_with("it is no regular file"), "{name}");
        }
        assert!(looked("/nowhere/at/all", 1, true).unwrap_err().starts_with("cannot read"));
    }
}
