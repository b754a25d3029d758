//! The arrivals of `cases::agent`, and what is cut off at every length.

use crate::agent::Outcome;
use crate::agent::host::decapsulated;
use crate::cases::agent;

#[test]
fn every_arrival_on_the_host() {
    let (arrivals, server) = (agent::all(), agent::server());
    assert!(arrivals.len() > 150, "{}", arrivals.len());
    for arrival in arrivals {
        let (outcome, bytes) = decapsulated(&arrival.frame, &server);
        let counted = match outcome {
            Outcome::Ordinary => None,
            Outcome::Pass(reception) | Outcome::Drop(reception) => Some(reception),
            Outcome::Strip(_) => Some(crate::agent::Reception::Decapsulated),
        };
        assert_eq!(counted, arrival.counted, "{}", arrival.name);
        let delivered = (!matches!(outcome, Outcome::Drop(_))).then_some(bytes);
        assert_eq!(delivered, arrival.delivered, "{}", arrival.name);
    }
}

#[test]
fn what_is_cut_off_is_never_taken_out() {
    let server = agent::server();
    for arrival in agent::all() {
        for length in 0..arrival.frame.len() {
            let (outcome, _) = decapsulated(&arrival.frame[..length], &server);
            if let Outcome::Strip(strip) = outcome {
                let header = if strip.inner_six { 40 } else { 20 };
                assert!(14 + strip.bytes + header <= length, "{} cut off at {length}", arrival.name);
            }
        }
    }
}
