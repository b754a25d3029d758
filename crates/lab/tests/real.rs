//! Programs that others wrote on both ends: curl asks, nginx answers.

use lab::node::{Entry, Reuse, ServerKind};
use lab::{Family, Lab, Mode, Scenario, Topology};
use std::collections::BTreeMap;

#[test]
#[ignore = "needs root"]
fn curl_and_nginx() {
    for program in ["nginx", "curl"] {
        let is_there = |directory: &&str| std::path::Path::new(directory).join(program).exists();
        assert!(["/usr/sbin", "/usr/bin"].iter().any(is_there), "{program} is not installed: cargo xtask setup");
    }
    for topology in [Topology::one_armed(Mode::Nat), Topology::bridged(Mode::Dr)] {
        let lab = Lab::build_with(topology, ServerKind::Nginx).unwrap();
        let mut director = lab.director(Entry::Direct).unwrap();
        director.start().unwrap();
        for family in Family::ALL {
            let scenario = Scenario::usual(family);
            scenario.configure(&lab, &director).unwrap();
            let url = format!("http://{}/", scenario.service());
            let mut served = BTreeMap::<String, u32>::new();
            for _ in 0..30 {
                let text = lab.client.curl(&[&url]).unwrap().success().unwrap();
                *served.entry(text.lines().next().unwrap().to_owned()).or_default() += 1;
            }
            assert_eq!(served.into_values().collect::<Vec<_>>(), [10, 10, 10], "{topology}, {family}");
            let outcome = scenario.drive(&lab, "xdp", |_| ()).unwrap();
            assert!(outcome.is_well(), "{topology}, {family}: {outcome:?}");
            let kept = lab.client.requests(scenario.service(), 100, Reuse::KeepAlive, |_| true).unwrap();
            assert_eq!((kept.ok, kept.served_by.len()), (100, 1), "{:?}", kept.errors);
        }
    }
}
