//! Every request has its place: what it asks for, done or refused.

use crate::director::{Director, Done, Manner, refusal};
use crate::observe::Network;
use crate::plane::Plane;
use api::{Refusal, Request, Response, SysctlView};
use model::Sysctl;
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
            Request::Attach { interface, force, lane, confirm_within } => {
                self.attach(interface, *lane, *force, *confirm_within)?
            }
            Request::Plan { config } => Response::Plan(self.plan(config, Instant::now())?),
            Request::Apply { config, confirm_within, generation } => {
                let manner = Manner { again: true, confirm_within: *confirm_within };
                return self.apply(config, manner, *generation, Instant::now());
            }
            Request::RollBack => self.roll_back("by request", Instant::now())?,
            Request::Confirm { interface } => self.confirm(interface.as_deref())?,
            Request::Detach { interface } => self.detach(interface.as_deref())?,
            Request::Stop { .. } => self.done(),
            _ => return self.change(request, Instant::now()),
        };
        Ok(Done { response, pending: BTreeSet::new() })
    }

    /// Detaches from an interface, or from all.
    fn detach(&mut self, interface: Option<&str>) -> Result<Response, Refusal> {
        let result = match interface {
            Some(name) => self.interfaces.detach(&mut self.plane, name).map(|()| vec![name.to_owned()]),
            None => self.interfaces.detach_all(&mut self.plane),
        };
        self.adopt_trials(Instant::now());
        result.map(|interfaces| Response::Detached { interfaces }).map_err(|error| refusal(&error))
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
