//! Lanes: chosen, changed without a gap, found again, and left.

use super::{in_namespace, ip, options};
use crate::checking::Held;
use crate::clsact::Side;
use crate::hold::{Hold, Hook};
use crate::{Dataplane, Rehearsed, Why, clsact, detach_all};
use model::{Lane, LaneChoice};
use std::os::fd::AsFd;
use std::path::Path;

fn lane(plane: &Dataplane) -> Vec<(String, Lane, Why)> {
    let attachments = plane.attachments().unwrap();
    attachments.into_iter().map(|attachment| (attachment.name, attachment.lane, attachment.why)).collect()
}

fn on_a(lane: Lane, why: Why) -> Vec<(String, Lane, Why)> {
    vec![("xlvs-a".to_owned(), lane, why)]
}

/// What holds programs on the interface's hooks.
fn hooks(directory: &Path) -> Vec<Hook> {
    Hold::all(&directory.join("links")).iter().map(|hold| hold.hook).collect()
}

/// What one veth has shown, another one need not show by itself.
#[test]
#[ignore = "needs root"]
fn an_interface_like_one_that_had_to_leave_xdp_begins_in_tc() {
    in_namespace("lanes-alike", |directory| {
        let mut plane = Dataplane::open(&options(directory)).unwrap();
        plane.attach("xlvs-a", None, false).unwrap();
        plane.leave_xdp("xlvs-a", Why::PartialChecksums).unwrap();
        ip("link add xlvs-c type veth peer name xlvs-d");
        let alike = plane.attach("xlvs-c", None, false).unwrap();
        assert_eq!((alike.lane, alike.why), (Lane::Tc, Why::PartialChecksumsElsewhere));
        let asked = plane.attach("xlvs-c", Some(LaneChoice::Xdp), false).unwrap();
        assert_eq!((asked.lane, asked.why), (Lane::Xdp, Why::Asked));
    });
}

#[test]
#[ignore = "needs root"]
fn a_lane_is_chosen_changed_and_found_again() {
    in_namespace("lanes", |directory| {
        let mut plane = Dataplane::open(&options(directory)).unwrap();
        let attach = |plane: &mut Dataplane, choice| drop(plane.attach("xlvs-a", choice, false).unwrap());
        attach(&mut plane, None);
        assert_eq!(lane(&plane), on_a(Lane::Xdp, Why::Native));
        plane.leave_xdp("xlvs-a", Why::PartialChecksums).unwrap();
        for choice in [None, Some(LaneChoice::Auto)] {
            attach(&mut plane, choice);
            assert_eq!(lane(&plane), on_a(Lane::Tc, Why::PartialChecksums), "nothing has changed on the sender");
            assert_eq!(hooks(directory), [Hook::Ingress]);
        }
        drop(plane);
        let mut plane = Dataplane::open(&options(directory)).unwrap();
        assert_eq!(lane(&plane), on_a(Lane::Tc, Why::PartialChecksums));
        for (choice, expected) in [
            (LaneChoice::Xdp, Lane::Xdp),
            (LaneChoice::XdpGeneric, Lane::XdpGeneric),
            (LaneChoice::Xdp, Lane::Xdp),
            (LaneChoice::XdpGeneric, Lane::XdpGeneric),
            (LaneChoice::Tc, Lane::Tc),
        ] {
            attach(&mut plane, Some(choice));
            assert_eq!(lane(&plane), on_a(expected, Why::Asked));
            assert_eq!(hooks(directory).len(), 1);
        }
        attach(&mut plane, None);
        assert_eq!(lane(&plane), on_a(Lane::Tc, Why::Asked), "as it is");
        attach(&mut plane, Some(LaneChoice::Auto));
        assert_eq!(lane(&plane), on_a(Lane::Xdp, Why::Native));
        attach(&mut plane, Some(LaneChoice::Tc));
        plane.detach("xlvs-a").unwrap();
        assert_eq!((lane(&plane), hooks(directory)), (Vec::new(), Vec::new()));
        attach(&mut plane, Some(LaneChoice::Tc));
        drop(plane);
        assert_eq!(detach_all(directory).unwrap(), ["xlvs-a"]);
    });
}

#[test]
#[ignore = "needs root"]
fn what_has_no_native_xdp_gets_the_other_lane() {
    in_namespace("fallback", |directory| {
        ip("link add xlvs-v type bridge");
        let mut plane = Dataplane::open(&options(directory)).unwrap();
        let attachment = plane.attach("xlvs-v", None, false).unwrap();
        assert_eq!((attachment.lane, attachment.why), (Lane::Tc, Why::NoNativeXdp));
        let Rehearsed { action, reason, .. } = plane.explain(&[0xff; 60], attachment.index).unwrap();
        assert_eq!((action, reason.name()), (forward::Action::Pass, "pass_not_ours"));
    });
}

/// As on kernels without links for tc.
#[test]
#[ignore = "needs root"]
fn a_filter_does_what_a_link_does() {
    in_namespace("filter", |directory| {
        let mut plane = Dataplane::open(&options(directory)).unwrap();
        let links = directory.join("links");
        let index = plane.attach("xlvs-a", Some(LaneChoice::Tc), false).unwrap().index;
        plane.detach("xlvs-a").unwrap();
        let program = plane.generation.entry(Hook::Ingress);
        Hold::filter(&links, index, program, Hook::Ingress).unwrap();
        Hold::filter(&links, index, program, Hook::Ingress).unwrap_err();
        assert_eq!(hooks(directory), [Hook::Ingress]);
        assert_eq!(clsact::programs(index, clsact::Side::Ingress), [plane.generation.entry_id(Hook::Ingress).unwrap()]);
        drop(plane);
        let mut plane = Dataplane::open(&options(directory)).unwrap();
        assert_eq!(plane.attach("xlvs-a", None, false).unwrap().lane, Lane::Tc);
        Hold::find(&links, index, Hook::Ingress).unwrap().replace(plane.generation.entry(Hook::Ingress)).unwrap();
        drop(plane);
        assert_eq!(detach_all(directory).unwrap(), ["xlvs-a"]);
        assert!(clsact::programs(index, clsact::Side::Ingress).is_empty());
        assert!(clsact::make_qdisc(index).unwrap(), "the qdisc went with its last filter");
        let mut plane = Dataplane::open(&options(directory)).unwrap();
        Hold::filter(&links_of(&mut plane), index, plane.generation.entry(Hook::Ingress), Hook::Ingress).unwrap();
        plane.detach("xlvs-a").unwrap();
        assert!(!clsact::make_qdisc(index).unwrap(), "a qdisc of somebody else stays");
    });
}

/// A director and a real server's programs on one interface, and an owner that was killed at any point of its way there.
#[test]
#[ignore = "needs root"]
fn filters_of_two_owners_stand_beside_each_other_and_are_found_again() {
    in_namespace("filters", |directory| {
        let mut plane = Dataplane::open(&options(directory)).unwrap();
        let (links, index) = (links_of(&mut plane), crate::interface::Link::by_name("xlvs-a").unwrap().index);
        let others = plane.pins.root.join("links-of-others");
        crate::pins::make_directory(&others).unwrap();
        let (first, second) = (plane.generation.entry(Hook::Ingress), plane.generation.entry(Hook::Egress));
        let there = || clsact::programs(index, clsact::Side::Ingress).len();
        Hold::filter(&links, index, first, Hook::Ingress).unwrap();
        Hold::filter(&others, index, second, Hook::Ingress).unwrap();
        assert_eq!(there(), 2);
        Hold::find(&links, index, Hook::Ingress).unwrap().release(&links).unwrap();
        assert!(there() == 1 && Hold::find(&others, index, Hook::Ingress).is_some(), "that of the other stays");
        Hold::filter(&links, index, first, Hook::Ingress).unwrap();
        // Killed when the filter was there and its pin had no name yet; or before the filter, or the qdisc, was there.
        let pin = Hook::Ingress.pin(&links, index);
        std::fs::rename(&pin, format!("{}-new", pin.display())).unwrap();
        let [found] = Hold::all(&links).try_into().ok().unwrap();
        found.release(&links).unwrap();
        Hold::find(&others, index, Hook::Ingress).unwrap().release(&others).unwrap();
        assert_eq!(there(), 0);
        crate::syscall::pin(first, &links.join(format!("{index}-qdisc-new"))).unwrap();
        crate::syscall::pin(first, std::path::Path::new(&format!("{}-new", pin.display()))).unwrap();
        assert!(Hold::all(&links).is_empty());
        Hold::filter(&links, index, first, Hook::Ingress).unwrap();
        assert_eq!((there(), Hold::all(&links).len()), (1, 1));
        Hold::find(&links, index, Hook::Ingress).unwrap().release(&links).unwrap();
        assert!(clsact::make_qdisc(index).unwrap(), "the qdisc went with its last filter");
        std::fs::remove_dir(&others).unwrap();
    });
}

fn links_of(plane: &mut Dataplane) -> std::path::PathBuf {
    let links = plane.pins.links();
    crate::pins::make_directory(&links).unwrap();
    links
}

/// Before Linux 6.6 the programs of checks are filters, which outlive a daemon that is killed.
#[test]
#[ignore = "needs root"]
fn filters_of_checks_that_a_killed_daemon_left_go_with_its_pins_and_no_others() {
    in_namespace("checks", |directory| {
        let index = nix::net::if_::if_nametoindex("xlvs-a").unwrap();
        let plane = Dataplane::open(&options(directory)).unwrap();
        let [checks, other] = [plane.generation.check_in.as_fd(), plane.generation.entry(Hook::Ingress)];
        std::mem::forget(Held::filter(index, Side::ChecksIn, checks).unwrap());
        std::mem::forget(Held::filter(index, Side::ChecksOut, other).unwrap());
        drop(plane);
        assert_eq!(clsact::programs(index, Side::ChecksIn).len(), 1);
        detach_all(directory).unwrap();
        assert!(clsact::programs(index, Side::ChecksIn).is_empty());
        assert_eq!(clsact::programs(index, Side::ChecksOut).len(), 1, "it is not of checks by these pins");
    });
}
