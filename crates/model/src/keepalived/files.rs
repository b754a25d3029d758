//! Where the text of a configuration comes from: files in production, a table in tests.

/// Access to configuration files. This crate opens none itself.
pub trait Files {
    /// The text of a file, or why there is none.
    fn read(&self, path: &str) -> Result<String, String>;

    /// Files whose paths match a pattern as glob(7) has it, in order. A path without wildcards is its own match.
    fn matching(&self, pattern: &str) -> Vec<String>;
}

/// The folder of a path, as `${_PWD}` and relative includes have it.
pub(super) fn folder(path: &str) -> &str {
    match path.rfind('/') {
        Some(0) => "/",
        Some(at) => path.get(..at).unwrap_or("."),
        None => ".",
    }
}

/// A path as it is meant in a file of that folder.
pub(super) fn resolve(folder: &str, path: &str) -> String {
    if path.starts_with('/') || folder == "." {
        path.to_owned()
    } else {
        format!("{}/{path}", folder.trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_paths() {
        assert_eq!(folder("/etc/keepalived/keepalived.conf"), "/etc/keepalived");
        assert_eq!((folder("/a"), folder("a")), ("/", "."));
        assert_eq!(resolve("/etc/keepalived", "conf.d/*.conf"), "/etc/keepalived/conf.d/*.conf");
        assert_eq!((resolve("/x", "/y"), resolve(".", "y"), resolve("/", "y")), ("/y".into(), "y".into(), "/y".into()));
    }
}
