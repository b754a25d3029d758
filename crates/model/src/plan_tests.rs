//! Plans as people read them, and the laws: a plan leads there, without detours, and where nothing differs it is
//! empty.

use super::*;
use crate::{
    ForwardingMethod, Hop, Protocol, Reach, RealServer, Scheduler, SchedulerFlags, ServiceOptions, Sysctl, Sysctls,
    Timeouts, Weight,
};
use proptest::prelude::*;

fn key(number: u8) -> ServiceKey {
    ServiceKey { protocol: Protocol::Tcp, endpoint: Endpoint::from(([203, 0, 113, number], 80)) }
}

fn server(number: u8, weight: u32) -> ServerState {
    let hop = Hop {
        interface: 2,
        destination: wire::MacAddress([2, 0, 0, 0, 0, number]),
        source: wire::MacAddress([2, 0, 0, 0, 0, 1]),
        vlan: 0,
        mtu: 1500,
        address: None,
    };
    let endpoint = Endpoint::from(([10, 0, 0, number], 80));
    let weight = Weight::new(weight).unwrap();
    ServerState { server: RealServer::new(endpoint, ForwardingMethod::DirectRouting, weight), reach: Reach::Via(hop) }
}

fn service(servers: Vec<ServerState>) -> ServiceState {
    let options = ServiceOptions { scheduler: Scheduler::WeightedRoundRobin, ..ServiceOptions::default() };
    ServiceState { options, owned: true, servers }
}

fn state(services: impl IntoIterator<Item = (u8, ServiceState)>) -> State {
    let services = services.into_iter().map(|(number, service)| (key(number), service)).collect();
    State { services, ..State::default() }
}

fn one(servers: impl IntoIterator<Item = (u8, u32)>) -> State {
    state([(10, service(servers.into_iter().map(|(number, weight)| server(number, weight)).collect()))])
}

fn text(desired: &State, actual: &State) -> String {
    plan(desired, actual).iter().map(|change| format!("{change}\n")).collect()
}

#[test]
fn from_nothing() {
    let mut desired = one([(2, 1), (1, 3)]);
    desired.services.insert(key(9), service(vec![]));
    let web = desired.services.get_mut(&key(10)).unwrap();
    web.servers[0].reach = Reach::Unresolved;
    web.servers[1].server.method = ForwardingMethod::Nat;
    web.options.scheduler = Scheduler::Maglev;
    web.options.scheduler_flags.port = true;
    web.owned = false;
    insta::assert_snapshot!(text(&desired, &State::default()), @"
    + tcp 203.0.113.9:80 wrr
    + tcp 203.0.113.10:80 mh mh-port, not owned
    + tcp 203.0.113.10:80 -> 10.0.0.2:80 dr weight 1, unresolved
    + tcp 203.0.113.10:80 -> 10.0.0.1:80 nat weight 3, via 02:00:00:00:00:01 on interface 2
    ");
}

#[test]
fn to_nothing() {
    let mut actual = one([(1, 1), (2, 1)]);
    actual.timeouts.tcp = 60;
    insta::assert_snapshot!(text(&State::default(), &actual), @"
    - tcp 203.0.113.10:80
    ~ timeouts tcp 900 s, tcp fin 120 s, udp 300 s
    ");
}

#[test]
fn removals_then_additions_then_edits() {
    let actual =
        state([(1, service(vec![server(1, 1)])), (2, service(vec![server(1, 1), server(2, 1), server(3, 1)]))]);
    let mut desired =
        state([(2, service(vec![server(1, 5), server(3, 1), server(4, 1)])), (3, service(vec![server(9, 1)]))]);
    let edited = desired.services.get_mut(&key(2)).unwrap();
    edited.options.scheduler = Scheduler::RoundRobin;
    edited.servers[1].reach = Reach::Local;
    insta::assert_snapshot!(text(&desired, &actual), @"
    - tcp 203.0.113.1:80
    - tcp 203.0.113.2:80 -> 10.0.0.2:80
    + tcp 203.0.113.2:80 -> 10.0.0.4:80 dr weight 1, via 02:00:00:00:00:04 on interface 2
    + tcp 203.0.113.3:80 wrr
    + tcp 203.0.113.3:80 -> 10.0.0.9:80 dr weight 1, via 02:00:00:00:00:09 on interface 2
    ~ tcp 203.0.113.2:80 rr
    ~ tcp 203.0.113.2:80 -> 10.0.0.1:80 dr weight 5, via 02:00:00:00:00:01 on interface 2
    ~ tcp 203.0.113.2:80 -> 10.0.0.3:80 dr weight 1, local
    ");
}

#[test]
fn only_servers_behind_one_out_of_order_are_added_again() {
    let actual = one([(1, 1), (2, 1), (3, 1)]);
    insta::assert_snapshot!(text(&one([(1, 1), (3, 1), (2, 1)]), &actual), @"
    - tcp 203.0.113.10:80 -> 10.0.0.2:80
    + tcp 203.0.113.10:80 -> 10.0.0.2:80 dr weight 1, via 02:00:00:00:00:02 on interface 2
    ");
    insta::assert_snapshot!(text(&one([(1, 1), (4, 1), (2, 1), (3, 2)]), &actual), @"
    + tcp 203.0.113.10:80 -> 10.0.0.4:80 dr weight 1, via 02:00:00:00:00:04 on interface 2
    - tcp 203.0.113.10:80 -> 10.0.0.2:80
    + tcp 203.0.113.10:80 -> 10.0.0.2:80 dr weight 1, via 02:00:00:00:00:02 on interface 2
    - tcp 203.0.113.10:80 -> 10.0.0.3:80
    + tcp 203.0.113.10:80 -> 10.0.0.3:80 dr weight 2, via 02:00:00:00:00:03 on interface 2
    ");
    insta::assert_snapshot!(text(&one([(1, 1), (3, 1)]), &actual), @"- tcp 203.0.113.10:80 -> 10.0.0.2:80");
}

#[test]
fn what_does_not_reach_the_maps_is_no_difference() {
    let actual = one([(1, 1)]);
    let mut desired = actual.clone();
    let options = &mut desired.services.get_mut(&key(10)).unwrap().options;
    options.name = Some("web".into());
    options.any = true;
    assert_eq!(plan(&desired, &actual), []);
    desired.services.get_mut(&key(10)).unwrap().owned = false;
    insta::assert_snapshot!(text(&desired, &actual), @"~ tcp 203.0.113.10:80 wrr, not owned");
}

/// What the maps can tell of a state.
fn in_maps(mut state: State) -> State {
    for service in state.services.values_mut() {
        service.options.name = None;
        service.options.any = false;
    }
    state
}

fn some_service() -> impl Strategy<Value = ServiceState> {
    let reach = prop_oneof![Just(Reach::Unresolved), Just(Reach::Local), Just(server(1, 1).reach)];
    let numbers = proptest::sample::subsequence((1..=6).collect::<Vec<u8>>(), 0..=6).prop_shuffle();
    let servers = (numbers, proptest::collection::vec((0..3_u32, reach, any::<bool>()), 6));
    let options = (0..Scheduler::ALL.len(), any::<bool>(), any::<bool>(), any::<bool>(), any::<Option<bool>>());
    (servers, options).prop_map(|((numbers, details), (scheduler, port, any, owned, name))| {
        let servers = numbers.into_iter().zip(details).map(|(number, (weight, reach, nat))| {
            let mut state = ServerState { reach, ..server(number, weight) };
            if nat {
                state.server.method = ForwardingMethod::Nat;
            }
            state
        });
        let options = ServiceOptions {
            scheduler: Scheduler::ALL[scheduler],
            scheduler_flags: SchedulerFlags { port, fallback: !port, ..SchedulerFlags::NONE },
            any,
            name: name.map(|name| name.to_string()),
            ..ServiceOptions::default()
        };
        ServiceState { options, owned, servers: servers.collect() }
    })
}

fn some_state() -> impl Strategy<Value = State> {
    let services = proptest::collection::btree_map(1..5_u8, some_service(), 0..4);
    (services, 1..3_u32, 0..4_u32).prop_map(|(services, tcp, mode)| {
        let timeouts = Timeouts { tcp, ..Timeouts::default() };
        let mut sysctls = Sysctls::default();
        sysctls.set(Sysctl::ConnReuseMode, mode);
        State { timeouts, sysctls, ..state(services) }
    })
}

/// The servers of `actual` that need not be removed: as few as possible are, says a search through all subsets.
fn fewest_removals(desired: &[ServerState], actual: &[ServerState]) -> usize {
    let endpoints = |servers: &[ServerState]| by_endpoint(servers).map(|(endpoint, _)| endpoint).collect::<Vec<_>>();
    let (desired, actual) = (endpoints(desired), endpoints(actual));
    let removed = |subset: u32| actual.iter().enumerate().filter(move |(at, _)| subset >> at & 1 == 1).count();
    let leads_there = |subset: &u32| {
        let kept = actual.iter().enumerate().filter(|(at, _)| subset >> at & 1 == 0).map(|(_, endpoint)| *endpoint);
        desired.starts_with(&kept.collect::<Vec<_>>())
    };
    (0..1_u32 << actual.len()).filter(leads_there).map(removed).min().unwrap()
}

proptest! {
    #[test]
    fn a_plan_leads_there(desired in some_state(), actual in some_state()) {
        let mut reached = actual.clone();
        for change in plan(&desired, &actual) {
            reached.apply(&change);
        }
        prop_assert_eq!(plan(&desired, &reached), vec![]);
        prop_assert_eq!(in_maps(reached), in_maps(desired));
    }

    #[test]
    fn each_change_can_be_made_twice(desired in some_state(), actual in some_state()) {
        let (mut once, mut twice) = (actual.clone(), actual.clone());
        for change in plan(&desired, &actual) {
            once.apply(&change);
            twice.apply(&change);
            twice.apply(&change);
        }
        prop_assert_eq!(once, twice);
    }

    #[test]
    fn equal_states_need_nothing(state in some_state()) {
        prop_assert_eq!(plan(&state, &state), vec![]);
    }

    #[test]
    fn a_plan_touches_no_more_than_it_must(desired in some_service(), actual in some_service()) {
        let changes = plan(&state([(1, desired.clone())]), &state([(1, actual.clone())]));
        let count = |wanted: fn(&Change) -> bool| changes.iter().filter(|change| wanted(change)).count();
        let removed = fewest_removals(&desired.servers, &actual.servers);
        prop_assert_eq!(count(|change| matches!(change, Change::RemoveServer { .. })), removed);
        let staying = actual.servers.len() - removed;
        prop_assert_eq!(count(|change| matches!(change, Change::AddServer { .. })), desired.servers.len() - staying);
        let edited = desired.servers[..staying].iter().filter(|server| !actual.servers.contains(server)).count();
        prop_assert_eq!(count(|change| matches!(change, Change::EditServer { .. })), edited);
        let edits = count(|change| matches!(change, Change::EditService { .. }));
        prop_assert_eq!(edits, usize::from(differs(&desired, &actual)));
    }
}
