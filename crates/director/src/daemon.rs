//! The loop: requests, news from the network, time and signals, one after the other, into the [`Director`].

use crate::capture;
use crate::director::{Director, Done};
use crate::health::{Results, passive};
use crate::observe::Network;
use crate::observe::events::{Events, News};
use crate::plane::Plane;
use crate::rates;
use crate::reader::{PATIENCE, Read, Reader, Reload};
use crate::server::Call;
use crate::signals::{Signals, Told};
use api::{Reply, Request, Response};
use protocols::health::{CheckId, Outcome};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep_until;

/// Time between two full looks at the network, and between two comparisons with the maps, when nothing happens.
const LOOK: Duration = Duration::from_secs(5);
/// Shortest time between two full looks, when much happens.
const SETTLE: Duration = Duration::from_millis(20);
/// Time after which a next hop that does not answer is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// Time between two looks at lanes: until it is seen what a sender leaves undone, its connections fail.
const LANES: Duration = Duration::from_millis(200);
/// How long an answer waits for the next hop of a new server, so that the next command already finds it.
const NEIGHBOUR_WAIT: Duration = Duration::from_millis(150);

/// How the loop ended.
#[derive(Debug)]
pub(crate) struct Stopped {
    /// Programs stay attached and maps pinned.
    pub(crate) keep_forwarding: bool,
    /// Who asked, if it was a request.
    pub(crate) reply: Option<oneshot::Sender<Reply>>,
}

/// An answer that waits for next hops.
struct Waiting {
    reply: oneshot::Sender<Reply>,
    response: Response,
    pending: BTreeSet<IpAddr>,
}

/// When what is due.
struct Clock {
    look: Instant,
    /// Not before this time, whatever the news.
    look_earliest: Instant,
    compare: Instant,
    ask_again: Instant,
    estimate: Instant,
    /// A look at lanes.
    lanes: Instant,
    /// While there is a capture.
    capture: Instant,
    /// While clients' connections count.
    listen: Instant,
    /// No answer waits before: one that waited in vain has used up the patience of this second.
    wait_again: Instant,
    waiting_ends: Option<Instant>,
}

/// The loop's state beside the director.
pub(crate) struct Daemon<P, N> {
    director: Director<P, N>,
    clock: Clock,
    waiting: Vec<Waiting>,
    results: Option<Results>,
    reader: Reader,
}

/// What can happen.
enum Happening {
    Checked(Vec<(CheckId, Outcome)>),
    Call(Option<Call>),
    News(std::io::Result<News>),
    Due,
    Told(Told),
    Read(Read),
}

impl<P: Plane, N: Network> Daemon<P, N> {
    /// Everything is due now.
    pub(crate) fn new(director: Director<P, N>, reload: Reload) -> Self {
        let now = Instant::now();
        let clock = Clock {
            look: now + LOOK,
            look_earliest: now,
            compare: now + LOOK,
            ask_again: now + ASK_AGAIN,
            estimate: now + rates::PERIOD,
            lanes: now + LANES,
            capture: now,
            listen: now,
            wait_again: now,
            waiting_ends: None,
        };
        Self { director, clock, waiting: Vec::new(), results: None, reader: Reader::new(reload) }
    }

    /// Runs until a signal or a request ends it, and gives the director back.
    pub(crate) async fn run(
        mut self,
        mut signals: Signals,
        mut calls: mpsc::Receiver<Call>,
        events: Option<Events>,
    ) -> std::io::Result<(Director<P, N>, Stopped)> {
        self.results = Some(self.director.begin_checks()?);
        loop {
            let happening = tokio::select! {
                biased;
                told = signals.next() => Happening::Told(told),
                news = next(events.as_ref()) => Happening::News(news),
                () = sleep_until(self.next_due().into()) => Happening::Due,
                call = calls.recv() => Happening::Call(call),
                results = results(self.results.as_mut()) => Happening::Checked(results),
                read = self.reader.read() => Happening::Read(read),
            };
            if let Some(stopped) = self.happen(happening) {
                self.give_up_waiting();
                return Ok((self.director, stopped));
            }
        }
    }

    fn happen(&mut self, happening: Happening) -> Option<Stopped> {
        match happening {
            Happening::Told(Told::End) | Happening::Call(None) => {
                return Some(Stopped { keep_forwarding: false, reply: None });
            }
            Happening::Call(Some(Call::Request { request: Request::Stop { keep_forwarding }, reply })) => {
                return Some(Stopped { keep_forwarding, reply: Some(reply) });
            }
            Happening::Call(Some(call)) => self.call(call),
            Happening::Checked(results) => self.director.checked(results),
            Happening::News(Ok(news)) => self.news(&news),
            Happening::News(Err(error)) => {
                tracing::warn!(%error, "cannot hear news of the network");
                self.clock.look = self.clock.look.min(Instant::now() + SETTLE);
            }
            Happening::Due => self.due(),
            Happening::Told(Told::Reload) => self.reader.begin(Instant::now()),
            Happening::Read(read) => self.read(read),
        }
        self.answer_settled();
        None
    }

    fn call(&mut self, call: Call) {
        let now = Instant::now();
        // Whoever asked may be gone: that is their business.
        match call {
            Call::Request { request, reply } => self.request(&request, reply, now),
            Call::PrepareCapture { request, reply } => drop(reply.send(self.director.prepare_capture(request))),
            Call::BeginCapture { ticket, capture, reply } => {
                drop(reply.send(self.director.begin_capture(ticket, *capture, now)));
                self.clock.capture = now;
            }
        }
    }

    fn request(&mut self, request: &Request, reply: oneshot::Sender<Reply>, now: Instant) {
        let answer = self.director.answer(request);
        if answer.is_ok() && matches!(request, Request::Apply { .. }) {
            self.reader.overtake();
        }
        match answer {
            Ok(Done { response, pending }) if !pending.is_empty() && now >= self.clock.wait_again => {
                self.waiting.push(Waiting { reply, response, pending });
                self.clock.waiting_ends.get_or_insert(now + NEIGHBOUR_WAIT);
            }
            answer => drop(reply.send(answer.map(|done| done.response))),
        }
    }

    fn news(&mut self, news: &News) {
        self.director.hear(news, Instant::now());
        if news.everything {
            self.clock.look = self.clock.look.min(self.clock.look_earliest.max(Instant::now() + SETTLE));
        }
    }

    fn next_due(&self) -> Instant {
        let clock = &self.clock;
        let fixed =
            [clock.look, clock.compare, clock.ask_again, clock.estimate, clock.lanes, self.director.sweeper.next()];
        let capture = self.director.capture.as_ref().map(|_| clock.capture);
        let listen = self.director.health.watches_any().then_some(clock.listen);
        fixed
            .into_iter()
            .chain(clock.waiting_ends)
            .chain(capture)
            .chain(listen)
            .chain(self.director.next_trial())
            .chain(self.reader.next())
            .chain(self.director.health.next_deadline())
            .min()
            .unwrap_or(clock.look)
    }

    fn due(&mut self) {
        let now = Instant::now();
        self.director.end_trials(now);
        self.director.check();
        if self.reader.has_become_slow(now) {
            self.director.await_file(PATIENCE);
        }
        if self.director.capture.is_some() && now >= self.clock.capture {
            self.director.continue_capture(now);
            self.clock.capture = now + capture::PERIOD;
        }
        if now >= self.clock.listen {
            self.director.listen();
            self.clock.listen = rested(now).max(now + passive::PERIOD);
        }
        if now >= self.director.sweeper.next() {
            self.director.sweep();
        }
        if self.clock.waiting_ends.is_some_and(|end| now >= end) {
            self.give_up_waiting();
            self.clock.wait_again = now + ASK_AGAIN;
        }
        if now >= self.clock.ask_again {
            self.director.ask_again(now);
            self.director.translate_answers();
            self.clock.ask_again = Instant::now() + ASK_AGAIN;
        }
        if now >= self.clock.lanes {
            self.director.settle_lanes(now);
            self.clock.lanes = rested(now).max(now + LANES);
        }
        if now >= self.clock.estimate {
            self.director.estimate();
            self.clock.estimate = (self.clock.estimate + rates::PERIOD).max(now);
        }
        if now >= self.clock.look {
            self.director.look(now);
            self.clock.look_earliest = rested(now);
            self.clock.look = self.clock.look_earliest.max(now + LOOK);
        }
        if now >= self.clock.compare {
            let began = Instant::now();
            self.director.heal();
            self.clock.compare = rested(began).max(now + LOOK);
        }
    }

    /// Sends the answers whose next hops are known now.
    fn answer_settled(&mut self) {
        let observer = &self.director.observer;
        let settled = |waiting: &mut Waiting| !waiting.pending.iter().any(|address| observer.is_pending(*address));
        for waiting in self.waiting.extract_if(.., settled) {
            let _ = waiting.reply.send(Ok(waiting.response));
        }
        if self.waiting.is_empty() {
            self.clock.waiting_ends = None;
        }
    }

    fn give_up_waiting(&mut self) {
        for waiting in self.waiting.drain(..) {
            let _ = waiting.reply.send(Ok(waiting.response));
        }
        self.clock.waiting_ends = None;
    }

    /// The configuration file was read again.
    fn read(&mut self, read: Read) {
        match read {
            Ok(None) => {}
            Ok(Some(config)) => self.director.follow_file(&config, Instant::now()),
            Err(why) => self.director.refuse_file(&why),
        }
        if self.reader.is_wanted_again() {
            self.reader.begin(Instant::now());
        }
    }
}

/// After work that began at `began`: ten times as long a rest, so that it takes a tenth of a core at most.
fn rested(began: Instant) -> Instant {
    let now = Instant::now();
    now + now.saturating_duration_since(began) * 10
}

async fn next(events: Option<&Events>) -> std::io::Result<News> {
    match events {
        Some(events) => events.next().await,
        None => std::future::pending().await,
    }
}

/// Most results that are taken at once.
const MOST_RESULTS: usize = 256;

async fn results(results: Option<&mut Results>) -> Vec<(CheckId, Outcome)> {
    let mut taken = Vec::new();
    if let Some(results) = results
        && results.recv_many(&mut taken, MOST_RESULTS).await > 0
    {
        return taken;
    }
    // The thread of checks has ended: nothing comes any more.
    std::future::pending().await
}
