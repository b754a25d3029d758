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
            ("/etc/k.conf", "include conf.d/*\na\ninclude /none\n"),
            ("/etc/conf.d/1", "b ${_PWD}\ninclude sub/x"),
            ("/etc/conf.d/sub/x", "c\n"),
        ]
        .into(),
    );
    let document = Document::read(&files, "/etc/k.conf", "main").unwrap();
    assert_eq!(outline(&document.statements, 0), "b|/etc/conf.d\nc\nc\na\n");
    assert_eq!(document.statements[1].place.file.as_ref(), "/etc/conf.d/sub/x");
    let missing = &document.missing[0];
    assert_eq!((missing.place.line, missing.pattern.as_str()), (3, "/none"));
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
