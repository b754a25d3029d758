//! Traffic of every kind while something happens.

use lab::node::{Reuse, Tally};
use lab::{Lab, Scenario};
use std::thread::{self, sleep};
use std::time::Duration;

/// 1 000 requests, one long download and a stream of datagrams, while `change` happens on this thread.
pub(crate) fn under_load(lab: &Lab, scenario: &Scenario, change: impl FnOnce()) -> Tally {
    let before = lab.counters().unwrap();
    let pace = |time: u64| sleep(Duration::from_millis(time));
    let (web, echo) = (scenario.service(), scenario.echo_service());
    let tally = thread::scope(|scope| {
        let requests = scope.spawn(move || {
            lab.client.requests(web, 1000, Reuse::Close, |_| {
                pace(5);
                true
            })
        });
        let download = scope.spawn(move || lab.client.download(web, lab::BULK, |_| pace(6)));
        let datagrams = scope.spawn(move || lab.client.lost_echoes(echo, 1000, Duration::from_millis(5)));
        pace(300);
        change();
        assert!(!requests.is_finished() && !download.is_finished() && !datagrams.is_finished(), "the load ended early");
        assert!(download.join().unwrap().unwrap(), "the download differs");
        assert_eq!(datagrams.join().unwrap().unwrap(), 0, "datagrams lost");
        requests.join().unwrap().unwrap()
    });
    assert_eq!((tally.requests, tally.ok), (1000, 1000), "{:?}", tally.errors);
    let spent = lab.counters().unwrap().since(before);
    assert_eq!(spent.checksum_errors, 0);
    eprintln!("1000 of 1000 requests, 0 of 1000 datagrams lost, {} segments sent again", spent.retransmitted);
    tally
}
