use super::*;
use std::fs;
use std::path::PathBuf;

/// A folder with files, gone when dropped.
struct Folder(PathBuf);

impl Folder {
    fn with(name: &str, files: &[(&str, &str)]) -> Self {
        let folder = std::env::temp_dir().join(format!("xlvs-configuration-{}-{name}", std::process::id()));
        fs::create_dir_all(folder.join("conf.d")).unwrap();
        files.iter().for_each(|(name, text)| fs::write(folder.join(name), text).unwrap());
        Self(folder)
    }

    fn read(&self, accept: bool) -> Result<Reading, ConfigurationError> {
        Reading::of(&self.0.join("k.conf"), accept)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const SERVICE: &str =
    "virtual_server 192.0.2.10 80 {\n protocol TCP\n real_server 10.0.0.1 80 {\n TCP_CHECK {\n }\n }\n}\n";

#[test]
fn a_keepalived_conf_with_includes_is_a_configuration() {
    let folder = Folder::with(
        "sound",
        &[("k.conf", "global_defs {\n smtp_server 192.0.2.1\n}\ninclude conf.d/*.conf\n"), ("conf.d/a.conf", SERVICE)],
    );
    let reading = folder.read(false).unwrap();
    assert_eq!(reading.config.services.len(), 1);
    assert_eq!(reading.config.health.len(), 1);
    assert_eq!(reading.notices.len(), 1, "{:?}", reading.notices);
}

#[test]
fn what_matters_and_is_not_done_is_refused_unless_accepted() {
    let text = SERVICE.replace("protocol TCP", "protocol TCP\n persistence_timeout 50");
    let folder = Folder::with("refused", &[("k.conf", &text)]);
    let error = folder.read(false).unwrap_err().to_string();
    assert!(
        error.contains("k.conf:3: refused: persistence (-p)")
            && error.ends_with("--accept to run without what is refused here"),
        "{error}"
    );
    let error = folder.read(false).unwrap_err().while_running(&folder.0.join("k.conf"));
    let remedy = format!("\nsay xlvs apply --accept -c {}/k.conf to do without", folder.0.display());
    assert!(error.contains(&remedy) && !error.contains("to run without"), "{error}");
    let reading = folder.read(true).unwrap();
    assert!(reading.config.services[0].options.persistence.is_some());
    assert_eq!(reading.notices[0].severity, Severity::Changing);
}

/// Neither a pipe that nobody writes to nor a device without an end holds the reader up.
#[test]
fn only_regular_files_of_a_size_that_can_be_are_read() {
    let folder = Folder::with("devices", &[]);
    for name in ["k.conf", "k.toml"] {
        let path = folder.0.join(name);
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let error = Reading::of(&path, true).unwrap_err().to_string();
        assert!(error.ends_with("it is no regular file; name one"), "{error}");
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        let error = Reading::of(&path, true).unwrap_err().to_string();
        assert!(error.ends_with("it is no regular file; name one"), "{error}");
        fs::remove_file(&path).unwrap();
        fs::File::create(&path).unwrap().set_len(1 << 29).unwrap();
        let error = Reading::of(&path, true).unwrap_err().to_string();
        assert!(error.ends_with("that is no configuration"), "{error}");
    }
}

#[test]
fn errors_name_their_place() {
    let folder = Folder::with(
        "wrong",
        &[("k.conf", "include conf.d/b.conf\n"), ("conf.d/b.conf", "virtual_server x 80 {\n}\n")],
    );
    let error = folder.read(true).unwrap_err().to_string();
    assert!(error.contains("conf.d/b.conf:1:16: `x` is no address"), "{error}");
    let none = Reading::of(Path::new("/nowhere/k.conf"), false).unwrap_err().to_string();
    assert!(none.starts_with("cannot read the configuration /nowhere/k.conf: "), "{none}");
}
