//! Names of ports, from /etc/services (read here, because a static C library may have no getservbyname).

use model::Protocol;

const FILE: &str = "/etc/services";

/// The lines of the file that concern TCP, UDP and SCTP, in its order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Services {
    lines: Vec<Line>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Line {
    /// The name, then its aliases.
    names: Vec<String>,
    port: u16,
    protocol: Protocol,
}

/// The port that `name` stands for.
pub(crate) fn port_of(name: &str, protocol: Protocol) -> Option<u16> {
    let services = Services::read();
    let mut lines = services.lines.iter();
    lines.find(|line| line.protocol == protocol && line.names.iter().any(|known| known == name)).map(|line| line.port)
}

impl Services {
    /// This host's. Without the file, ports have no names.
    pub(crate) fn read() -> Self {
        std::fs::read_to_string(FILE).map(|text| Self::parse(&text)).unwrap_or_default()
    }

    /// Lines of the form `name port/protocol aliases… # comment`.
    pub(crate) fn parse(text: &str) -> Self {
        Self { lines: text.lines().filter_map(parse_line).collect() }
    }

    /// The name of a port.
    pub(crate) fn name_of(&self, port: u16, protocol: Protocol) -> Option<&str> {
        let line = self.lines.iter().find(|line| line.port == port && line.protocol == protocol)?;
        line.names.first().map(String::as_str)
    }
}

fn parse_line(line: &str) -> Option<Line> {
    let mut words = line.split('#').next()?.split_ascii_whitespace();
    let name = words.next()?;
    let (port, protocol) = words.next()?.split_once('/')?;
    let protocol = match protocol {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        "sctp" => Protocol::Sctp,
        _ => return None,
    };
    let names = std::iter::once(name).chain(words).map(str::to_owned).collect();
    Some(Line { names, port: port.parse().ok()?, protocol })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_of_a_port_names_it() {
        let text =
            "# a comment\n\nhttp\t80/tcp\twww # WorldWideWeb\nweb 80/tcp\nsyslog 514/udp\nsctp-only 80/sctp\nbad 80\n";
        let services = Services::parse(text);
        assert_eq!(services.name_of(80, Protocol::Tcp), Some("http"));
        assert_eq!(services.name_of(80, Protocol::Udp), None);
        assert_eq!(services.name_of(514, Protocol::Udp), Some("syslog"));
        assert_eq!(services.name_of(80, Protocol::Sctp), Some("sctp-only"));
        assert_eq!(services.lines.len(), 4);
    }
}
