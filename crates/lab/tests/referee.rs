//! Every play of health against xlvs, compared with what was recorded of keepalived and the kernel's IPVS.

use lab::referee::{self, Side, judge};

/// How many plays at once: they wait, mostly.
const AT_ONCE: usize = 8;

#[test]
#[ignore = "needs root"]
fn xlvs_decides_what_keepalived_decided() {
    let (recorded, plays) = (referee::recorded().unwrap(), referee::load().unwrap());
    let performed = referee::perform(Side::Xlvs, &plays, &recorded, AT_ONCE).unwrap();
    let (mut different, mut decisions) = (Vec::new(), 0);
    for (play, xlvs) in plays.iter().zip(performed) {
        let keepalived = recorded.get(&play.name).unwrap_or_else(|| panic!("{} is not recorded", play.name));
        let verdict = judge(play, keepalived, &xlvs.unwrap());
        decisions += verdict.times.len();
        different.extend(verdict.difference.map(|difference| format!("{}: {difference}", play.name)));
    }
    println!("{} of {} plays agree, {decisions} decisions", plays.len() - different.len(), plays.len());
    assert!(different.is_empty(), "{}", different.join("\n"));
    assert!(plays.len() >= 30 && decisions >= 600, "plays are missing: {} with {decisions} decisions", plays.len());
}

#[test]
fn every_recording_belongs_to_a_play() {
    let names: Vec<String> = referee::load().unwrap().into_iter().map(|play| play.name).collect();
    let strays: Vec<String> = referee::recorded().unwrap().into_keys().filter(|name| !names.contains(name)).collect();
    assert!(strays.is_empty(), "recorded, but no play: {strays:?}");
}
