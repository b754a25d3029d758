//! Every differential scenario against xlvs, compared with what was recorded of the kernel's IPVS.

use lab::differential::{self, Side, World, compare, recording};

#[test]
#[ignore = "needs root"]
fn xlvs_does_what_the_kernel_did() {
    let recorded = recording::recorded().unwrap();
    let scenarios = differential::load().unwrap();
    let mut world = World::new(Side::Xlvs).unwrap();
    let mut different = Vec::new();
    for scenario in &scenarios {
        let kernel = recorded.get(&scenario.name).unwrap_or_else(|| panic!("{} is not recorded", scenario.name));
        let xlvs = world.play(scenario).unwrap();
        different.extend(compare(scenario, kernel, &xlvs).map(|difference| format!("{}: {difference}", scenario.name)));
    }
    let accepted: usize = scenarios.iter().map(|scenario| scenario.accepted().count()).sum();
    println!(
        "{} of {} scenarios agree, {accepted} differences accepted",
        scenarios.len() - different.len(),
        scenarios.len()
    );
    assert!(different.is_empty(), "{}", different.join("\n"));
    assert!(scenarios.len() >= 100, "scenarios are missing: there are {}", scenarios.len());
}

#[test]
fn every_recording_belongs_to_a_scenario() {
    let names: Vec<String> = differential::load().unwrap().into_iter().map(|scenario| scenario.name).collect();
    let strays: Vec<String> = recording::recorded().unwrap().into_keys().filter(|name| !names.contains(name)).collect();
    assert!(strays.is_empty(), "recorded, but no scenario: {strays:?}");
}
