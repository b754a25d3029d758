use super::*;
use crate::keepalived::{Document, Files};

/// One file in memory, in which `;` ends a line.
struct Memory(&'static str);

impl Files for Memory {
    fn read(&self, _: &str) -> Result<String, String> {
        Ok(self.0.replace(';', "\n"))
    }

    fn matching(&self, _: &str) -> Vec<String> {
        Vec::new()
    }
}

fn keepalived(text: &'static str) -> Config {
    let document = Document::read(&Memory(text), "keepalived.conf", "main").unwrap();
    document.translate().unwrap().into_config().0
}

fn toml(text: &str) -> Config {
    Config::parse_toml(text, "xlvs.toml").unwrap()
}

fn lines(before: &Config, after: &Config) -> String {
    differences(before, after).iter().map(|difference| format!("{difference}\n")).collect()
}

const WEB: &str = "virtual_server 192.0.2.1 80 {
  delay_loop 5
  lb_algo wlc
  lb_kind NAT
  protocol TCP
  real_server 10.0.0.1 80 {; weight 3; TCP_CHECK {; connect_timeout 2; }; }
  real_server 10.0.0.2 80 {; TCP_CHECK {; connect_timeout 2; }; }
  real_server 10.0.0.3 80 {; TCP_CHECK {; connect_timeout 2; }; }
}
";

const CHANGED_WEB: &str = "virtual_server 192.0.2.1 80 {
  delay_loop 5
  lb_algo rr
  lb_kind NAT
  protocol TCP
  persistence_timeout 300
  quorum 2
  sorry_server 10.0.0.9 80
  real_server 10.0.0.3 80 {; HTTP_GET {; url {; path /; status_code 200-299; }; url {; path /health; status_code 200; }; }; }
  real_server 10.0.0.1 80 {; weight 0; TCP_CHECK {; connect_timeout 4; connect_port 8080; }; }
  real_server 10.0.0.4 80 {; inhibit_on_failure; HTTP_GET {; url {; path /; status_code 200; }; }; }
}
virtual_server 2001:db8::1 53 {
  lb_algo mh
  lb_kind DR
  protocol UDP
  real_server fd00::1 53 {; UDP_CHECK {; connect_timeout 1; }; }
  real_server fd00::2 53 {;; }
}
global_defs {; lvs_timeouts tcp 600; }
";

#[test]
fn nothing_differs_from_itself() {
    for config in [keepalived(WEB), keepalived(CHANGED_WEB), Config::default()] {
        assert_eq!(differences(&config, &config), []);
    }
}

#[test]
fn each_thing_is_one_line() {
    let (before, after) = (keepalived(WEB), keepalived(CHANGED_WEB));
    insta::assert_snapshot!("keepalived", lines(&before, &after));
    insta::assert_snapshot!("keepalived_back", lines(&after, &before));
    insta::assert_snapshot!("keepalived_new", lines(&Config::default(), &after));
}

#[test]
fn tunnels_are_compared() {
    let tunnel = |tunnel: &str| {
        toml(&format!(
            "[[service]]\nlisten = \"tcp 192.0.2.1:80\"\nmethod = \"tun\"\ntunnel = {tunnel}\nservers = [\"10.0.0.1:80\"]\n"
        ))
    };
    let (before, after) = (tunnel("{ type = \"gue\", port = 6080 }"), tunnel("{ type = \"gue\", port = 6081 }"));
    assert_eq!(lines(&before, &after), "~ tcp 192.0.2.1:80 -> 10.0.0.1:80 tunnel port 6081 (was 6080)\n");
    let ipip = lines(&before, &tunnel("{ type = \"ipip\" }"));
    assert!(ipip.contains("tunnel type ipip (was gue)"), "{ipip}");
}

#[test]
fn what_an_operator_wrote_once_is_one_line() {
    let service = |rest: &str| {
        toml(&format!(
            "[[service]]\nlisten = \"tcp 192.0.2.1:80\"\nmethod = \"nat\"\nservers = [\"10.0.0.1:80\"]\n{rest}\n"
        ))
    };
    let straight = service("check = { tcp = true }");
    let through = service("check = { tcp = true, through = \"service\" }");
    let place = "tcp 192.0.2.1:80 -> 10.0.0.1:80";
    assert_eq!(lines(&straight, &through), format!("~ {place} check through service (was server)\n"));
    assert_eq!(lines(&through, &straight), format!("~ {place} check through server (was service)\n"));
    let new = lines(&service(""), &through);
    assert!(new.ends_with(&format!("~ {place} checks tcp every 2s through the service (was none)\n")), "{new}");
    let rest = "check = { tcp = true }\nquorum_down = { command = [\"/bin/down\", \"now\"], user = \"nobody\", group = \"adm\" }\n\
        sorry_server = { address = \"10.0.0.9:80\", weight = 2 }\nsorry_server_inhibit = true";
    assert_eq!(
        lines(&straight, &service(rest)),
        "~ tcp 192.0.2.1:80 quorum_down /bin/down now as nobody:adm (was none)\n\
         ~ tcp 192.0.2.1:80 sorry_server 10.0.0.9:80 nat weight 2 (was none)\n\
         ~ tcp 192.0.2.1:80 sorry_server_inhibit true (was none)\n"
    );
}

#[test]
fn the_time_of_a_script_is_its_own_or_its_interval() {
    let conf = |own: &'static str| -> Config {
        let head = "virtual_server 192.0.2.1 80 {; delay_loop 6; lb_kind NAT; protocol TCP; real_server 10.0.0.1 80 {; MISC_CHECK {";
        keepalived(Box::leak(format!("{head}; misc_path \"/bin/true\"; {own}; }}; }}; }}").into_boxed_str()))
    };
    for (own, timeout) in [("", None), ("misc_timeout 3", Some("timeout = \"3s\""))] {
        let config = conf(own);
        let written = config.to_toml();
        assert_eq!((written.omitted.len(), &written.differences), (0, &Vec::new()), "{}", written.text);
        assert_eq!(written.text.contains("timeout"), timeout.is_some(), "{}", written.text);
        assert!(timeout.is_none_or(|timeout| written.text.contains(timeout)), "{}", written.text);
        assert_eq!(lines(&config, &toml(&written.text)), "");
    }
}

#[test]
fn settings_of_the_director() {
    let before = toml("[director]\ninterfaces = [\"eth0\", \"eth1\"]\nattach = \"tc\"\nconn_reuse_mode = 0\n");
    let after = toml(
        "[director]\ninterfaces = [\"eth1\", \"eth2\"]\nattach = { eth2 = \"xdp\" }\nsloppy_tcp = 1\nconnections = 5000\n\
         metrics = \"127.0.0.1:9100\"\n[timeouts]\nudp = \"60s\"\n",
    );
    insta::assert_snapshot!("director", lines(&before, &after));
}

/// Whatever is otherwise shows: a line is there for every field that is changed alone.
#[test]
fn no_setting_is_forgotten() {
    let config = keepalived(CHANGED_WEB);
    let mut edits = 0;
    let json = serde_json::to_value(&config).unwrap();
    for pointer in pointers(&json) {
        let mut edited = json.clone();
        let place = edited.pointer_mut(&pointer).unwrap();
        let Some(value) = another(place) else { continue };
        *place = value;
        let Ok(edited) = serde_json::from_value::<Config>(edited) else { continue };
        let is_same = edited == config || edited.services.len() != config.services.len();
        if !is_same && !pointer.starts_with("/real_server") {
            edits += 1;
            assert_ne!(differences(&config, &edited), [], "{pointer}");
        }
    }
    assert!(edits > 80, "{edits}");
}

/// All places of a value that have nothing below them.
fn pointers(value: &serde_json::Value) -> Vec<String> {
    use serde_json::Value;
    let below = |name: String, value: &Value| -> Vec<String> {
        pointers(value).into_iter().map(|rest| format!("/{name}{rest}")).collect()
    };
    match value {
        Value::Object(parts) => parts.iter().flat_map(|(name, value)| below(name.clone(), value)).collect(),
        Value::Array(parts) => parts.iter().enumerate().flat_map(|(at, it)| below(at.to_string(), it)).collect(),
        _ => vec![String::new()],
    }
}

fn another(value: &serde_json::Value) -> Option<serde_json::Value> {
    use serde_json::Value;
    match value {
        Value::Bool(value) => Some((!value).into()),
        Value::Number(number) => number.as_u64().map(|number| (number + 1).into()),
        Value::Null => Some(1.into()),
        _ => None,
    }
}
