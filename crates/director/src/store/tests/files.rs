//! Configuration files over what was changed by hand.

use super::*;

pub(super) fn config(services: &[(&str, &[RealServer])]) -> Config {
    let service = |(endpoint, servers): &(&str, &[RealServer])| VirtualService {
        key: key(endpoint),
        options: options(Scheduler::RoundRobin),
        servers: servers.to_vec(),
    };
    Config { services: services.iter().map(service).collect(), ..Config::default() }
}

#[test]
fn a_file_is_the_truth_for_what_it_names_when_it_changes() {
    let mut store = store();
    let first = config(&[("192.0.2.7:80", &[nat("10.0.0.7:80")]), ("192.0.2.8:80", &[])]);
    assert!(store.adopt(&first, false).unwrap().is_some());
    assert_eq!(store.services().len(), 3);
    // Edited at run time, then the same file again: the edit stays.
    store.change(&add_server("192.0.2.7:80", nat("10.0.0.9:80"))).unwrap();
    let before = store.clone();
    assert!(store.adopt(&first, false).unwrap().is_none());
    assert_eq!(store, before);
    // Another file: what it names is as it says, what it no longer names goes, what it never named stays.
    store.adopt(&config(&[("192.0.2.7:80", &[nat("10.0.0.8:80")])]), false).unwrap().unwrap();
    let keys: Vec<_> = store.services().keys().copied().collect();
    assert_eq!(keys, [key("192.0.2.1:80"), key("192.0.2.7:80")]);
    assert_eq!(store.services()[&key("192.0.2.7:80")].servers, [nat("10.0.0.8:80")]);
}

#[test]
fn a_file_sets_timeouts_only_when_it_names_them() {
    let mut store = store();
    store.change(&Request::SetTimeouts { tcp: Some(77), tcp_fin: None, udp: None }).unwrap();
    store.adopt(&config(&[]), false).unwrap();
    assert_eq!(store.timeouts().tcp, 77);
    let timeouts = Timeouts { tcp: 60, ..Timeouts::default() };
    store.adopt(&Config { timeouts, ..config(&[]) }, false).unwrap();
    assert_eq!(store.timeouts(), timeouts);
    store.adopt(&config(&[]), false).unwrap();
    assert_eq!(store.timeouts(), Timeouts::default());
}

#[test]
fn a_file_sets_the_sysctls_it_names_until_it_names_them_no_more() {
    let mut store = store();
    let set = |sysctl, value| Request::SetSysctls { values: BTreeMap::from([(sysctl, value)]) };
    store.change(&set(Sysctl::SloppyTcp, 1)).unwrap();
    let mut named = config(&[]);
    named.director.sysctls = BTreeMap::from([(Sysctl::ConnReuseMode, 3)]);
    store.adopt(&named, false).unwrap().unwrap();
    let values = |store: &Store| Sysctl::ALL.map(|sysctl| store.sysctls().get(sysctl));
    assert_eq!(values(&store), [3, 0, 0, 1, 254, 253, 1]);
    assert_eq!(store.differences(&named), 0);
    store.change(&set(Sysctl::ConnReuseMode, 2)).unwrap();
    assert_eq!(store.differences(&named), 1);
    store.adopt(&config(&[]), false).unwrap().unwrap();
    assert_eq!(values(&store), [1, 0, 0, 1, 254, 253, 1]);
}

#[test]
fn a_file_that_cannot_be_changes_nothing() {
    let mut changed = store();
    assert!(
        changed.adopt(&config(&[("192.0.2.7:80", &[]), ("192.0.2.8:80", &[nat("[2001:db8::1]:80")])]), false).is_err()
    );
    assert_eq!(changed, store());
}

#[test]
fn what_differs_from_an_unchanged_file_is_counted() {
    let config = "[[service]]\nlisten = \"tcp 192.0.2.1:80\"\nmethod = \"nat\"\nservers = [\"10.0.0.1:80\"]\n\
                  [[service]]\nlisten = \"tcp 192.0.2.2:80\"\n";
    let config = Config::parse_toml(config, "xlvs.toml").unwrap();
    let mut store = Store::default();
    store.adopt(&config, false).unwrap().unwrap();
    store.change(&add_service("192.0.2.9:80")).unwrap();
    assert_eq!(store.differences(&config), 0);
    store.change(&add_server("192.0.2.1:80", nat("10.0.0.2:80"))).unwrap();
    assert_eq!(store.differences(&config), 1);
    store.change(&Request::Flush).unwrap();
    assert_eq!(store.differences(&config), 2);
}
