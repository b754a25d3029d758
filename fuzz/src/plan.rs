//! The way from one state of a data plane to another.

use arbitrary::{Arbitrary, Unstructured};
use model::{Config, Hop, Reach, ServerState, ServiceState, State, VirtualService, plan};
use std::collections::BTreeMap;
use std::fmt::Write;
use wire::MacAddress;

/// Services by number, each with its scheduler and servers in order.
#[derive(Arbitrary, Debug)]
struct Sketch {
    services: Vec<(u8, Service)>,
    timeout: u8,
}

#[derive(Arbitrary, Debug)]
struct Service {
    scheduler: u8,
    any: bool,
    owned: bool,
    servers: Vec<(u8, Server)>,
}

#[derive(Arbitrary, Debug, Clone, Copy)]
struct Server {
    nat: bool,
    weight: u8,
    reach: u8,
}

pub(crate) fn run(data: &[u8]) {
    let Ok((desired, actual)) = <(Sketch, Sketch)>::arbitrary_take_rest(Unstructured::new(data)) else { return };
    let (desired, actual) = (desired.state(), actual.state());
    let changes = plan(&desired, &actual);
    let (mut reached, mut twice) = (actual.clone(), actual);
    for change in &changes {
        reached.apply(change);
        twice.apply(change);
        twice.apply(change);
        assert_eq!(change.to_string().lines().count(), 1, "a change is one line: {change}");
    }
    assert_eq!(reached, twice, "each change can be made twice");
    assert_eq!(plan(&desired, &reached), [], "nothing is left to do");
    assert_eq!(in_maps(reached), in_maps(desired), "the plan leads there");
    assert_eq!(plan(&twice, &twice), [], "equal states need nothing");
}

/// What the maps can tell of a state.
fn in_maps(mut state: State) -> State {
    for service in state.services.values_mut() {
        service.options.name = None;
        service.options.any = false;
    }
    state
}

impl Sketch {
    /// By way of a file, so that the values are those that an operator can ask for.
    fn state(&self) -> State {
        let services: BTreeMap<u8, &Service> =
            self.services.iter().map(|(number, service)| (number % 8, service)).collect();
        let mut text = format!("[timeouts]\ntcp = \"{}s\"\n", u32::from(self.timeout) + 1);
        services.iter().for_each(|(number, service)| service.write(*number, &mut text));
        let config = Config::parse_toml(&text, "fuzz").unwrap_or_else(|error| panic!("{error}\n{text}"));
        let states = config.services.iter().zip(services.values());
        let known = states
            .filter_map(|(configured, sketch)| configured.key.acting().map(|key| (key, sketch.observed(configured))));
        let services = known.collect();
        State { services, timeouts: config.timeouts, ..State::default() }
    }
}

impl Service {
    /// Servers by number, in the order in which they were first named.
    fn servers(&self) -> Vec<(u8, Server)> {
        let mut servers: Vec<(u8, Server)> = Vec::new();
        for (number, server) in &self.servers {
            if servers.iter().all(|(other, _)| *other != number % 16) {
                servers.push((number % 16, *server));
            }
        }
        servers
    }

    fn write(&self, number: u8, text: &mut String) {
        let schedulers: Vec<_> = model::Scheduler::usable().collect();
        let scheduler = schedulers.get(usize::from(self.scheduler) % schedulers.len()).map_or("rr", |one| one.name());
        // Writing to a String cannot fail.
        let _ = writeln!(text, "[[service]]\nlisten = \"tcp 203.0.113.{number}:80\"\nscheduler = \"{scheduler}\"");
        let _ = writeln!(text, "any = {}\nservers = [", self.any);
        for (number, Server { nat, weight, .. }) in self.servers() {
            let method = if nat { "nat" } else { "dr" };
            let _ = writeln!(text, "{{ address = \"10.0.0.{number}:80\", weight = {weight}, method = \"{method}\" }},");
        }
        text.push_str("]\n");
    }

    fn observed(&self, configured: &VirtualService) -> ServiceState {
        let sketches = self.servers();
        let servers = configured.servers.iter().zip(sketches).map(|(server, (_, sketch))| {
            let hop = Hop {
                interface: u32::from(sketch.reach),
                destination: MacAddress([2, 0, 0, 0, 0, sketch.reach]),
                source: MacAddress([2, 0, 0, 0, 1, 0]),
                vlan: 0,
                mtu: 1500,
                address: None,
            };
            let reach = match sketch.reach {
                0 => Reach::Unresolved,
                1 => Reach::Local,
                _ => Reach::Via(hop),
            };
            ServerState { server: *server, reach }
        });
        ServiceState { options: configured.options.clone(), owned: self.owned, servers: servers.collect() }
    }
}
