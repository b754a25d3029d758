//! Why a command line is not carried out, with ipvsadm's exit codes.

use crate::session::Trouble;
use api::RefusalKind;

/// A line for stderr and what it does to the exit code.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Failure {
    /// The line.
    pub(crate) message: String,
    /// A second line, where the original's says little.
    pub(crate) remedy: Option<String>,
    /// The exit code.
    pub(crate) code: u8,
    /// Ends `ipvsadm -R`; the other failures let it go on with the next line.
    pub(crate) ends_restore: bool,
}

/// What the original says whenever the kernel calls a value wrong.
const INVALID: &str = "Invalid operation.  Possibly wrong module version, address not unicast, ...";

/// What a refused request was about: IPVS words "no such service" in two ways.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Subject {
    /// -A -E -D -Z and the rest
    Service,
    /// -a -e -d
    Server,
}

impl Failure {
    /// The command line is not legal.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), remedy: None, code: 2, ends_restore: true }
    }

    /// There is no command in the command line.
    pub(crate) fn try_help(program: &str) -> Self {
        let message = format!("Try `{program} -h' or '{program} --help' for more information.");
        Self { message, remedy: None, code: 255, ends_restore: true }
    }

    /// An option that cannot be read, after the command.
    pub(crate) fn option(message: String) -> Self {
        Self { message, remedy: None, code: 255, ends_restore: false }
    }

    /// What the kernel says no to.
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self { message: message.into(), remedy: None, code: 255, ends_restore: false }
    }

    /// A scheduler or persistence engine that nobody knows.
    pub(crate) fn nobody_knows() -> Self {
        Self::refused("Scheduler or persistence engine not found")
    }

    /// The daemon cannot be asked, as the module that is not there cannot.
    pub(crate) fn unreachable(trouble: Trouble) -> Self {
        Self { message: format!("ipvsadm: {trouble}"), remedy: None, code: 2, ends_restore: true }
    }

    /// A listing of a service that is not there.
    pub(crate) fn nothing_to_list() -> Self {
        Self { message: "No such service".to_owned(), remedy: None, code: 1, ends_restore: true }
    }

    /// No response of the daemon, in IPVS's words where it has some.
    pub(crate) fn of(trouble: Trouble, subject: Subject) -> Self {
        let Trouble::Refused(refusal) = trouble else { return Self::unreachable(trouble) };
        match refusal.kind {
            RefusalKind::ServiceExists => Self::refused("Service already exists"),
            RefusalKind::NoSuchService if subject == Subject::Server => Self::refused("Service not defined"),
            RefusalKind::NoSuchService => Self::refused("No such service"),
            RefusalKind::ServerExists => Self::refused("Destination already exists"),
            RefusalKind::ServerIsOut => {
                Self { remedy: Some(refusal.message), ..Self::refused("Destination already exists") }
            }
            RefusalKind::NoSuchServer => Self::refused("No such destination"),
            RefusalKind::NoSuchInterface => Self::refused("No such device"),
            RefusalKind::DaemonRuns => Self::refused("Daemon has already run"),
            RefusalKind::NoDaemon => Self::refused("No daemon is running"),
            RefusalKind::OutOfRange => Self::refused("Numerical result out of range"),
            RefusalKind::Invalid => Self { remedy: Some(refusal.message), ..Self::refused(INVALID) },
            _ => Self::refused(refusal.message),
        }
    }
}
