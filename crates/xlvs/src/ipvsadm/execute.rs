//! Carries out what is meant, and says what became of it.

use super::failure::{Failure, Subject};
use super::help;
use super::intent::Intent;
use super::notices::Notices;
use super::restore;
use crate::output;
use crate::session::{Session, Trouble};
use crate::table::{self, View};
use api::{ConnectionFilter, Listing, Request};
use model::{Key, ServiceOptions};

/// The program by the name it was called by, and its daemon.
pub(crate) struct Front {
    /// As typed: error texts and `-R` need it.
    pub(crate) program: String,
    session: Session,
    notices: Notices,
}

/// What became of a command line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Outcome {
    /// The exit code.
    pub(crate) code: u8,
    /// `-R` ends here.
    pub(crate) ends_restore: bool,
}

impl Outcome {
    /// It is done.
    pub(crate) const DONE: Self = Self { code: 0, ends_restore: false };
    /// It is done, and the program with it.
    const SAID: Self = Self { code: 0, ends_restore: true };

    /// It is not done; says why.
    pub(crate) fn failed(failure: Failure) -> Self {
        output::talk(&failure.message);
        if let Some(remedy) = failure.remedy {
            output::talk(&format!("ipvsadm: {remedy}"));
        }
        Self { code: failure.code, ends_restore: failure.ends_restore }
    }
}

impl Front {
    pub(crate) fn new(program: &str, session: Session) -> Self {
        Self { program: program.to_owned(), session, notices: Notices::default() }
    }

    /// Carries out the line typed by the user.
    pub(crate) fn line(&self, words: &[String]) -> Outcome {
        match Intent::parse(words, &self.program) {
            Ok(Intent::Restore { atomic: true }) => restore::atomic(self, None),
            Ok(Intent::Restore { atomic: false }) => restore::line_by_line(self),
            intent => self.finish(intent),
        }
    }

    /// Carries out a line read by `-R`, in which there can be no other `-R`.
    pub(crate) fn restored_line(&self, words: &[String]) -> Outcome {
        match Intent::parse(words, &self.program) {
            Ok(Intent::Restore { .. }) => Outcome::failed(Failure::try_help(&self.program)),
            intent => self.finish(intent),
        }
    }

    fn finish(&self, intent: Result<Intent, Failure>) -> Outcome {
        intent.and_then(|intent| self.carry_out(intent)).unwrap_or_else(Outcome::failed)
    }

    fn carry_out(&self, intent: Intent) -> Result<Outcome, Failure> {
        match intent {
            Intent::Change { request, subject } => self.change(request, subject)?,
            Intent::NobodyKnows { key, adding } => return Err(self.nobody_knows(&key, adding)?),
            Intent::List { service: Some(service), view } => self.list_one(&service, view)?,
            Intent::List { service: None, view } => {
                output::data(&table::all(&self.listing()?, view, table::names(view.numeric)))
            }
            Intent::ListConnections { numeric, with_engines } => self.list_connections(numeric, with_engines)?,
            Intent::ListTimeouts => output::data(&table::timeouts(&self.listing()?)),
            Intent::ListDaemons => output::data(&table::daemons(&self.listing()?)),
            Intent::Save { numeric } => output::data(&table::rules::all(&self.listing()?, table::names(numeric))),
            Intent::Help => return Ok(said(&help::usage(&self.program))),
            Intent::Version => return Ok(said(help::VERSION)),
            Intent::Restore { .. } => return Err(Failure::try_help(&self.program)),
        }
        Ok(Outcome::DONE)
    }

    /// Asks for a change.
    pub(crate) fn change(&self, request: Request, subject: Subject) -> Result<(), Failure> {
        let request = self.completed(request)?;
        self.session.ask(&request).map_err(|trouble| Failure::of(trouble, subject))?;
        self.notices.tell(&request);
        Ok(())
    }

    /// What is said to a service with a name that nobody knows: whether the service is there is looked at first.
    fn nobody_knows(&self, key: &Key, adding: bool) -> Result<Failure, Failure> {
        let is_there = self.listing()?.services.iter().any(|view| view.service.key == *key);
        Ok(match (adding, is_there) {
            (true, true) => Failure::refused("Service already exists"),
            (false, false) => Failure::refused("No such service"),
            _ => Failure::nobody_knows(),
        })
    }

    /// Asks for changes, whole or not at all.
    pub(crate) fn change_all(&self, requests: Vec<Request>) -> Result<(), Trouble> {
        if requests.is_empty() {
            return Ok(());
        }
        let batch = Request::Batch { requests };
        self.session.ask(&batch)?;
        self.notices.tell(&batch);
        Ok(())
    }

    /// `-E` names the scheduler and its flags; what the service has besides, from a file, stays as it is.
    pub(crate) fn completed(&self, request: Request) -> Result<Request, Failure> {
        let Request::EditService { key, options } = request else { return Ok(request) };
        let listing = self.listing()?;
        let kept = listing.services.into_iter().find(|view| view.service.key == key).map(|view| view.service.options);
        let options = match kept {
            Some(ServiceOptions { any, name, .. }) => ServiceOptions { any, name, ..options },
            None => options,
        };
        Ok(Request::EditService { key, options })
    }

    fn list_one(&self, service: &Key, view: View) -> Result<(), Failure> {
        let listing = self.listing()?;
        let found = listing.services.iter().find(|found| found.service.key == *service);
        let found = found.ok_or_else(Failure::nothing_to_list)?;
        output::data(&table::one(found, view, table::names(view.numeric)));
        Ok(())
    }

    fn list_connections(&self, numeric: bool, with_engines: bool) -> Result<(), Failure> {
        let names = table::names(numeric);
        let mut title = Some(table::connections::title(with_engines));
        let shown = self.session.connections(&ConnectionFilter::default(), None, |page| {
            output::data(&(title.take().unwrap_or_default() + &table::connections::rows(page, &names)));
        });
        shown.map_err(|trouble| Failure::of(trouble, Subject::Service))
    }

    fn listing(&self) -> Result<Listing, Failure> {
        self.session.listing().map_err(|trouble| Failure::of(trouble, Subject::Service))
    }
}

fn said(text: &str) -> Outcome {
    output::data(text);
    Outcome::SAID
}
