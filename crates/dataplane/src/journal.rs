//! Lines that the director keeps beside the pins: text in a pinned array, so that it lives and dies with the maps.
//!
//! An append writes the bytes first and then the length; a replacement is a new map, renamed over the old one. A
//! daemon killed at any moment leaves the lines before or after, never between.

use crate::error::{Doing, Error};
use crate::mapped::Mapped;
use crate::pins::remove_tree;
use crate::syscall::{self, MapShape};
use crate::watch::Watch;
use forward::Cell64;
use std::fs;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{Ordering, fence};

/// Bytes of an element of the array.
const PAGE: usize = 4096;
const WORDS: usize = PAGE / 8;
/// Room for text in a new journal, at least.
const LEAST: usize = 64 * 1024;
/// More than any configuration: a length beyond it is damage.
const MOST: usize = 1 << 30;

/// The journal of a pin directory.
pub struct Journal<'a> {
    pub(crate) path: PathBuf,
    pub(crate) book: &'a mut Option<Book>,
    pub(crate) watch: Option<&'a Watch>,
}

/// The map behind the journal. Word 0 is the length, the text follows.
pub(crate) struct Book(Mapped<[Cell64; WORDS]>);

impl Journal<'_> {
    /// All lines; `None` when nothing was ever written.
    pub fn read(&mut self) -> Result<Option<Vec<String>>, Error> {
        let Some(book) = self.open()? else { return Ok(None) };
        Ok(Some(book.text()?.lines().map(str::to_owned).collect()))
    }

    /// Adds one line.
    pub fn append(&mut self, line: &str) -> Result<(), Error> {
        check(line)?;
        self.check_pins()?;
        let Some(book) = self.open()? else { return self.replace(vec![line.to_owned()]) };
        if book.append(&format!("{line}\n")) {
            return Ok(());
        }
        let mut lines = self.read()?.unwrap_or_default();
        lines.push(line.to_owned());
        self.replace(lines)
    }

    /// Puts these lines in the place of all others, at once.
    pub fn replace(&mut self, lines: Vec<String>) -> Result<(), Error> {
        lines.iter().try_for_each(|line| check(line))?;
        self.check_pins()?;
        let text: String = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
        let book = self.create(&text)?;
        *self.book = Some(book);
        Ok(())
    }

    fn check_pins(&self) -> Result<(), Error> {
        self.watch.map_or(Ok(()), |watch| watch.check(self.book.is_some()))
    }

    fn open(&mut self) -> Result<Option<&Book>, Error> {
        if self.book.is_none() && self.path.exists() {
            let map = syscall::open_pin(&self.path).map_err(|error| damaged(&self.path, &error.to_string()))?;
            *self.book = Some(Book(Mapped::new(&map).map_err(|error| damaged(&self.path, &error.to_string()))?));
        }
        Ok(self.book.as_ref())
    }

    /// A new map with this text, pinned in the place of the old one.
    fn create(&self, text: &str) -> Result<Book, Error> {
        let room = (text.len() * 2).next_power_of_two().max(LEAST);
        let shape = MapShape {
            map_type: syscall::MAP_TYPE_ARRAY,
            key_size: size_of::<u32>() as u32,
            value_size: PAGE as u32,
            max_entries: (room / PAGE + 1) as u32,
            flags: syscall::MAP_FLAG_MMAPABLE,
        };
        let doing = || format!("write {}", self.path.display());
        let map = syscall::create_map("journal", shape).doing(doing)?;
        let book = Book(Mapped::new(&map).doing(doing)?);
        if !book.append(text) {
            return Err(Error::Journal(format!("{} bytes do not fit", text.len())));
        }
        let new = self.path.with_file_name("journal-new");
        remove_tree(&new)?;
        syscall::pin(map.as_fd(), &new).doing(doing)?;
        fs::rename(&new, &self.path).doing(doing)?;
        Ok(book)
    }
}

fn check(line: &str) -> Result<(), Error> {
    if line.contains(['\n', '\r']) { Err(Error::Journal("a line holds a line break".to_owned())) } else { Ok(()) }
}

fn damaged(path: &Path, reason: &str) -> Error {
    Error::Journal(format!("{} is damaged: {reason}; `xlvs detach --all` removes it", path.display()))
}

impl Book {
    fn word(&self, place: usize) -> Option<&Cell64> {
        self.0.get((place / WORDS) as u32)?.get(place % WORDS)
    }

    fn length(&self) -> usize {
        self.word(0).map_or(0, |word| word.get() as usize)
    }

    fn room(&self) -> usize {
        self.0.len() as usize * PAGE - 8
    }

    fn text(&self) -> Result<String, Error> {
        let length = self.length();
        if length > self.room() || length > MOST {
            return Err(Error::Journal(format!("its length is {length}, its room {}", self.room())));
        }
        let words = (1..=length.div_ceil(8)).filter_map(|place| self.word(place));
        let mut bytes: Vec<u8> = words.flat_map(|word| word.get().to_ne_bytes()).collect();
        bytes.truncate(length);
        String::from_utf8(bytes).map_err(|error| Error::Journal(format!("it is not text: {error}")))
    }

    /// Writes the text, then the new length; false when there is no room.
    fn append(&self, text: &str) -> bool {
        let length = self.length();
        if text.len() > self.room().saturating_sub(length) {
            return false;
        }
        // The word that the text begins in is partly others'.
        let (head, body) = text.as_bytes().split_at(text.len().min((8 - length % 8) % 8));
        let places = length.div_ceil(8) + 1..;
        let written = self.put(1 + length / 8, length % 8, head)
            && places.zip(body.chunks(8)).all(|(place, bytes)| self.put(place, 0, bytes));
        fence(Ordering::Release);
        if let Some(word) = self.word(0).filter(|_| written) {
            word.set((length + text.len()) as u64);
        }
        written
    }

    /// Puts bytes into a word, from its byte `first` on; none into none.
    fn put(&self, place: usize, first: usize, bytes: &[u8]) -> bool {
        if bytes.is_empty() {
            return true;
        }
        let Some(word) = self.word(place) else { return false };
        let mut all = word.get().to_ne_bytes();
        all.iter_mut().skip(first).zip(bytes).for_each(|(to, from)| *to = *from);
        word.set(u64::from_ne_bytes(all));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pins::Pins;

    fn journal<'a>(pins: &Pins, book: &'a mut Option<Book>) -> Journal<'a> {
        *book = None;
        Journal { path: pins.journal(), book, watch: None }
    }

    #[test]
    #[ignore = "needs root"]
    fn lines_survive_their_writer_and_replacement_is_whole() {
        let directory = std::env::temp_dir().join(format!("xlvs-journal-{}", std::process::id()));
        let (pins, lock) = Pins::claim(&directory).unwrap();
        let mut book = None;
        assert_eq!(journal(&pins, &mut book).read().unwrap(), None);
        let long = "é".repeat(50_000);
        let expected = ["one", "", "two words", long.as_str(), "last"].map(str::to_owned);
        for line in &expected {
            journal(&pins, &mut book).append(line).unwrap();
            journal(&pins, &mut book).read().unwrap();
        }
        assert_eq!(journal(&pins, &mut book).read().unwrap().unwrap(), expected);
        assert!(journal(&pins, &mut book).append("a\nb").is_err());
        journal(&pins, &mut book).replace(vec!["only".to_owned()]).unwrap();
        assert_eq!(journal(&pins, &mut book).read().unwrap().unwrap(), ["only"]);
        assert_eq!(crate::pins::names_in(&pins.root), ["journal"], "nothing is left of the replacement");
        drop(lock);
        pins.remove().unwrap();
        fs::remove_dir(&directory).unwrap();
    }
}
