//! The connections as `ipvsadm -L -c` lists them.

use super::Names;
use api::ConnectionView;
use model::{Endpoint, Protocol};
use std::fmt::Write;

/// The two lines above the connections.
pub(crate) fn title(with_engines: bool) -> String {
    let columns = format!("pro expire {:<11} {:<18} {:<18} ", "state", "source", "virtual");
    let last = match with_engines {
        true => format!("{:<18} {:<16} pe_data", "destination", "pe name"),
        false => "destination".to_owned(),
    };
    format!("IPVS connection entries\n{columns}{last}\n")
}

/// The lines of these connections.
pub(crate) fn rows(connections: &[ConnectionView], names: &Names) -> String {
    let mut text = String::new();
    for connection in connections {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", row(connection, names));
    }
    text
}

fn row(connection: &ConnectionView, names: &Names) -> String {
    let protocol = match connection.protocol {
        Protocol::Tcp => "TCP",
        Protocol::Udp => "UDP",
        Protocol::Sctp => "SCTP",
    };
    let name = |endpoint: Endpoint| names.endpoint(endpoint, Some(connection.protocol));
    let expires = format!("{:02}:{:02}", connection.expires / 60, connection.expires % 60);
    let server = connection.server.map(name).unwrap_or_default();
    format!(
        "{protocol:<3} {expires:<6} {:<11} {:<18} {:<18} {server}",
        connection.state,
        name(connection.client),
        name(connection.service)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(state: &str, expires: u32, ends: [&str; 3]) -> ConnectionView {
        let [client, service, server] = ends.map(|end| end.parse().unwrap());
        let protocol = if state == "UDP" { Protocol::Udp } else { Protocol::Tcp };
        ConnectionView { protocol, state: state.to_owned(), expires, client, service, server: Some(server) }
    }

    /// Lines of real listings.
    #[test]
    fn rows_of_the_original() {
        let recorded = "\
IPVS connection entries
pro expire state       source             virtual            destination
TCP 01:46  TIME_WAIT   10.0.0.2:56392     10.0.0.100:80      10.0.1.11:80
UDP 05:00  UDP         10.0.0.2:5353      10.0.0.100:53      10.0.1.12:53
TCP 14:58  ESTABLISHED 192.168.56.1:56954 192.168.56.200:80  192.168.56.102:80
TCP 44639:59 ESTABLISHED [fd00::2]:4000     [fd00::100]:80     [fd00:1::11]:80
";
        let connections = [
            connection("TIME_WAIT", 106, ["10.0.0.2:56392", "10.0.0.100:80", "10.0.1.11:80"]),
            connection("UDP", 300, ["10.0.0.2:5353", "10.0.0.100:53", "10.0.1.12:53"]),
            connection("ESTABLISHED", 898, ["192.168.56.1:56954", "192.168.56.200:80", "192.168.56.102:80"]),
            connection("ESTABLISHED", 44639 * 60 + 59, ["[fd00::2]:4000", "[fd00::100]:80", "[fd00:1::11]:80"]),
        ];
        assert_eq!(title(false) + &rows(&connections, &Names::Numbers), recorded);
    }

    #[test]
    fn a_title_with_persistence_engines() {
        let expected = "pro expire state       source             virtual            destination        pe name          pe_data\n";
        assert!(title(true).ends_with(expected));
    }
}
