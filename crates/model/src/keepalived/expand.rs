//! From files to the lines that count: includes, conditions, definitions and sequences are done with here.

use super::definitions::{self, Definitions};
use super::files::{self, Files};
use super::line::{Line, Place, without_comment};
use super::sequence::{self, Rounds};
use crate::ConfigError;
use std::collections::VecDeque;
use std::sync::Arc;

/// Most lines of a configuration, all its repetitions and replacements counted: a test comes to the end of fewer sooner.
const MOST_LINES: usize = if cfg!(test) { 1 << 16 } else { 1 << 22 };
/// Most bytes that all these lines may have on their way: long lines that go through many definitions take the time.
const MOST_BYTES: usize = 64 * MOST_LINES;
/// Longest line that definitions may make.
const LONGEST: usize = 1 << 14;
/// Most definitions that one line may go through: one that is made of itself would go on for ever.
const MOST_REPLACEMENTS: u32 = 1000;
/// Files that include each other, at most.
const DEEPEST: usize = 16;
/// Most files, each counted as often as it is included: a few that include the next ones several times are millions.
const MOST_FILES: usize = if cfg!(test) { 1 << 8 } else { 1 << 15 };
/// Most bytes of all these files, comments counted.
const MOST_TEXT: usize = MOST_BYTES;

/// An include whose wildcards match no file. keepalived goes on without a word.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MissingInclude {
    /// Where it stands.
    pub place: Place,
    /// What it asks for.
    pub pattern: String,
}

/// What is left to do.
enum Work {
    Line(Line, u32),
    /// The rest of a line once for each round that is left.
    Repeat(Rounds, Line, u32),
}

/// What is left to do of one line, the next first.
type Queue = VecDeque<Work>;

/// Turns files into lines.
pub(super) struct Expander<'a> {
    files: &'a dyn Files,
    config_id: &'a str,
    definitions: Definitions,
    /// Lines of all files, in order.
    lines: Vec<Line>,
    missing: Vec<MissingInclude>,
    steps: usize,
    bytes: usize,
    /// Files read, and their bytes.
    read: (usize, usize),
}

impl<'a> Expander<'a> {
    pub(super) fn new(files: &'a dyn Files, config_id: &'a str) -> Self {
        let (definitions, lines, missing) = (Definitions::new(config_id), Vec::new(), Vec::new());
        Self { files, config_id, definitions, lines, missing, steps: 0, bytes: 0, read: (0, 0) }
    }

    /// The lines of this file and of those it includes.
    pub(super) fn read(mut self, path: &str) -> Result<(Vec<Line>, Vec<MissingInclude>), ConfigError> {
        let whole = Place::new(&path.into(), 1, "");
        let text = self.text(path, "", &whole)?;
        self.file(path, &text, 0)?;
        Ok((self.lines, self.missing))
    }

    /// The text of one more file.
    fn text(&mut self, path: &str, word: &str, place: &Place) -> Result<String, ConfigError> {
        let (files, bytes) = self.read;
        if files >= MOST_FILES {
            let message = format!("more than {MOST_FILES} files, each as often as it is included; include fewer");
            return Err(place.fault(word, message));
        }
        let text = self.files.read(path).map_err(|message| place.fault(word, message))?;
        self.read = (files + 1, bytes.saturating_add(text.len()));
        if self.read.1 > MOST_TEXT {
            let message = format!("more than {MOST_TEXT} bytes in all files; include fewer");
            return Err(place.fault(word, message));
        }
        // A byte order mark is no letter of the first keyword.
        Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
    }

    fn file(&mut self, path: &str, text: &str, depth: usize) -> Result<(), ConfigError> {
        let file: Arc<str> = path.into();
        let folder = files::folder(path).to_owned();
        let mut physical = text.lines().enumerate();
        while let Some((number, written)) = physical.next() {
            let place = Place::new(&file, number + 1, written);
            let text = without_comment(written).trim();
            if let Some(asked) = included(text) {
                self.include(&folder, asked, &place, depth)?;
            } else if let Some((before, name, first)) = multi_line(text) {
                let value = gather(first, &mut physical).map_err(|message| place.fault(text, message))?;
                self.logical(Line::new(format!("{before}${name}={value}"), &place), &folder)?;
            } else if !text.is_empty() {
                self.logical(Line::new(text, &place), &folder)?;
            }
        }
        Ok(())
    }

    fn include(&mut self, folder: &str, asked: Asked<'_>, place: &Place, depth: usize) -> Result<(), ConfigError> {
        let Asked { pattern, demands } = asked;
        if depth >= DEEPEST {
            let message = format!("more than {DEEPEST} files include each other; one of them includes itself?");
            return Err(place.fault(pattern, message));
        }
        let paths = self.files.matching(&files::resolve(folder, pattern));
        if paths.is_empty() && (demands || !pattern.contains(['*', '?', '['])) {
            let message = format!("there is no regular file `{pattern}`; create it, or remove this line");
            return Err(place.fault(pattern, message));
        }
        if paths.is_empty() {
            self.missing.push(MissingInclude { place: place.clone(), pattern: pattern.to_owned() });
        }
        for path in paths {
            let text = self.text(&path, pattern, place)?;
            self.file(&path, &text, depth + 1)?;
        }
        Ok(())
    }

    /// Follows one line until nothing of it is left to expand.
    fn logical(&mut self, line: Line, folder: &str) -> Result<(), ConfigError> {
        let mut queue = Queue::new();
        self.push(line, 0, &mut queue)?;
        while let Some(work) = queue.pop_front() {
            match work {
                Work::Line(line, replacements) => self.step(line, replacements, folder, &mut queue)?,
                Work::Repeat(rounds, rest, replacements) => self.round(rounds, rest, replacements, &mut queue)?,
            }
        }
        Ok(())
    }

    /// One more line to follow, if all that wait fit.
    fn push(&mut self, line: Line, used: u32, queue: &mut Queue) -> Result<(), ConfigError> {
        self.steps += 1;
        if self.steps > MOST_LINES {
            return Err(line.fault("", format!("more than {MOST_LINES} lines in all; write shorter sequences")));
        }
        self.bytes = self.bytes.saturating_add(line.text.len());
        if self.bytes > MOST_BYTES {
            let message = format!("definitions make more than {MOST_BYTES} bytes in all; is one made of itself?");
            return Err(line.fault("", message));
        }
        queue.push_front(Work::Line(line, used));
        Ok(())
    }

    /// The next round of a repetition, in front of those after it.
    fn round(&mut self, mut rounds: Rounds, rest: Line, used: u32, queue: &mut Queue) -> Result<(), ConfigError> {
        let Some(round) = rounds.next() else { return Ok(()) };
        round.into_iter().for_each(|(name, value)| self.definitions.set(&name, value));
        queue.push_front(Work::Repeat(rounds, rest.clone(), used));
        self.push(rest, used, queue)
    }

    fn step(&mut self, line: Line, used: u32, folder: &str, queue: &mut Queue) -> Result<(), ConfigError> {
        let text = line.text.trim();
        if let Some(condition) = text.strip_prefix('@') {
            if let Some(rest) = self.holds(condition) {
                self.push(Line::new(rest, &line.place), used, queue)?;
            }
        } else if let Some(definition) = definitions::definition(text) {
            self.definitions.set(definition.name, definition.value);
        } else if let Some(sequence) = sequence::sequence(text) {
            let (rounds, rest) = sequence.map_err(|message| line.fault(text, message))?;
            queue.push_front(Work::Repeat(rounds, Line::new(rest, &line.place), used));
        } else if let Some(replaced) = self.definitions.replace_first(text, folder) {
            check_replaced(&line, &replaced, used)?;
            for part in replaced.lines().rev() {
                self.push(Line::new(part, &line.place), used + 1, queue)?;
            }
        } else if !text.is_empty() {
            self.lines.push(Line::new(text, &line.place));
        }
        Ok(())
    }

    /// What follows a condition that holds.
    fn holds<'t>(&self, condition: &'t str) -> Option<&'t str> {
        let (negative, condition) = condition.strip_prefix('^').map_or((false, condition), |rest| (true, rest));
        let end = condition.find(char::is_whitespace).unwrap_or(condition.len());
        let (identifier, rest) = condition.split_at(end);
        ((identifier == self.config_id) != negative).then_some(rest.trim_start())
    }
}

fn check_replaced(line: &Line, replaced: &str, used: u32) -> Result<(), ConfigError> {
    if used >= MOST_REPLACEMENTS || replaced.lines().any(|part| part.len() > LONGEST && part.len() > line.text.len()) {
        let message = "a definition used here is made of itself, or makes a line without end; break the circle";
        return Err(line.fault("$", message));
    }
    Ok(())
}

/// What a line includes.
struct Asked<'t> {
    pattern: &'t str,
    /// Wildcards must match something, too. A name without any must always be there: what was in its file would be
    /// gone with the next reload.
    demands: bool,
}

/// What a line includes. keepalived's variants differ in which missing files are errors.
fn included(text: &str) -> Option<Asked<'_>> {
    let (keyword, pattern) = text.split_once(char::is_whitespace)?;
    let demands = match keyword {
        "include" | "includer" | "includeb" => false,
        "includem" | "includew" | "includea" => true,
        _ => return None,
    };
    Some(Asked { pattern: pattern.trim().trim_matches('"'), demands })
}

/// A line that begins a definition over several: what stands before it, its name, and the rest of the line.
fn multi_line(text: &str) -> Option<(&str, &str, &str)> {
    let body = text.strip_suffix('\\')?;
    let at = if text.starts_with('@') { body.find('$')? } else { 0 };
    let (before, definition) = body.split_at(at);
    let definition = definitions::definition(definition)?;
    Some((before, definition.name, definition.value))
}

/// The lines of a definition, up to the first that does not go on. Empty ones do not count.
fn gather<'t>(first: &str, physical: &mut impl Iterator<Item = (usize, &'t str)>) -> Result<String, &'static str> {
    let mut value = first.trim().to_owned();
    loop {
        let (_, written) =
            physical.next().ok_or("the file ends within this definition; end its last line without \\")?;
        let text = without_comment(written).trim();
        let (text, goes_on) = text.strip_suffix('\\').map_or((text, false), |text| (text.trim_end(), true));
        if !text.is_empty() {
            value.push('\n');
            value.push_str(text);
        }
        if !goes_on && !text.is_empty() {
            return Ok(value);
        }
    }
}
