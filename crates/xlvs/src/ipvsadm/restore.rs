//! `ipvsadm -R` and `ipvsadm-restore`: rules from stdin, line by line or whole.

use super::execute::{Front, Outcome};
use super::failure::{Failure, Subject};
use super::intent::Intent;
use api::Request;
use std::io::{self, BufRead};

/// `-R`: every line as if it had been typed. A refused line prints its error and the next one follows; a line that
/// is not legal ends it. The exit code is the last line's.
pub(crate) fn line_by_line(front: &Front) -> Outcome {
    lines(front, io::stdin().lock().lines())
}

/// A change, and the line that asks for it.
struct Rule {
    /// Line of the input, from 0; none for what goes before the input.
    line: Option<usize>,
    request: Request,
    subject: Subject,
}

/// `-R --atomic`: all lines, or none if one of them cannot be. `first` goes before them.
pub(crate) fn atomic(front: &Front, first: Option<Request>) -> Outcome {
    match rules(front, first).and_then(|rules| carry_out(front, &rules)) {
        Ok(()) => Outcome::DONE,
        Err(failure) => Outcome::failed(failure),
    }
}

/// `ipvsadm-restore`: empties the table first, but not before all of the input is there, which may well be made
/// from that table. Lines that begin with `#` are comments.
pub(crate) fn replace(front: &Front, whole: bool) -> Outcome {
    if whole {
        return atomic(front, Some(Request::Flush));
    }
    let input = match io::read_to_string(io::stdin().lock()) {
        Ok(input) => input,
        Err(error) => return Outcome::failed(unreadable(&error)),
    };
    match front.change(Request::Flush, Subject::Service) {
        Ok(()) => lines(front, input.lines().filter(|line| !line.starts_with('#')).map(|line| Ok(line.to_owned()))),
        Err(failure) => Outcome::failed(failure),
    }
}

fn lines(front: &Front, input: impl Iterator<Item = io::Result<String>>) -> Outcome {
    let mut last = Outcome::DONE;
    for line in input {
        let words = match line {
            Ok(line) => words(&line, &front.program),
            Err(error) => return Outcome::failed(unreadable(&error)),
        };
        if words.is_empty() {
            continue;
        }
        last = front.restored_line(&words);
        if last.ends_restore {
            break;
        }
    }
    last
}

/// Reads every line before anything is asked: the line of an error is the input's, comments and blank lines counted.
fn rules(front: &Front, first: Option<Request>) -> Result<Vec<Rule>, Failure> {
    let mut rules: Vec<_> =
        first.map(|request| Rule { line: None, request, subject: Subject::Service }).into_iter().collect();
    for (line, text) in io::stdin().lock().lines().enumerate() {
        let text = text.map_err(|error| unreadable(&error))?;
        let words = words(&text, &front.program);
        if words.is_empty() || text.starts_with('#') {
            continue;
        }
        let (request, subject) = match Intent::parse(&words, &front.program) {
            Ok(Intent::Change { request, subject }) => (front.completed(request)?, subject),
            Ok(Intent::NobodyKnows { .. }) => return Err(in_line(line, &Failure::nobody_knows())),
            Ok(_) => return Err(in_line(line, &Failure::usage("--atomic takes only lines that change the table"))),
            Err(failure) => return Err(in_line(line, &failure)),
        };
        rules.push(Rule { line: Some(line), request, subject });
    }
    Ok(rules)
}

/// Asks for all of them at once. A refusal that is about one of them is told as of its line.
fn carry_out(front: &Front, rules: &[Rule]) -> Result<(), Failure> {
    let requests = rules.iter().map(|rule| rule.request.clone()).collect();
    front.change_all(requests).map_err(|trouble| {
        let rule = trouble.request().and_then(|index| rules.get(index));
        let failure = Failure::of(trouble, rule.map_or(Subject::Service, |rule| rule.subject));
        match rule.and_then(|rule| rule.line) {
            Some(line) => in_line(line, &failure),
            None => failure,
        }
    })
}

fn in_line(line: usize, failure: &Failure) -> Failure {
    let what = failure.remedy.as_ref().unwrap_or(&failure.message);
    let message = format!("line {}: {} (nothing was changed)", line + 1, what.trim_end());
    Failure { message, remedy: None, ..failure.clone() }
}

/// The words of a line. The program's own name is not one of them, wherever it stands, as with the real one.
pub(super) fn words(line: &str, program: &str) -> Vec<String> {
    let own_name = |word: &&str| *word != "ipvsadm" && *word != program;
    line.split_ascii_whitespace().filter(own_name).map(str::to_owned).collect()
}

fn unreadable(error: &io::Error) -> Failure {
    Failure::usage(format!("ipvsadm: cannot read the rules from standard input: {error}"))
}
