use super::*;
use std::collections::BTreeMap;

/// Files in memory; patterns are names, or end in `*`.
struct Memory(BTreeMap<&'static str, &'static str>);

impl Files for Memory {
    fn read(&self, path: &str) -> Result<String, String> {
        self.0.get(path).map(|text| (*text).to_owned()).ok_or_else(|| format!("cannot read {path}"))
    }

    fn matching(&self, pattern: &str) -> Vec<String> {
        let fits = |name: &str| pattern.strip_suffix('*').map_or(name == pattern, |start| name.starts_with(start));
        self.0.keys().filter(|name| fits(name)).map(|name| (*name).to_owned()).collect()
    }
}

/// The tree of one file, a line a statement.
fn shown(text: &'static str) -> String {
    let files = Memory([("/etc/k.conf", text)].into());
    match Document::read(&files, "/etc/k.conf", "main") {
        Ok(document) => outline(&document.statements, 0),
        Err(error) => error.to_string(),
    }
}

fn outline(statements: &[Statement], depth: usize) -> String {
    let mut text = String::new();
    for statement in statements {
        let words: Vec<_> = statement.words.iter().map(|word| word.text.as_str()).collect();
        text += &format!("{}{}\n", "  ".repeat(depth), words.join("|"));
        text += &outline(statement.statements(), depth + 1);
    }
    text
}

#[test]
fn blocks_and_statements() {
    let text = "! a comment\nvirtual_server 10.0.0.1 80 {\n  lb_algo rr # turns\n\n  real_server 10.0.1.1 80\n  {\n  weight 2 }\n}\n";
    assert_eq!(shown(text), "virtual_server|10.0.0.1|80\n  lb_algo|rr\n  real_server|10.0.1.1|80\n    weight|2\n");
}

#[test]
fn conditions_choose_lines() {
    let text = "@main priority 240\n@backup priority 200\n@^main peer 1\n@^backup peer 2\n$IF=@main\n$IF weight 1\n@main $P=7\nx $P";
    assert_eq!(shown(text), "priority|240\npeer|2\nweight|1\nx|7\n");
}

#[test]
fn definitions_of_several_lines_are_used_as_lines() {
    let text = "$RS= \\\nreal_server 10.0.${V}.${R} 80 { \\\n  weight 1 \\\n\n}\n$VS= \\\n virtual_server 10.0.${V}.4 80 { \\\n $R=1 \\\n $RS \\\n $R=2 \\\n $RS \\\n }\n$V=0\n$VS\n$V=1\n$VS\n";
    let service = |v: u8| {
        let server = |r: u8| format!("  real_server|10.0.{v}.{r}|80\n    weight|1\n");
        format!("virtual_server|10.0.{v}.4|80\n{}{}", server(1), server(2))
    };
    assert_eq!(shown(text), service(0) + &service(1));
}

#[test]
fn sequences_repeat_the_rest_of_their_line() {
    assert_eq!(shown("~SEQ(A, 1, 2) ~LST(B, x, y) ip ${A}.$B"), "ip|1.x\nip|1.y\nip|2.x\nip|2.y\n");
    assert_eq!(shown("$L= \\\n a $N { \\\n b }\n~SEQ(N, 1, 2) $L"), "a|1\n  b\na|2\n  b\n");
}

#[test]
fn includes_are_relative_to_their_file() {
    let files = Memory(
        [
            ("/etc/k.conf", "\u{feff}include conf.d/*\na\ninclude /none*\n"),
            ("/etc/conf.d/1", "b ${_PWD}\ninclude sub/x"),
            ("/etc/conf.d/sub/x", "c\n"),
        ]
        .into(),
    );
    let document = Document::read(&files, "/etc/k.conf", "main").unwrap();
    assert_eq!(outline(&document.statements, 0), "b|/etc/conf.d\nc\nc\na\n");
    assert_eq!(document.statements[1].place.file.as_ref(), "/etc/conf.d/sub/x");
    let missing = &document.missing[0];
    assert_eq!((missing.place.line, missing.pattern.as_str()), (3, "/none*"));
}

/// What repeats is made when its turn comes: a million rounds of a long rest would not fit into memory.
#[test]
fn repetitions_are_bounded_before_they_are_made() {
    let long: &'static str = format!("~SEQ(A,1,1000000) {}", "x".repeat(1 << 20)).leak();
    assert!(shown(long).contains("bytes in all"));
    let nested: &'static str = format!("{}x", "~SEQ(A,1,1000000) ".repeat(10_000)).leak();
    assert!(shown(nested).contains(" in all"));
    let lines: &'static str = format!("$A= \\\n{} x\n{}", "a \\\n".repeat(3000), "${A} ".repeat(900)).leak();
    assert!(shown(lines).contains(" in all"), "{}", shown(lines));
}

/// Few files that include the next ones several times are many.
#[test]
fn includes_are_counted() {
    let files = |text: fn(usize) -> String| {
        let name = |number: usize| -> &'static str { format!("/etc/{number}").leak() };
        Memory((0..8).map(|number| (name(number), &*text(number).leak())).collect())
    };
    let read = |files: &Memory| Document::read(files, "/etc/0", "main").unwrap_err().to_string();
    let error =
        read(&files(|number| if number < 7 { format!("include {}\n", number + 1).repeat(4) } else { "a\n".into() }));
    assert!(
        error.starts_with("/etc/")
            && error.ends_with("more than 256 files, each as often as it is included; include fewer"),
        "{error}"
    );
    let error = read(&files(|number| format!("include {}\n#{}", number + 1, "x".repeat(1 << 20))));
    assert!(
        error.starts_with("/etc/2:1:9: more than") && error.ends_with("bytes in all files; include fewer"),
        "{error}"
    );
}

/// The services of a file that is gone would be gone with the next reload.
#[test]
fn what_is_included_by_its_name_is_there() {
    assert_eq!(
        shown("a\ninclude none"),
        "/etc/k.conf:2:9: there is no regular file `none`; create it, or remove this line"
    );
    assert!(shown("includem none*").contains("no regular file `none*`"));
    assert_eq!(shown("include none*"), "");
}

/// Scripts that name no user have that of the file; a warning, or an error, names the line it is about.
#[test]
fn scripts_without_a_user_have_the_script_user() {
    let text = "virtual_server 192.0.2.1 80 {\nprotocol TCP\nquorum 5\nhysteresis 4\nquorum_up /bin/up\nquorum_down /bin/down other\n\
                real_server 10.0.0.1 80 {\nweight 3\nnotify_up /bin/n\nMISC_CHECK {\nmisc_path /bin/m\n}\n}\n}\n\
                global_defs {\nscript_user somebody people\nenable_script_security\n}\n";
    let document = Document::read(&Memory([("/k", text)].into()), "/k", "main").unwrap();
    let translation = document.translate().unwrap();
    let health = &translation.services[0].health;
    let crate::health::Probe::Script { script: check, .. } = &health.servers[0].checks[0].probe else { panic!() };
    let identity = |script: &crate::health::Script| (script.user.clone().unwrap(), script.group.clone());
    let given = ("somebody".to_owned(), Some("people".to_owned()));
    for script in [check, health.servers[0].notify_up.as_ref().unwrap(), health.quorum_up.as_ref().unwrap()] {
        assert_eq!(identity(script), given, "{script:?}");
    }
    assert_eq!(identity(health.quorum_down.as_ref().unwrap()), ("other".to_owned(), None));
    assert_eq!((health.quorum, health.hysteresis), (3, 2));
    let notices: Vec<_> = translation.notices.iter().map(ToString::to_string).collect();
    assert_eq!(
        notices,
        [
            "/k:3: warning: the quorum 5 is above the weight of all servers, 3; it is lowered to that",
            "/k:17: refused: it is not looked at who may write to a script before it is run; see to it that only root may",
        ]
    );
}

#[test]
fn a_service_that_is_there_twice_names_both_files() {
    let service = "virtual_server 192.0.2.1 80 {\nprotocol TCP\n}\n";
    let files = Memory([("/a", "include /b\ninclude /c\n"), ("/b", service), ("/c", service)].into());
    let error = Document::read(&files, "/a", "main").unwrap().translate().unwrap_err().to_string();
    assert!(error.starts_with("/c:1:1: ") && error.contains("(first at /b:1)"), "{error}");
    let script = "virtual_server 192.0.2.1 80 {\nprotocol TCP\nquorum_up \"/bin/a\\0b\"\n}\n";
    let files = Memory([("/a", script)].into());
    let error = Document::read(&files, "/a", "main").unwrap().translate().unwrap_err().to_string();
    assert_eq!(error, "/a:3:1: no argument of a program can hold a zero byte; remove it");
}

/// More than a director can have is refused while it is counted.
#[test]
fn groups_have_no_more_members_than_there_can_be_services() {
    let translated = |text: &'static str| {
        let document = Document::read(&Memory([("/k", text)].into()), "/k", "main").unwrap();
        document.translate().map(|translation| translation.services.len()).map_err(|error| error.to_string())
    };
    let group = |lines: &str, servers: usize| -> &'static str {
        let servers: String =
            (1..=servers).map(|n| format!("real_server 10.0.{}.{} 80 {{\n}}\n", n / 250, n % 250)).collect();
        format!("virtual_server_group g {{\n{lines}}}\nvirtual_server group g {{\nprotocol TCP\n{servers}}}\n").leak()
    };
    assert_eq!(
        translated(group("10.1.0.0/16 80\n", 0)).unwrap_err(),
        "/k:2:1: more than 16383 services; run a second director for the rest"
    );
    let halves = "10.1.0.0/19 80\n10.2.0.0/19 80\n";
    assert!(translated(group(halves, 0)).unwrap_err().starts_with("/k:3:1: more than 16383 services"));
    assert_eq!(translated(group("10.1.0.0/20 80\n", 16)), Ok(4096));
    assert!(translated(group("10.1.0.0/20 80\n", 17)).unwrap_err().contains("more than 65536 servers"));
    assert!(translated(group("10.1.0.1 80\n", 1025)).unwrap_err().contains("a service can have 1024 servers"));
}

#[test]
fn what_is_wrong_says_where_and_what_instead() {
    for (text, message) in [
        ("a {\nb\n", "/etc/k.conf:1:1: the block of `a` is not closed; add a `}`"),
        ("a\n}\n", "/etc/k.conf:2:1: a `}` that closes nothing; remove it, or a `{` is missing before"),
        ("{\n", "/etc/k.conf:1:1: a `{` without a keyword before it; remove it, or write the keyword"),
        ("a {\n}\n{\n}", "/etc/k.conf:3:1: a `{` without a keyword before it; remove it, or write the keyword"),
        ("a \"b\n", "/etc/k.conf:1:1: the quote \" is not closed on this line; close it"),
        ("$A= \\\n b \\\n", "/etc/k.conf:1:1: the file ends within this definition; end its last line without \\"),
        ("~SEQ(A) x", "/etc/k.conf:1:1: a sequence has one to three numbers; write ~SEQ(NAME, START, STEP, END)"),
    ] {
        assert_eq!(shown(text), message, "{text}");
    }
    for text in ["$A=x$A\n$A", "$A=${A}${A}\n${A}", "$A=$B\n$B=$A\nx $A"] {
        assert!(shown(text).contains("made of itself"), "{text}: {}", shown(text));
    }
    assert!(shown("include k.conf").contains("include each other"));
    assert!(shown("~SEQ(A,1,100000) ~SEQ(B,1,100000) x").contains("lines in all"));
}
