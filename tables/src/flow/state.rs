//! What state a flow is in: one word of an entry.
//!
//! ```text
//!   63      36 35   20   19   18   15 14   11  10  9   8   7   6    5    4   0
//!   ┌─────────┬───────┬──────┬──────┬───────┬───────┬───────┬────┬─────┬─────┐
//!   │  life   │ asked │learns│scale │ scale │  fin  │ acked │free│ by  │state│
//!   └─────────┴───────┴──────┴ingr.─┴─egr.──┴in,egr─┴in,egr─┴────┴─────┴─────┘
//! ```
//!
//! Routers of a pair tell each other bits 0 to 18 ([`Progress`]): who changes what they mean changes the version of what is said there.

use super::key::Direction;
use super::timeouts::is_udp;
use super::{sctp, tcp};

/// The state of a flow, by protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum State {
    /// Another protocol than TCP and SCTP: nobody has answered.
    Unreplied = 0,
    /// Both sides have sent.
    Replied,
    /// UDP: the two sides talk for a while.
    Stream,
    /// TCP: a SYN has been seen.
    SynSent,
    /// TCP: both SYNs have been seen.
    SynReceived,
    /// TCP: both sides have acknowledged the other's SYN.
    Established,
    /// TCP: one side has sent its FIN.
    Closing,
    /// TCP: both sides have sent their FINs.
    TimeWait,
    /// TCP: reset. SCTP: aborted, or shut down completely.
    Closed,
    /// SCTP: an INIT has been seen.
    Init,
    /// SCTP: both sides have told their tags.
    Cookie,
    /// SCTP: the cookie was acknowledged.
    Associated,
    /// SCTP: one side shuts down.
    Shutdown,
}

impl State {
    const ALL: [Self; 13] = [
        Self::Unreplied,
        Self::Replied,
        Self::Stream,
        Self::SynSent,
        Self::SynReceived,
        Self::Established,
        Self::Closing,
        Self::TimeWait,
        Self::Closed,
        Self::Init,
        Self::Cookie,
        Self::Associated,
        Self::Shutdown,
    ];

    /// As it is shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unreplied => "unreplied",
            Self::Replied => "replied",
            Self::Stream => "stream",
            Self::SynSent => "syn_sent",
            Self::SynReceived => "syn_received",
            Self::Established => "established",
            Self::Closing => "closing",
            Self::TimeWait => "time_wait",
            Self::Closed => "closed",
            Self::Init => "init",
            Self::Cookie => "cookie",
            Self::Associated => "associated",
            Self::Shutdown => "shutdown",
        }
    }

    /// Whether such a flow may have to make room for another: nobody has answered yet, or it is over and only what was sent once
    /// more can come.
    #[inline(always)]
    pub const fn is_loose(self) -> bool {
        match self {
            Self::Unreplied | Self::SynSent | Self::SynReceived | Self::Init | Self::Cookie => true,
            Self::TimeWait | Self::Closed => true,
            Self::Replied | Self::Stream | Self::Established | Self::Closing => false,
            Self::Associated | Self::Shutdown => false,
        }
    }

    /// Whether both sides have had a part in it.
    #[inline(always)]
    pub const fn is_answered(self) -> bool {
        !matches!(self, Self::Unreplied | Self::SynSent | Self::Init)
    }

    /// Whether a flow of this protocol can be in it.
    const fn can_be(self, protocol: u8) -> bool {
        match self {
            Self::Unreplied | Self::Replied => !matches!(protocol, tcp::PROTOCOL | sctp::PROTOCOL),
            Self::Stream => is_udp(protocol),
            Self::SynSent | Self::SynReceived | Self::Established => protocol == tcp::PROTOCOL,
            Self::Closing | Self::TimeWait => protocol == tcp::PROTOCOL,
            Self::Closed => matches!(protocol, tcp::PROTOCOL | sctp::PROTOCOL),
            Self::Init | Self::Cookie | Self::Associated => protocol == sctp::PROTOCOL,
            Self::Shutdown => protocol == sctp::PROTOCOL,
        }
    }
}

/// How far a flow is, as routers of a pair tell each other: its state, who has opened it, and of TCP what does not change with every
/// segment. Only [`Word::resumed`] makes use of it, and checks it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress(pub u32);

/// The word of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word(pub u64);

/// Bits of the state, and of the life (at the top).
const STATE: u64 = 0x1f;
const LIFE_AT: u32 = 36;
/// The direction of the first packet.
const OPENED_AT: u32 = 5;
/// Windows of this flow are not checked.
const FREE: u64 = 1 << 6;
/// This direction has acknowledged the other's SYN.
const ACKED_AT: u32 = 7;
/// This direction has sent its FIN.
const FIN_AT: u32 = 9;
/// Window scales and one, four bits each; 0: none was offered.
const SCALES_AT: u32 = 11;
/// What TCP is compared with is not known of both sides: their next segments tell.
const LEARNS: u64 = 1 << 19;
const ASKED_AT: u32 = 20;

/// Lives are numbers below this one.
pub(super) const LIVES: u32 = 1 << (64 - LIFE_AT);

impl Word {
    /// Of a dead flow.
    pub const DEAD: Self = Self(0);

    /// Of a new flow.
    pub const fn new(state: State, opened: Direction) -> Self {
        Self(state as u64 | (opened as u64) << OPENED_AT)
    }

    /// As it is, but for the state.
    #[inline(always)]
    pub const fn with(self, state: State) -> Self {
        Self(self.0 & !STATE | state as u64)
    }

    #[inline(always)]
    pub const fn with_life(self, life: u32, asked: u16) -> Self {
        let low = self.0 & ((1 << ASKED_AT) - 1);
        Self(low | (asked as u64) << ASKED_AT | (life as u64) << LIFE_AT)
    }

    /// A flow that begins again in the same life: state, and who opened it.
    pub const fn again(self, state: State) -> Self {
        let kept = !((1 << ASKED_AT) - 1) | 1 << OPENED_AT;
        Self(self.0 & kept | state as u64)
    }

    #[inline(always)]
    pub const fn state(self) -> State {
        let at = (self.0 & STATE) as usize;
        State::ALL[if at < State::ALL.len() { at } else { 0 }]
    }

    /// Whether it is in this state.
    #[inline(always)]
    pub const fn is(self, state: State) -> bool {
        self.0 & STATE == state as u64
    }

    #[inline(always)]
    pub const fn is_live(self) -> bool {
        self.0 >> LIFE_AT != 0
    }

    /// Which life of the entry it is.
    pub const fn life(self) -> u32 {
        (self.0 >> LIFE_AT) as u32
    }

    #[inline(always)]
    pub const fn opened(self) -> Direction {
        match self.0 >> OPENED_AT & 1 {
            0 => Direction::Egress,
            _ => Direction::Ingress,
        }
    }

    #[inline(always)]
    pub const fn asked(self) -> u16 {
        (self.0 >> ASKED_AT) as u16
    }

    /// Whether windows are not checked.
    #[inline(always)]
    pub const fn is_free(self) -> bool {
        self.0 & FREE != 0
    }

    /// Never checked again.
    pub const fn freed(self) -> Self {
        Self(self.0 | FREE)
    }

    /// Whether what TCP is compared with is still to be learned.
    pub const fn learns(self) -> bool {
        self.0 & LEARNS != 0
    }

    /// It is known of both sides.
    pub const fn learned(self) -> Self {
        Self(self.0 & !LEARNS)
    }

    /// For another router.
    pub const fn progress(self) -> Progress {
        Progress((self.0 & (LEARNS - 1)) as u32)
    }

    /// As another router has told, in the life and with what was asked that this one has; `None` if no flow of the protocol can
    /// be so.
    pub fn resumed(self, protocol: u8, progress: Progress) -> Option<Self> {
        let told = Self(u64::from(progress.0));
        let is_one = told.0 < LEARNS
            && told.0 & STATE < State::ALL.len() as u64
            && told.state().can_be(protocol);
        let learns = match protocol == tcp::PROTOCOL && !told.is_free() {
            true => LEARNS,
            false => 0,
        };
        let kept = self.0 & !((1 << ASKED_AT) - 1);
        is_one.then_some(Self(kept | told.0 | learns))
    }

    /// Whether this direction has acknowledged the other's SYN.
    pub const fn has_acked(self, direction: Direction) -> bool {
        self.0 >> (ACKED_AT + direction as u32) & 1 != 0
    }

    pub const fn acked(self, direction: Direction) -> Self {
        Self(self.0 | 1 << (ACKED_AT + direction as u32))
    }

    /// Whether this direction has sent its FIN.
    pub const fn has_fin(self, direction: Direction) -> bool {
        self.0 >> (FIN_AT + direction as u32) & 1 != 0
    }

    pub const fn fin(self, direction: Direction) -> Self {
        Self(self.0 | 1 << (FIN_AT + direction as u32))
    }

    /// By how many bits a direction's windows are scaled (RFC 7323).
    #[inline(always)]
    pub const fn scale(self, direction: Direction) -> u32 {
        let nibble = (self.0 >> (SCALES_AT + 4 * direction as u32) & 15) as u32;
        nibble.saturating_sub(1)
    }

    /// What a direction's SYN has offered; more than 14 counts as 14 (RFC 7323 section 2.3).
    pub const fn offered(self, direction: Direction, scale: Option<u8>) -> Self {
        let nibble = match scale {
            None => 0,
            Some(scale) if scale < 14 => scale as u64 + 1,
            Some(_) => 15,
        };
        let at = SCALES_AT + 4 * direction as u32;
        Self(self.0 & !(15 << at) | nibble << at)
    }

    /// Windows are scaled if both SYNs have offered it.
    pub const fn agreed(self) -> Self {
        let both = self.0 >> SCALES_AT & 0xff;
        match both & 15 != 0 && both >> 4 != 0 {
            true => self,
            false => Self(self.0 & !(0xff << SCALES_AT)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_word_do_not_touch() {
        for state in State::ALL {
            for opened in [Direction::Egress, Direction::Ingress] {
                let word = Word::new(state, opened).with_life(LIVES - 1, 0xffff);
                let full = word
                    .freed()
                    .acked(Direction::Egress)
                    .fin(Direction::Ingress)
                    .offered(Direction::Ingress, Some(14))
                    .offered(Direction::Egress, Some(7));
                for word in [word, full, full.agreed(), full.with(state)] {
                    assert_eq!((word.state(), word.opened()), (state, opened));
                    assert_eq!((word.life(), word.asked()), (LIVES - 1, 0xffff));
                }
                assert_eq!(full.again(state), word);
                assert!(full.is_free() && !word.is_free());
                assert!(full.has_acked(Direction::Egress) && !full.has_acked(Direction::Ingress));
                assert!(full.has_fin(Direction::Ingress) && !full.has_fin(Direction::Egress));
                assert_eq!(full.scale(Direction::Ingress), 14);
                assert_eq!(full.scale(Direction::Egress), 7);
            }
        }
    }

    #[test]
    fn what_another_router_tells_is_taken_if_a_flow_can_be_so() {
        let full = Word::new(State::Established, Direction::Ingress)
            .offered(Direction::Egress, Some(7))
            .acked(Direction::Ingress);
        let told = full.with_life(5, 443).progress();
        let here = Word::DEAD.with_life(9, 80);
        let resumed = here.resumed(6, told).unwrap();
        assert_eq!((resumed.life(), resumed.asked()), (9, 80));
        assert!(resumed.learns() && !full.learns());
        assert_eq!(resumed.learned(), full.with_life(9, 80));
        assert_eq!(resumed.progress(), told);
        let free = here.resumed(6, full.freed().progress()).unwrap();
        assert!(free.is_free() && !free.learns());
        for (protocol, told) in [
            (17, told.0),
            (132, told.0),
            (6, 0),
            (6, 0x1f),
            (6, 13),
            (6, told.0 | 1 << 19),
            (6, told.0 | 1 << 31),
            (50, State::Stream as u32),
        ] {
            assert_eq!(
                here.resumed(protocol, Progress(told)),
                None,
                "{protocol} {told:x}"
            );
        }
        assert!(here.resumed(17, Progress(State::Stream as u32)).is_some());
    }

    #[test]
    fn a_scale_takes_two() {
        let word = Word::new(State::SynSent, Direction::Egress);
        let one = word.offered(Direction::Egress, Some(9)).agreed();
        assert_eq!(one.scale(Direction::Egress), 0);
        let zero = word
            .offered(Direction::Egress, Some(9))
            .offered(Direction::Ingress, Some(0))
            .agreed();
        assert_eq!(
            [Direction::Egress, Direction::Ingress].map(|d| zero.scale(d)),
            [9, 0]
        );
        assert_eq!(
            word.offered(Direction::Egress, Some(200))
                .scale(Direction::Egress),
            14
        );
    }
}
