//! Every request has its place: what it asks for, done or refused.

use crate::director::{Director, Done, refusal};
use crate::observe::Network;
use crate::plane::Plane;
use api::{Refusal, Request, Response, SysctlView};
use model::{LaneChoice, Sysctl};
use std::collections::BTreeSet;
use std::time::Instant;

impl<P: Plane, N: Network> Director<P, N> {
    /// Carries out one request. [`Request::Stop`] is the daemon's own and comes here only as "heard".
    pub(crate) fn answer(&mut self, request: &Request) -> Result<Done, Refusal> {
        let response = match request {
            Request::List => Response::Listing(self.listing()),
            Request::Connections(question) => Response::Connections(self.connections(question)?),
            Request::Sysctls => self.sysctls(),
            Request::Status => Response::Status(self.status()?),
            Request::Explain(question) => Response::Explanation(self.explain(question)?),
            Request::Zero { service } => self.zero(*service)?,
            Request::Attach { interface, force, lane } => self.attach(interface, *lane, *force)?,
            Request::Detach { interface } => self.detach(interface.as_deref())?,
            Request::Stop { .. } => self.done(),
            _ => return self.change(request, Instant::now()),
        };
        Ok(Done { response, pending: BTreeSet::new() })
    }

    /// Attaches to an interface and keeps it so.
    fn attach(&mut self, interface: &str, lane: Option<LaneChoice>, force: bool) -> Result<Response, Refusal> {
        // The interface may be newer than the last look.
        self.look(Instant::now());
        let links = self.observer.links();
        self.interfaces.attach(&mut self.plane, links, interface, lane, force).map_err(|error| refusal(&error))?;
        Ok(self.done())
    }

    /// Detaches from an interface, or from all.
    fn detach(&mut self, interface: Option<&str>) -> Result<Response, Refusal> {
        let result = match interface {
            Some(name) => self.interfaces.detach(&mut self.plane, name),
            None => self.interfaces.detach_all(&mut self.plane),
        };
        result.map(|()| self.done()).map_err(|error| refusal(&error))
    }

    fn sysctls(&self) -> Response {
        let values = self.store.sysctls();
        let view = |name: Sysctl| SysctlView { name, value: values.get(name), default: name.default_value() };
        Response::Sysctls { sysctls: Sysctl::ALL.map(view).to_vec() }
    }

    fn done(&self) -> Response {
        Response::Done { generation: self.store.generation() }
    }
}
