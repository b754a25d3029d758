//! What the demo prints: a drawing, and tables as LVS texts print them.

use crate::capture::Hop;
use crate::scenario::Outcome;
use crate::topology::{Arms, Fabric, Family, Mode, Topology, address};

/// A small picture of what is built.
pub fn drawing(topology: &Topology, family: Family) -> String {
    let (cip, vip) = (address::CLIENT.of(family), address::VIRTUAL.of(family));
    let (dip, first) = (topology.director_back(1).of(family), topology.server(1).of(family));
    let last = topology.server(topology.servers).of(family);
    let servers = format!("{} real servers", topology.servers);
    let (fabric, way) = match (topology.arms, topology.fabric) {
        (_, Fabric::PointToPoint) => ("links of their own", "replies: through the director"),
        (Arms::Two, Fabric::Bridge) => ("a bridge of their own", "replies: on the servers' bridge"),
        (Arms::One, Fabric::Bridge) => ("the same bridge", "replies: on the bridge"),
    };
    let way = match topology.mode {
        Mode::Nat | Mode::FullNat => "replies: through the director",
        Mode::Dr | Mode::Tun => way,
    };
    [
        format!("  {:<24}{:<30}{servers}", "client", "director"),
        "  ┌──────────┐          ┌────────────────┐            ┌───────────┐".to_owned(),
        "  │   CIP    ├──────────┤ VIP  xlvs  DIP ├────────────┤    RIP    │".to_owned(),
        "  └──────────┘          └────────────────┘            └───────────┘".to_owned(),
        format!("  CIP {cip}   VIP {vip}   DIP {dip}   RIP {first} … {last}"),
        format!("  servers on {fabric}; {way}"),
    ]
    .join("\n")
}

/// Requests by server, a bar each.
pub fn shares(outcome: &Outcome) -> String {
    let most = outcome.served_by.values().copied().max().unwrap_or(1).max(1);
    let width = |count: u64| usize::try_from(count * 30 / most).unwrap_or(0);
    let line = |(name, count): (&String, &u64)| format!("  {name:<10} {count:>6}  {}", "█".repeat(width(*count)));
    outcome.served_by.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The walk of a packet, one line a hop.
pub fn walk(hops: &[Hop]) -> String {
    let rows: Vec<[String; 6]> = hops.iter().map(cells).collect();
    let head = ["hop", "MAC source", "MAC destination", "outer", "source", "destination"].map(str::to_owned);
    let outer = rows.iter().any(|row| row[3] != "-");
    let shown: Vec<usize> = (0..6).filter(|column| *column != 3 || outer).collect();
    let width = |column: usize| rows.iter().chain([&head]).map(|row| row[column].chars().count()).max().unwrap_or(0);
    let line = |row: &[String; 6]| {
        let cells = shown.iter().map(|column| format!("{:<width$}", row[*column], width = width(*column)));
        format!("  {}", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    let rule = format!("  {}", shown.iter().map(|column| "─".repeat(width(*column))).collect::<Vec<_>>().join("  "));
    std::iter::once(line(&head)).chain([rule]).chain(rows.iter().map(line)).collect::<Vec<_>>().join("\n")
}

fn cells(hop: &Hop) -> [String; 6] {
    let outer = hop.outer.as_ref().map_or_else(|| "-".to_owned(), |outer| format!("{} → {}", outer.src, outer.dst));
    [hop.at.clone(), hop.eth_src.clone(), hop.eth_dst.clone(), outer, hop.src.clone(), hop.dst.clone()]
}
