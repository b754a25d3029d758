//! The binary `xlvs`, which is also `ipvsadm`, `ipvsadm-save` and `ipvsadm-restore` by the name it is called by.

mod ipvsadm;
mod output;
mod own;
mod session;
mod table;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

pub use ipvsadm::law;

/// The program, by the name it is called by.
pub fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let program = arguments.next().unwrap_or_else(|| OsString::from("xlvs"));
    let arguments: Vec<OsString> = arguments.collect();
    let name = Path::new(&program).file_name().unwrap_or_default().to_string_lossy();
    match (&*name, arguments.first().and_then(|first| first.to_str())) {
        (dataplane::KEEPER_NAME, _) => dataplane::keeper_main(arguments.into_iter()),
        (dataplane::WATCHDOG_NAME, _) => dataplane::watchdog_main(arguments.into_iter()),
        ("ipvsadm", _) => ipvsadm::run(&program.to_string_lossy(), &arguments),
        ("ipvsadm-save", _) => ipvsadm::save(&arguments),
        ("ipvsadm-restore", _) => ipvsadm::restore(&arguments),
        (_, Some("ipvsadm")) => ipvsadm::run("xlvs ipvsadm", arguments.get(1..).unwrap_or_default()),
        _ => own::run(&program, &arguments),
    }
}
