//! What holds for any command line, for fuzzers: reading it ends in an intent or in one error, and what a legal
//! change leaves in the table is saved as rules that mean the same.

use super::intent::Intent;
use crate::table::{Names, rules};
use api::{Listing, Request, ServerView, ServiceView, TrafficCounters, TrafficRates};
use model::{Key, Persistence, ServiceOptions, VirtualService};

const PROGRAM: &str = "ipvsadm";

/// Panics unless the line keeps the law.
#[expect(clippy::panic, reason = "that is how a fuzzer is told")]
pub fn check(line: &str) {
    let request = match Intent::parse(&words(line), PROGRAM) {
        Ok(Intent::Change { request, .. }) => request,
        Ok(_) => return,
        Err(failure) => {
            assert!(failure.code != 0 && !failure.message.trim().is_empty(), "an error without words: {failure:?}");
            return;
        }
    };
    let Some(service) = result(&request) else { return };
    let saved = saved(&service);
    let again: Vec<Request> = saved.lines().map(reread).collect();
    let Some(service_again) = joined(&again) else { panic!("no service in {saved}") };
    assert_eq!(self::saved(&service_again), saved, "saved, read and saved again, of {line:?}");
    assert_eq!(service_again, without_losses(service), "saved and read again, of {line:?}: {saved}");
}

fn words(line: &str) -> Vec<String> {
    line.split_ascii_whitespace().map(str::to_owned).collect()
}

/// The service that is in a table with nothing else, after the request.
fn result(request: &Request) -> Option<VirtualService> {
    let (key, options, server) = match request {
        Request::AddService { key, options } | Request::EditService { key, options } => (*key, options.clone(), None),
        Request::AddServer { service, server } | Request::EditServer { service, server } => {
            (*service, options_of(service), Some(*server))
        }
        _ => return None,
    };
    // The original prints marks as signed numbers, and does not read them back.
    let printable = !matches!(key, Key::Mark(mark) if mark.mark > i32::MAX.cast_unsigned());
    printable.then(|| VirtualService { key, options, servers: server.into_iter().collect() })
}

/// What a service must have to be in a table at all: one of all ports is persistent.
fn options_of(key: &Key) -> ServiceOptions {
    let all_ports = key.endpoint().is_some_and(|endpoint| endpoint.port() == 0);
    let persistence = all_ports.then_some(Persistence { timeout: 300, granularity: None });
    ServiceOptions { persistence, ..ServiceOptions::default() }
}

/// The service and its server, from the rules.
fn joined(requests: &[Request]) -> Option<VirtualService> {
    let mut service = None;
    for request in requests {
        match request {
            Request::AddService { key, options } => {
                service = Some(VirtualService { key: *key, options: options.clone(), servers: Vec::new() });
            }
            Request::AddServer { server, .. } => service.as_mut()?.servers.push(*server),
            _ => return None,
        }
    }
    service
}

/// What `-S` leaves out, as the original does.
fn without_losses(mut service: VirtualService) -> VirtualService {
    for server in &mut service.servers {
        server.thresholds = Default::default();
    }
    service
}

#[expect(clippy::panic, reason = "that is how a fuzzer is told")]
fn reread(rule: &str) -> Request {
    match Intent::parse(&words(rule), PROGRAM) {
        Ok(Intent::Change { request, .. }) => request,
        other => panic!("the rule {rule:?} is read as {other:?}"),
    }
}

fn saved(service: &VirtualService) -> String {
    let view = ServiceView {
        service: VirtualService { servers: Vec::new(), ..service.clone() },
        servers: service.servers.iter().copied().map(ServerView::from).collect(),
        owned: true,
        counters: TrafficCounters::default(),
        rates: TrafficRates::default(),
    };
    rules::all(&Listing { services: vec![view], ..Listing::default() }, Names::Numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Endpoint, ForwardingMethod, Protocol, RealServer, ServiceKey};

    #[test]
    fn the_law_can_be_broken() {
        let key = ServiceKey { protocol: Protocol::Tcp, endpoint: Endpoint::from(([10, 0, 0, 1], 80)) };
        let server = |method| RealServer::new(Endpoint::from(([10, 0, 0, 2], 80)), method, model::Weight::default());
        let service = |method| VirtualService {
            key: key.into(),
            options: ServiceOptions::default(),
            servers: vec![server(method)],
        };
        let again: Vec<Request> = saved(&service(ForwardingMethod::Nat)).lines().map(reread).collect();
        assert_eq!(joined(&again), Some(service(ForwardingMethod::Nat)));
        assert_ne!(joined(&again), Some(service(ForwardingMethod::DirectRouting)));
    }

    #[test]
    fn usual_lines_keep_it() {
        for line in [
            "-A -t 10.0.0.1:80 -s mh -b mh-port,mh-fallback -p 300 -M 255.255.255.0",
            "-a -t [fd00::1]:80 -r [fd00::2]:8080 -m -w 3 -x 10 -y 5",
            "-a -t 10.0.0.1:0 -r 10.0.0.2 -g",
            "-a -f 7 -6 -r [fd00::2] -i --tun-type gue --tun-port 6080",
            "-Ln --stats",
            "-A -t 10.0.0.1:80 --local-address 10.0.9.1-10.0.9.4:20000-29999,10.0.8.1",
            "-A -t [fd00::1]:80 -s rr --local-address [fd00::9]:5000-5999",
            "-a -t 10.0.0.1:80 -r 10.0.0.2:8080 --fullnat",
            "-A -t nonsense",
            "",
        ] {
            check(line);
        }
    }
}
