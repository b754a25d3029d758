//! The configuration files: so many services on the ports of a few virtual addresses, each server an address of its own.

use super::Language;
use std::net::Ipv4Addr;

/// Services of one virtual address.
const PORTS: u32 = 100;
/// The port of the first of them.
const FIRST_PORT: u32 = 1000;

/// What a file says.
#[derive(Clone, Copy)]
pub(super) struct File {
    pub(super) language: Language,
    pub(super) checked: bool,
    pub(super) services: u32,
    pub(super) servers: u32,
    /// Weight of the first service's servers.
    pub(super) first_weight: u32,
    /// Weight of all others.
    pub(super) weight: u32,
}

/// The virtual addresses of so many services.
pub(super) fn virtual_addresses(services: u32) -> impl Iterator<Item = Ipv4Addr> {
    (0..services.div_ceil(PORTS)).map(virtual_address)
}

fn virtual_address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(198, 18, 0, 1)) + number)
}

/// Server `number`, from 0, of all.
fn server(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 0, 0, 1)) + number)
}

impl File {
    /// Its text.
    pub(super) fn text(&self) -> String {
        (0..self.services).map(|service| self.service(service)).collect()
    }

    fn service(&self, number: u32) -> String {
        let (address, port) = (virtual_address(number / PORTS), FIRST_PORT + number % PORTS);
        let weight = if number == 0 { self.first_weight } else { self.weight };
        let servers = (0..self.servers).map(|place| server(number * self.servers + place));
        match self.language {
            Language::Keepalived => {
                let servers: String = servers.map(|address| self.keepalived_server(address, weight)).collect();
                format!(
                    "virtual_server {address} {port} {{\n lb_algo wrr\n lb_kind NAT\n protocol TCP\n delay_loop 60\n{servers}}}\n"
                )
            }
            Language::Toml => {
                let check = if self.checked { "check = { tcp = true, interval = \"60s\" }\n" } else { "" };
                let server = |address| format!("  {{ address = \"{address}:80\", weight = {weight} }},\n");
                let servers: String = servers.map(server).collect();
                format!(
                    "[[service]]\nlisten = \"tcp {address}:{port}\"\nscheduler = \"wrr\"\nmethod = \"nat\"\n{check}servers = [\n{servers}]\n"
                )
            }
        }
    }

    fn keepalived_server(&self, address: Ipv4Addr, weight: u32) -> String {
        let check = if self.checked { " TCP_CHECK {\n connect_timeout 2\n }\n" } else { "" };
        format!(" real_server {address} 80 {{\n weight {weight}\n{check} }}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Config;
    use model::keepalived::{Document, Files};

    /// No file includes another.
    struct One(String);

    impl Files for One {
        fn read(&self, _: &str) -> Result<String, String> {
            Ok(self.0.clone())
        }

        fn matching(&self, _: &str) -> Vec<String> {
            Vec::new()
        }
    }

    fn parsed(file: &File) -> Config {
        match file.language {
            Language::Toml => Config::parse_toml(&file.text(), "file").unwrap(),
            Language::Keepalived => {
                let document = Document::read(&One(file.text()), "file", "bench").unwrap();
                document.translate().unwrap().into_config().0
            }
        }
    }

    #[test]
    fn both_languages_say_the_same_services() {
        for checked in [false, true] {
            let file = |language| File { language, checked, services: 101, servers: 3, first_weight: 5, weight: 2 };
            let (one, other) = (parsed(&file(Language::Keepalived)), parsed(&file(Language::Toml)));
            assert_eq!(one.services, other.services);
            assert_eq!((one.services.len(), virtual_addresses(101).count()), (101, 2));
            let checks = |config: &Config| {
                config.health.values().flat_map(|health| &health.servers).map(|it| it.checks.len()).sum::<usize>()
            };
            let expected = if checked { 303 } else { 0 };
            assert_eq!((checks(&one), checks(&other)), (expected, expected));
        }
    }
}
