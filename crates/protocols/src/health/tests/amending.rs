//! Some services become others, and the rest does not notice.

use super::*;
use std::collections::{BTreeMap, BTreeSet};

type Checked = (VirtualService, ServiceHealth);

/// What is known of everything.
fn everything(world: &World) -> impl PartialEq + std::fmt::Debug + use<> {
    let services: Vec<_> = world.checker.services().map(|(key, status)| (*key, status.clone())).collect();
    let ids: BTreeSet<CheckId> =
        services.iter().flat_map(|(_, it)| &it.servers).flat_map(|it| it.checks.clone()).collect();
    let checks: Vec<_> = ids.iter().map(|id| world.checker.check(*id).cloned()).collect();
    (services, checks, world.checker.check_count(), world.checker.next_deadline(), world.log.clone())
}

/// The same edits, told as a whole and told alone, in a world where servers die and return.
#[test]
fn what_is_told_of_some_services_leaves_what_is_told_of_all_would() {
    let [mut whole, mut alone] = [(); 2].map(|()| World::new(Vec::new()));
    let mut there: BTreeMap<Key, Checked> = BTreeMap::new();
    let mut dice = model::Dice::new(11);
    let mut roll = |sides: f64| (dice.share() * sides) as usize;
    for _ in 0..400 {
        let (mut edited, mut gone) = (BTreeMap::new(), BTreeSet::new());
        for _ in 0..=roll(3.0) {
            let port = 80 + u16::try_from(roll(6.0)).unwrap();
            if roll(4.0) == 0 {
                there.remove(&key(port));
                edited.remove(&key(port));
                gone.insert(key(port));
                continue;
            }
            let weights: Vec<u32> = (0..=roll(5.0)).map(|_| u32::try_from(roll(3.0)).unwrap()).collect();
            let mut checked = service(port, &weights);
            checked.1.quorum = u32::try_from(1 + roll(3.0)).unwrap();
            // A server has a check of its own here and there, and shares the others.
            let slower = roll(weights.len() as f64);
            checked.1.servers[slower].checks[0].pace.retries = u32::try_from(roll(3.0)).unwrap();
            gone.remove(&key(port));
            edited.insert(key(port), checked.clone());
            there.insert(key(port), checked);
        }
        whole.input(Input::Configure(there.values().cloned().collect()));
        alone.input(Input::Amend(edited.into_values().collect(), gone));
        assert_eq!(everything(&whole), everything(&alone));
        let server = endpoint(u8::try_from(1 + roll(5.0)).unwrap());
        for world in [&mut whole, &mut alone] {
            match world.dead.iter().position(|dead| *dead == server) {
                Some(place) => drop(world.dead.remove(place)),
                None => world.dead.push(server),
            }
        }
        assert_eq!(whole.run(7), alone.run(7));
        assert_eq!(everything(&whole), everything(&alone));
    }
    assert!(alone.probes > 1000 && alone.probes == whole.probes, "{}", alone.probes);
}

#[test]
fn the_work_of_an_edit_grows_with_what_is_edited() {
    let mut services: Vec<Checked> = (1..=200).map(|port| service(port, &[1, 1, 1, 1])).collect();
    let mut world = World::new(services.clone());
    world.run(15);
    let (before, probes) = (world.checker.looks(), world.probes);
    services[7].0.servers[2].weight = Weight::new(9).unwrap();
    world.input(Input::Amend(vec![services[7].clone()], BTreeSet::new()));
    let looks = world.checker.looks() - before;
    assert!(looks <= 8, "{looks} looks at 4 servers");
    assert_eq!(world.probes, probes, "no check is made anew");
    assert_eq!(world.standings(8), [weight(1), weight(1), weight(9), weight(1)]);
}

#[test]
fn a_check_ends_with_the_last_service_that_has_it() {
    let mut world = World::new(vec![service(80, &[1, 1]), service(81, &[1])]);
    assert_eq!(world.checker.check_count(), 2);
    world.input(Input::Amend(Vec::new(), [key(81), key(99)].into()));
    assert_eq!((world.checker.check_count(), world.checker.services().count()), (2, 1));
    world.input(Input::Amend(vec![service(80, &[1])], BTreeSet::new()));
    assert_eq!(world.checker.check_count(), 1);
    world.input(Input::Amend(Vec::new(), [key(80)].into()));
    assert_eq!((world.checker.check_count(), world.checker.next_deadline()), (0, None));
}
