//! Sockets in directories of their own.

use super::*;

fn directory(name: &str) -> PathBuf {
    let directory = std::env::temp_dir().join(format!("xlvs-dir-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&directory);
    directory
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn the_socket_is_for_its_owner_alone_and_one_daemon_has_it() {
    let directory = directory("claim");
    let path = directory.join("run/xlvs.sock");
    let mut claim = Claim::take(&path).unwrap();
    let locked = Claim::take(&path).unwrap_err();
    assert!(matches!(locked, Error::Locked { pid: Some(pid), .. } if pid == std::process::id()), "{locked}");
    let listener = claim.listen().unwrap();
    assert!(matches!(Claim::take(&path), Err(Error::SocketTaken(_))));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(names(&directory.join("run")), ["xlvs.sock", "xlvs.sock.lock"]);
    UnixStream::connect(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let locked = Claim::take(&path).unwrap_err().to_string();
    assert!(locked.contains(&format!("pid {}", std::process::id())), "{locked}");
    drop(listener);
    claim.remove();
    assert_eq!(fs::read_dir(directory.join("run")).unwrap().count(), 0);
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn what_a_dead_daemon_left_is_replaced_but_not_what_answers() {
    let directory = directory("stale");
    fs::create_dir_all(&directory).unwrap();
    let path = directory.join("xlvs.sock");
    let stranger = UnixListener::bind(&path).unwrap();
    assert!(matches!(Claim::take(&path), Err(Error::SocketTaken(_))));
    drop(stranger);
    let mut claim = Claim::take(&path).unwrap();
    let _listener = claim.listen().unwrap();
    UnixStream::connect(&path).unwrap();
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn what_is_not_a_daemons_is_left_alone() {
    let directory = directory("strangers");
    fs::create_dir_all(directory.join("xlvs.sock.new/precious")).unwrap();
    let path = directory.join("xlvs.sock");
    fs::write(&path, "precious").unwrap();
    assert!(Claim::take(&path).unwrap_err().to_string().contains("exists and is not a socket"));
    assert_eq!((names(&directory), fs::read_to_string(&path).unwrap().as_str()), {
        (vec!["xlvs.sock".to_owned(), "xlvs.sock.new".to_owned()], "precious")
    });
    fs::remove_file(&path).unwrap();
    let lock = directory.join("xlvs.sock.lock");
    fs::write(&lock, "precious").unwrap();
    assert!(matches!(Claim::take(&path), Err(Error::NotALock(_))));
    assert_eq!(fs::read_to_string(&lock).unwrap(), "precious");
    fs::remove_file(&lock).unwrap();
    let mut claim = Claim::take(&path).unwrap();
    let _listener = claim.listen().unwrap();
    // Somebody else's by now.
    fs::remove_file(&path).unwrap();
    let _other = UnixListener::bind(&path).unwrap();
    claim.remove();
    assert_eq!(names(&directory), ["xlvs.sock", "xlvs.sock.new"]);
    assert!(directory.join("xlvs.sock.new/precious").exists());
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn a_start_that_fails_takes_its_directories_back() {
    let directory = directory("failed");
    fs::create_dir_all(&directory).unwrap();
    let mut claim = Claim::take(&directory.join("a/b/xlvs.sock")).unwrap();
    let _listener = claim.listen().unwrap();
    claim.take_back();
    assert_eq!(names(&directory), [""; 0]);
    fs::remove_dir_all(directory).unwrap();
}
