//! Two directors with the same services that are real servers too: what the owner of the virtual address sends to the
//! other is for the other's web server, and is never balanced again.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use lab::Family;
use lab::node::{Reuse, WEB, Xlvs};
use lab::pair::Pair;
use lab::topology::address;
use std::net::SocketAddr;

#[test]
#[ignore = "needs root"]
fn no_packet_passes_between_directors_twice() {
    for master in [0, 1] {
        let pair = Pair::build(master).unwrap();
        let mut directors = [pair.director(0).unwrap(), pair.director(1).unwrap()];
        for director in &mut directors {
            director.start().unwrap();
            Family::ALL.iter().for_each(|family| configure(&pair, director, *family));
        }
        for family in Family::ALL {
            balance(&pair, master, family);
        }
    }
}

fn configure(pair: &Pair, director: &Xlvs, family: Family) {
    let service = SocketAddr::new(address::VIRTUAL.of(family), WEB);
    director.ipvsadm(&format!("-A -t {service} -s rr")).unwrap();
    for server in &pair.servers {
        director
            .ipvsadm(&format!("-a -t {service} -r {} -g", SocketAddr::new(server.address.of(family), WEB)))
            .unwrap();
    }
    director.wait_for_servers().unwrap();
}

/// 1 000 requests in portions small enough for the recordings to hold every packet.
fn balance(pair: &Pair, master: usize, family: Family) {
    let service = SocketAddr::new(address::VIRTUAL.of(family), WEB);
    let backup = 1 - master;
    let mut served = std::collections::BTreeMap::<String, u64>::new();
    for _ in 0..4 {
        pair.network.taps().iter().for_each(lab::capture::Tap::clear);
        let tally = pair.client.requests(service, 250, Reuse::Close, |_| true).unwrap();
        assert_eq!(tally.ok, 250, "{family}, master {master}: {:?}", tally.errors);
        tally.served_by.into_iter().for_each(|(server, count)| *served.entry(server).or_default() += count);
        std::thread::sleep(std::time::Duration::from_millis(200));
        assert!(pair.received_by(master) > 1000, "the master got {} packets", pair.received_by(master));
        assert!(pair.received_by(backup) > 300, "the backup got {} packets", pair.received_by(backup));
        assert_eq!(pair.forwarded_by(backup), 0, "{family}: the backup sent packets for the VIP on");
        // What the master sends on is what the others get: nothing comes back to it.
        assert_eq!(pair.received_by(backup) + pair.received_by(2), pair.forwarded_by(master));
    }
    assert_eq!(served.values().sum::<u64>(), 1000);
    assert!(
        served.len() == 3 && served.values().all(|count| (333..=334).contains(count)),
        "{family}, master {master}: {served:?}"
    );
}
