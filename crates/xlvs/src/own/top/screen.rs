//! The screen: draws the view once in an interval and after every key.

use super::sample::{Sample, Snapshot};
use super::view::{Kind, View};
use crate::session::{Session, Trouble};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Text};
use ratatui::widgets::Paragraph;
use std::io;
use std::time::{Duration, Instant};

/// What the screen knows.
struct Screen {
    view: View,
    session: Session,
    last: Option<Sample>,
    snapshot: Option<Snapshot>,
    /// Why there is nothing new.
    trouble: Option<String>,
    paused: bool,
    /// The filter is being typed.
    typing: bool,
    scroll: u16,
    colours: bool,
}

pub(super) fn run(view: View, interval: Duration) -> Result<(), Trouble> {
    let session = Session::open()?;
    let last = Some(super::sample(&session)?);
    let colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let mut screen =
        Screen { view, session, last, snapshot: None, trouble: None, paused: false, typing: false, scroll: 0, colours };
    let mut terminal = ratatui::try_init().map_err(|error| broken(&error))?;
    let result = screen.follow(&mut terminal, interval);
    ratatui::restore();
    result.map_err(|error| broken(&error))
}

fn broken(error: &io::Error) -> Trouble {
    Trouble::Confused(format!("the terminal does not work: {error} (try --once)"))
}

impl Screen {
    /// Until the user has seen enough.
    fn follow(&mut self, terminal: &mut DefaultTerminal, interval: Duration) -> io::Result<()> {
        let mut next = Instant::now() + interval.min(Duration::from_millis(300));
        loop {
            terminal.draw(|frame| self.draw(frame))?;
            if event::poll(next.saturating_duration_since(Instant::now()))? {
                match event::read()? {
                    Event::Key(key) if key.kind == KeyEventKind::Press && self.press(key) => return Ok(()),
                    _ => {}
                }
            }
            if Instant::now() >= next {
                next = Instant::now() + interval;
                if !self.paused {
                    self.look();
                }
            }
        }
    }

    /// Takes another look. A daemon that is away for the moment is said to be, and asked again.
    fn look(&mut self) {
        match super::sample(&self.session) {
            Ok(sample) => {
                self.snapshot = self.last.as_ref().map(|last| Snapshot::between(last, &sample));
                self.last = Some(sample);
                self.trouble = None;
            }
            Err(trouble) => self.trouble = Some(trouble.to_string()),
        }
    }

    /// True when it is over.
    fn press(&mut self, key: KeyEvent) -> bool {
        if key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL) {
            return true;
        }
        if self.typing {
            match key.code {
                KeyCode::Enter => self.typing = false,
                KeyCode::Esc => (self.typing, self.view.filter) = (false, String::new()),
                KeyCode::Backspace => drop(self.view.filter.pop()),
                KeyCode::Char(letter) => self.view.filter.push(letter),
                _ => {}
            }
            return false;
        }
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return true,
            KeyCode::Char('p' | ' ') => self.paused = !self.paused,
            KeyCode::Char('s') => self.view.sort = self.view.sort.next(),
            KeyCode::Char('/') => self.typing = true,
            KeyCode::Down | KeyCode::Char('j') => self.scroll = self.scroll.saturating_add(1),
            KeyCode::Up | KeyCode::Char('k') => self.scroll = self.scroll.saturating_sub(1),
            KeyCode::PageDown => self.scroll = self.scroll.saturating_add(20),
            KeyCode::PageUp => self.scroll = self.scroll.saturating_sub(20),
            KeyCode::Home => self.scroll = 0,
            _ => {}
        }
        false
    }

    fn draw(&mut self, frame: &mut ratatui::Frame<'_>) {
        let [body, foot] = Layout::vertical([Constraint::Min(1), Constraint::Length(1)]).areas(frame.area());
        let lines = self.snapshot.as_ref().map(|snapshot| self.view.lines(snapshot)).unwrap_or_default();
        let most = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_sub(body.height);
        self.scroll = self.scroll.min(most);
        let shown = lines.into_iter().map(|line| Line::styled(line.text, self.style(line.kind)));
        frame.render_widget(Paragraph::new(shown.collect::<Text<'_>>()).scroll((self.scroll, 0)), body);
        frame.render_widget(Paragraph::new(Line::styled(self.foot(), self.style(Kind::Heading))), foot);
    }

    fn foot(&self) -> String {
        let mut parts = Vec::new();
        parts.extend(self.trouble.clone());
        if self.paused {
            parts.push("PAUSED".to_owned());
        }
        if self.typing {
            parts.push(format!("filter: {}_ (Enter keeps, Esc clears)", self.view.filter));
        } else {
            let filter = if self.view.filter.is_empty() { "none" } else { &self.view.filter };
            let sort = self.view.sort.word();
            parts.push(format!("q quit  p pause  s sort: {sort}  / filter: {filter}  arrows scroll"));
        }
        parts.join("  ")
    }

    fn style(&self, kind: Kind) -> Style {
        let plain = Style::new();
        match kind {
            Kind::Plain => plain,
            Kind::Heading => plain.add_modifier(Modifier::REVERSED),
            Kind::Service => plain.add_modifier(Modifier::BOLD),
            Kind::Trouble if self.colours => plain.fg(Color::Red),
            Kind::Trouble => plain.add_modifier(Modifier::UNDERLINED),
        }
    }
}
