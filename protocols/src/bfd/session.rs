//! One session: its variables and what changes them (RFC 5880 section 6.8).

use std::time::{Duration, Instant};

use super::config::{Config, SLOW, SessionId};
use super::counters::Counters;
use super::packet::{Control, Diagnostic, Invalid, Packet, State};
use super::sm::{Action, Context, Key, Path, Snapshot};

/// How far ahead a sequence number may be, in multipliers of the peer (RFC 5880 section 6.7.4).
const WINDOW: u32 = 3;

/// What the peer has told last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remote {
    /// Its name of the session, 0 when it is not heard.
    pub discriminator: u32,
    /// Its state.
    pub state: State,
    /// Why its state changed last.
    pub diagnostic: Diagnostic,
    /// Whether it wants no packets while both are Up.
    pub demand: bool,
    /// It does not send faster.
    pub desired_min_tx: Duration,
    /// We shall not send faster; zero: not at all.
    pub required_min_rx: Duration,
    /// After so many of its packets lost in a row we give it up.
    pub detect_mult: u8,
}

impl Default for Remote {
    /// What holds before anything is heard (RFC 5880 section 6.8.1).
    fn default() -> Self {
        Remote {
            discriminator: 0,
            state: State::Down,
            diagnostic: Diagnostic::NONE,
            demand: false,
            desired_min_tx: Duration::ZERO,
            required_min_rx: Duration::from_micros(1),
            detect_mult: 0,
        }
    }
}

impl Remote {
    fn of(control: &Control) -> Self {
        Remote {
            discriminator: control.my_discriminator,
            state: control.state,
            diagnostic: control.diagnostic,
            demand: control.demand,
            desired_min_tx: control.desired_min_tx,
            required_min_rx: control.required_min_rx,
            detect_mult: control.detect_mult,
        }
    }
}

/// `bfd.DesiredMinTxInterval` and `bfd.RequiredMinRxInterval`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Intervals {
    tx: Duration,
    rx: Duration,
}

#[derive(Debug)]
pub(super) struct Session {
    id: SessionId,
    config: Config,
    discriminator: u32,
    source_port: u16,
    link_up: bool,
    state: State,
    diagnostic: Diagnostic,
    path: Path,
    /// When the state changed last.
    since: Instant,
    remote: Remote,
    /// What our packets say.
    told: Intervals,
    /// What we hold to: not yet what is told, while the peer has not confirmed it (RFC 5880 section 6.8.3).
    held: Intervals,
    /// Whether our packets ask for an answer.
    polling: bool,
    last_sent: Option<Instant>,
    last_heard: Option<Instant>,
    /// By what interval the next packet is scheduled; none when none is.
    pace: Option<Duration>,
    sent_sequence: u32,
    /// The peer's last sequence number, and until when it counts.
    heard_sequence: Option<(u32, Instant)>,
    pub counters: Counters,
}

impl Session {
    /// A session that is down, on a link that is down.
    pub fn new(cx: &mut Context<'_>, id: SessionId, source_port: u16, config: Config) -> Self {
        let told = Intervals {
            tx: config.desired_min_tx.max(SLOW),
            rx: config.required_min_rx,
        };
        Session {
            id,
            config,
            discriminator: cx.discriminator,
            source_port,
            link_up: false,
            state: State::Down,
            diagnostic: Diagnostic::NONE,
            path: Path::Unknown,
            since: cx.now,
            remote: Remote::default(),
            told,
            held: told,
            polling: false,
            last_sent: None,
            last_heard: None,
            pace: None,
            sent_sequence: cx.random.next_u64() as u32,
            heard_sequence: None,
            counters: Counters::default(),
        }
    }

    pub fn id(&self) -> SessionId {
        self.id
    }

    pub fn source_port(&self) -> u16 {
        self.source_port
    }

    /// The least of our two intervals.
    pub fn shortest_interval(&self) -> Duration {
        let Config {
            desired_min_tx,
            required_min_rx,
            ..
        } = self.config;
        desired_min_tx.min(required_min_rx)
    }

    // ----- what changes -----

    /// Takes new variables; also begins a session that is switched off.
    pub fn configure(&mut self, cx: &mut Context<'_>, config: Config) {
        if self.config.auth != config.auth {
            self.heard_sequence = None;
        }
        self.config = config;
        match (self.config.admin_down, self.state) {
            (true, State::AdminDown) | (false, State::Down | State::Init | State::Up) => {
                if !self.polling {
                    self.tell_intervals(cx);
                }
                self.schedule(cx);
            }
            (true, _) => self.enter(cx, State::AdminDown, Diagnostic::ADMIN_DOWN),
            (false, State::AdminDown) => self.enter(cx, State::Down, Diagnostic::NONE),
        }
    }

    /// Tells the peer that the session says nothing any more.
    pub fn switch_off(&mut self, cx: &mut Context<'_>) {
        self.enter(cx, State::AdminDown, Diagnostic::ADMIN_DOWN);
    }

    /// The session goes; the peer is told. Who takes it away knows that it says nothing of the path any more.
    pub fn remove(&mut self, cx: &mut Context<'_>) {
        self.path = Path::SwitchedOff;
        self.switch_off(cx);
        cx.timers.cancel(Key::Transmit(self.discriminator));
        cx.timers.cancel(Key::Detect(self.discriminator));
    }

    pub fn set_link(&mut self, cx: &mut Context<'_>, up: bool) {
        if std::mem::replace(&mut self.link_up, up) == up {
            return;
        }
        if !up {
            self.forget_peer(cx);
            if matches!(self.state, State::Init | State::Up) {
                self.enter(cx, State::Down, Diagnostic::PATH_DOWN);
            }
        }
        self.schedule(cx);
    }

    // ----- received -----

    /// A packet of the peer's, whole by itself (RFC 5880 section 6.8.6, from authentication on).
    pub fn receive(&mut self, cx: &mut Context<'_>, packet: &Packet<'_>) -> Result<(), Invalid> {
        let control = &packet.control;
        let sequence = packet.verify(self.config.auth.as_ref())?;
        if let Some(sequence) = sequence {
            self.check_sequence(cx.now, control.detect_mult, sequence)?;
        }
        self.counters.received += 1;
        if !self.link_up {
            // It has waited since before the link went.
            self.counters.ignored += 1;
            return Ok(());
        }
        self.remote = Remote::of(control);
        self.last_heard = Some(cx.now);
        // Whoever is silent for so long may have begun anew (section 6.8.1, `bfd.AuthSeqKnown`).
        let until = cx.now + 2 * self.detection_time();
        self.heard_sequence = sequence.map(|sequence| (sequence, until));
        if control.is_final && self.polling {
            self.polling = false;
            self.counters.polls_ended += 1;
            self.held = self.told;
            // What was configured in the meantime is another change, and another poll.
            self.tell_intervals(cx);
        }
        self.watch(cx);
        if self.state == State::AdminDown {
            self.counters.ignored += 1;
            return Ok(());
        }
        let next = match (self.state, control.state) {
            (State::Init | State::Up, State::AdminDown) | (State::Up, State::Down) => State::Down,
            (State::Down, State::Down) => State::Init,
            (State::Down, State::Init) | (State::Init, State::Init | State::Up) => State::Up,
            (unchanged, _) => unchanged,
        };
        let diagnostic = match next {
            State::Down => Diagnostic::NEIGHBOR_DOWN,
            State::Up => Diagnostic::NONE,
            // Why it was down before is still true.
            State::Init | State::AdminDown => self.diagnostic,
        };
        self.enter(cx, next, diagnostic);
        // A peer that is switched off may have been given up before.
        self.judge(cx, next);
        self.schedule(cx);
        if control.poll {
            self.counters.polls_received += 1;
            self.send(cx, true);
        }
        Ok(())
    }

    /// RFC 5880 section 6.7.4: later than the last one, and not by much.
    fn check_sequence(&self, now: Instant, detect_mult: u8, sequence: u32) -> Result<(), Invalid> {
        let Some((last, _)) = self.heard_sequence.filter(|(_, until)| now < *until) else {
            return Ok(());
        };
        let meticulous = self.config.auth.as_ref().is_some_and(|a| a.meticulous);
        let ahead = sequence.wrapping_sub(last);
        let window = u32::from(meticulous)..=WINDOW * u32::from(detect_mult);
        match window.contains(&ahead) {
            true => Ok(()),
            false => Err(Invalid::AuthSequence),
        }
    }

    // ----- timers -----

    pub fn transmit_timer(&mut self, cx: &mut Context<'_>) {
        self.send(cx, false);
        self.pace(cx);
    }

    /// Nothing was heard for the detection time (RFC 5880 section 6.8.4).
    pub fn detect_timer(&mut self, cx: &mut Context<'_>) {
        self.forget_peer(cx);
        if matches!(self.state, State::Init | State::Up) {
            self.enter(cx, State::Down, Diagnostic::TIME_EXPIRED);
        }
        self.schedule(cx);
    }

    // ----- state -----

    /// Changes the state and says so, here and to the peer; nothing happens when it is the state already.
    fn enter(&mut self, cx: &mut Context<'_>, to: State, diagnostic: Diagnostic) {
        let from = std::mem::replace(&mut self.state, to);
        if from == to {
            return;
        }
        self.diagnostic = diagnostic;
        self.since = cx.now;
        match (from, to) {
            (_, State::Up) => self.counters.ups += 1,
            (State::Up, State::Down) => self.counters.failures += 1,
            _ => {}
        }
        cx.out.push(Action::State {
            session: self.id,
            from,
            to,
            diagnostic,
        });
        self.judge(cx, from);
        // What is asked of the peer at the moment is asked about the state before.
        self.polling = false;
        self.tell_intervals(cx);
        // Section 6.8.7: what differs from the packet before is told at once.
        if self.interval().is_some() {
            self.send(cx, false);
            self.pace(cx);
        }
        self.schedule(cx);
    }

    /// What the session says about the path, after it was in state `from` (RFC 5882 section 3.2).
    fn judge(&mut self, cx: &mut Context<'_>, from: State) {
        let is_heard = self.remote.discriminator != 0;
        let path = match (self.state, self.remote.state) {
            (State::Up, _) => Path::Up,
            (State::AdminDown, _) | (_, State::AdminDown) => Path::SwitchedOff,
            _ if from == State::Up => Path::Failed,
            // Switched on again. A peer that is silent may still be switched off.
            _ if self.path == Path::SwitchedOff && (from == State::AdminDown || is_heard) => {
                Path::Unknown
            }
            _ => self.path,
        };
        if std::mem::replace(&mut self.path, path) != path {
            let session = self.id;
            cx.out.push(Action::Path { session, path });
        }
    }

    /// Initial values for all that the peer has told, for it may be another one that speaks next.
    fn forget_peer(&mut self, cx: &mut Context<'_>) {
        self.remote = Remote::default();
        self.polling = false;
        self.tell_intervals(cx);
        cx.timers.cancel(Key::Detect(self.discriminator));
    }

    // ----- intervals -----

    /// Begins to tell what the configuration and the state want, and to ask the peer whether it has heard (RFC 5880 section 6.8.3).
    fn tell_intervals(&mut self, cx: &mut Context<'_>) {
        let is_up = self.state == State::Up;
        let slowest = if is_up { Duration::ZERO } else { SLOW };
        let told = Intervals {
            tx: self.config.desired_min_tx.max(slowest),
            rx: self.config.required_min_rx,
        };
        let changed = std::mem::replace(&mut self.told, told) != told;
        if changed && self.remote.discriminator != 0 {
            self.polling = true;
            self.counters.polls_begun += 1;
        }
        if is_up && self.polling {
            // Until it has heard, it expects packets at the old rate, and may send them so.
            self.held.tx = self.held.tx.min(told.tx);
            self.held.rx = self.held.rx.max(told.rx);
        } else {
            self.held = told;
        }
        if changed {
            self.watch(cx);
        }
    }

    /// How long nothing is heard before the peer is given up; zero when it was never heard.
    fn detection_time(&self) -> Duration {
        u32::from(self.remote.detect_mult) * self.held.rx.max(self.remote.desired_min_tx)
    }

    /// Arms the detection timer from the last packet on.
    fn watch(&mut self, cx: &mut Context<'_>) {
        if let Some(heard) = self.last_heard.filter(|_| self.remote.discriminator != 0) {
            let at = heard + self.detection_time();
            cx.timers.arm(Key::Detect(self.discriminator), at);
        }
    }

    // ----- sent -----

    /// At what interval packets are due, if they are (RFC 5880 section 6.8.7).
    fn interval(&self) -> Option<Duration> {
        let remote = &self.remote;
        let waits = self.config.passive && remote.discriminator == 0;
        let on_demand = remote.demand && self.state == State::Up && remote.state == State::Up;
        let silent = !self.link_up
            || waits
            || remote.required_min_rx.is_zero()
            || (on_demand && !self.polling);
        (!silent).then(|| self.held.tx.max(remote.required_min_rx))
    }

    /// Moves the next packet to where it belongs, if what it depends on has changed.
    fn schedule(&mut self, cx: &mut Context<'_>) {
        let interval = self.interval();
        if interval == self.pace {
            return;
        }
        self.pace = interval;
        let key = Key::Transmit(self.discriminator);
        match interval {
            None => cx.timers.cancel(key),
            Some(interval) => {
                let due = self
                    .last_sent
                    .map(|sent| sent + self.jittered(cx, interval));
                cx.timers.arm(key, due.unwrap_or(cx.now).max(cx.now));
            }
        }
    }

    /// Arms the timer for the packet after one that was just sent.
    fn pace(&mut self, cx: &mut Context<'_>) {
        self.pace = self.interval();
        let key = Key::Transmit(self.discriminator);
        match self.pace {
            None => cx.timers.cancel(key),
            Some(interval) => {
                let at = cx.now + self.jittered(cx, interval);
                cx.timers.arm(key, at);
            }
        }
    }

    /// 75 to 100 % of an interval, to 90 % where each packet counts (RFC 5880 section 6.8.7).
    fn jittered(&self, cx: &mut Context<'_>, interval: Duration) -> Duration {
        let most = match self.config.detect_mult {
            1 => interval * 9 / 10,
            _ => interval,
        };
        cx.random.between(interval * 3 / 4, most)
    }

    fn send(&mut self, cx: &mut Context<'_>, is_final: bool) {
        let control = Control {
            diagnostic: self.diagnostic,
            state: self.state,
            poll: self.polling && !is_final,
            is_final,
            independent: false,
            demand: false,
            detect_mult: self.config.detect_mult,
            my_discriminator: self.discriminator,
            your_discriminator: self.remote.discriminator,
            desired_min_tx: self.told.tx,
            required_min_rx: self.told.rx,
            required_min_echo_rx: Duration::ZERO,
        };
        let auth = self.config.auth.as_ref().map(|auth| {
            self.sent_sequence = self.sent_sequence.wrapping_add(1);
            (auth, self.sent_sequence)
        });
        if is_final {
            self.counters.finals_sent += 1;
        } else {
            self.counters.sent += 1;
            self.last_sent = Some(cx.now);
        }
        cx.out.push(Action::Send {
            session: self.id,
            source_port: self.source_port,
            payload: control.write(auth),
        });
    }

    // ----- shown -----

    pub fn snapshot(&self) -> Snapshot {
        let is_heard = self.remote.discriminator != 0;
        Snapshot {
            session: self.id,
            config: self.config.clone(),
            state: self.state,
            diagnostic: self.diagnostic,
            path: self.path,
            since: self.since,
            local_discriminator: self.discriminator,
            source_port: self.source_port,
            remote: is_heard.then_some(self.remote),
            transmit_interval: self.interval(),
            detection_time: is_heard.then(|| self.detection_time()),
            polling: self.polling,
        }
    }
}
