//! The measurement itself: what is read from other programs, and one round of everything for its structure.

use super::{Part, measure, serve};

#[test]
fn reports_of_wrk() {
    let good = "Running 1s test\n  1 threads\nRequests/sec:  31234.56\nTransfer/sec:      5.00MB\n";
    assert_eq!(serve::parse(good).unwrap(), (31234.56, 0));
    let bad =
        "  Socket errors: connect 1, read 20, write 0, timeout 3\n  Non-2xx or 3xx responses: 7\nRequests/sec: 10.0\n";
    assert_eq!(serve::parse(bad).unwrap(), (10.0, 31));
    assert!(serve::parse("unable to connect to 10.0.0.100:80 Connection refused\n").is_err());
}

#[test]
#[ignore = "needs root"]
fn one_round_of_the_cost_measures_everybody() {
    let report = serde_json::to_value(measure(Some(Part::Cost), 1).unwrap()).unwrap();
    let rows = report["cost"].as_array().unwrap();
    // Six contenders, four kinds of packets; two contenders see no replies.
    assert_eq!(rows.len(), 22, "{report:#}");
    for row in rows {
        assert!(row["median"].as_f64().unwrap() > 0.0, "{row:#}");
        // On a machine with other work a sink may come too late now and then; a lost packet is told, not hidden.
        let arrived = row["invalid"].as_str().is_none_or(|reason| reason.ends_with("of the packets arrived"));
        assert!(arrived, "{row:#}");
    }
}
