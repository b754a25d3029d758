//! Configuration files of both languages: xlvs.toml by its name's end, everything else keepalived.conf.

mod file;
#[cfg(test)]
mod tests;

use model::Config;
use model::keepalived::{Document, Files, Notice, Severity};
use std::path::Path;

/// What a file says, and what of it is not done.
#[derive(Debug)]
pub struct Reading {
    /// Everything that is done.
    pub config: Config,
    /// What is not, the important first.
    pub notices: Vec<Notice>,
}

/// A file that cannot be taken over.
#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    /// It cannot be read.
    #[error("cannot read the configuration {path}: {error}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// It says something that cannot be.
    #[error(transparent)]
    Malformed(#[from] model::ConfigError),
    /// It asks for something that matters and that is not done.
    #[error("{}", refused(.0))]
    Refused(Vec<Notice>),
}

impl ConfigurationError {
    /// The same to whoever edits the file of a daemon that runs, and can give it no option.
    pub(crate) fn while_running(&self, path: &Path) -> String {
        let Self::Refused(notices) = self else { return self.to_string() };
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        format!(
            "{}\nsay xlvs apply --accept -c {} to do without what is refused here, and xlvs run --accept from the next start on",
            lines(notices),
            path.display()
        )
    }
}

/// All that matters, a line each, and what to do.
fn refused(notices: &[Notice]) -> String {
    format!("{}\nsay --accept to run without what is refused here", lines(notices))
}

fn lines(notices: &[Notice]) -> String {
    notices.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

impl Reading {
    /// Reads a file. Unless `accept`, it must not ask for what matters and is not done.
    pub fn of(path: &Path, accept: bool) -> Result<Self, ConfigurationError> {
        let name = path.display().to_string();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let text = file::read(path).and_then(file::text);
            let text = text.map_err(|error| ConfigurationError::Unreadable { path: name.clone(), error })?;
            return Ok(Self { config: Config::parse_toml(&text, &name)?, notices: Vec::new() });
        }
        if let Err(error) = file::open(path) {
            return Err(ConfigurationError::Unreadable { path: name, error });
        }
        let translation = Document::read(&Disk, &name, &config_id())?.translate()?;
        let (config, notices) = translation.into_config();
        let changing = notices.iter().filter(|notice| notice.severity == Severity::Changing);
        let changing: Vec<_> = changing.cloned().collect();
        if !accept && !changing.is_empty() {
            return Err(ConfigurationError::Refused(changing));
        }
        Ok(Self { config, notices })
    }
}

/// The host's name up to its first dot, as keepalived has it.
fn config_id() -> String {
    let name = nix::unistd::gethostname().unwrap_or_default();
    let name = name.to_string_lossy();
    name.split('.').next().unwrap_or("").to_owned()
}

/// The files of this host.
struct Disk;

impl Files for Disk {
    fn read(&self, path: &str) -> Result<String, String> {
        let bytes = file::read(Path::new(path)).map_err(|error| format!("cannot read {path}: {error}"))?;
        file::text(bytes).map_err(|error| format!("{path} {error}"))
    }

    fn matching(&self, pattern: &str) -> Vec<String> {
        let paths = glob::glob(pattern).into_iter().flatten().flatten();
        paths.filter(|path| path.is_file()).map(|path| path.to_string_lossy().into_owned()).collect()
    }
}
