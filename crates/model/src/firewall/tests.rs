use super::*;

/// What the real programs print of rules as operators have them.
const IPTABLES: &str = include_str!("../../tests/firewall/iptables.txt");
const NFTABLES: &str = include_str!("../../tests/firewall/nftables.txt");

/// Services at 203.0.113.10 and 2001:db8::10, and one of mark 5.
fn config() -> Config {
    let text = "[[service]]\nlisten = \"tcp 203.0.113.10:80\"\nmethod = \"nat\"\nservers = [\"10.0.0.11:80\"]\n\
                [[service]]\nlisten = \"udp 203.0.113.10:53\"\nservers = [\"10.0.0.12:53\"]\n\
                [[service]]\nlisten = \"tcp [2001:db8::10]:443\"\nservers = [\"[fd00::12]:443\"]\n\
                [[service]]\nlisten = \"tcp 203.0.113.200:7\"\n";
    let mut config = Config::parse_toml(text, "xlvs.toml").unwrap();
    config.services[3].key = Key::Mark(crate::FirewallMark { mark: 5, ipv6: false });
    config
}

fn report(rules: &str) -> String {
    bypassed(rules, &config()).iter().map(|rule| format!("{rule}\n")).collect()
}

#[test]
fn rules_of_iptables() {
    insta::assert_snapshot!("iptables", report(IPTABLES));
}

#[test]
fn rules_of_nftables() {
    insta::assert_snapshot!("nftables", report(NFTABLES));
}

#[test]
fn nothing_concerns_nobody() {
    for rules in [IPTABLES, NFTABLES] {
        assert_eq!(bypassed(rules, &Config::default()), []);
    }
    for text in ["", "\n}}\n{", "*", ":", "-A", "-A INPUT", "table x y {\nchain z {", "-A X ! -d", "-A X -j"] {
        assert_eq!(report(text), "", "{text:?}");
    }
}
