//! Lists of a worker's entries, linked by number in an array beside them: nothing allocates, and taking one out is a step.

use super::memory::Lines;
use std::io;

/// The number of no entry.
pub(super) const NOBODY: u32 = 0;

/// A list, from one entry to the last. Zeroes: empty.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct List {
    pub head: u32,
    tail: u32,
}

#[derive(Clone, Copy, Debug)]
struct Hook {
    next: u32,
    previous: u32,
}

/// What a worker notes of one of its entries.
#[derive(Debug)]
pub(super) struct Links {
    /// By [`Chain`].
    hooks: [Hook; 2],
    /// The slot that names it.
    pub slot: u32,
    /// On which list of the wheel it is.
    pub second: u8,
    /// Whether it is on its anchor's list of loose ones.
    pub is_loose: bool,
    /// Whether it is a flow, and so on the wheel.
    pub is_flow: bool,
}

/// Which lists.
#[derive(Clone, Copy, Debug)]
pub(super) enum Chain {
    /// Of the wheel; of free entries, and those in their grace period.
    Wheel = 0,
    /// Of an anchor's loose flows.
    Loose = 1,
}

/// The links of a worker's part.
#[derive(Debug)]
pub(super) struct Chains {
    links: Lines<Links>,
    /// Number of the first entry.
    first: u32,
}

impl Chains {
    pub fn new(first: u32, len: usize) -> io::Result<Self> {
        Ok(Self {
            links: Lines::new(len)?,
            first,
        })
    }

    /// Of one of this worker's entries.
    #[inline(always)]
    pub fn of(&mut self, number: u32) -> &mut Links {
        &mut self.links[(number - self.first) as usize]
    }

    /// Asks for the links of one of this worker's entries to be in the cache soon.
    pub fn fetch(&self, number: u32) {
        if let Some(links) = self.links.get((number.wrapping_sub(self.first)) as usize) {
            crate::prefetch(std::ptr::from_ref(links).cast());
        }
    }

    /// Whether an entry is of this part.
    pub fn has(&self, number: u32) -> bool {
        (number.wrapping_sub(self.first) as usize) < self.links.len()
    }

    #[inline(always)]
    fn hook(&mut self, chain: Chain, number: u32) -> &mut Hook {
        &mut self.of(number).hooks[chain as usize]
    }

    /// Who follows on a list.
    pub fn next(&mut self, chain: Chain, number: u32) -> u32 {
        self.hook(chain, number).next
    }

    /// Puts an entry at the end.
    pub fn push(&mut self, chain: Chain, list: &mut List, number: u32) {
        *self.hook(chain, number) = Hook {
            next: NOBODY,
            previous: list.tail,
        };
        match list.tail {
            NOBODY => list.head = number,
            tail => self.hook(chain, tail).next = number,
        }
        list.tail = number;
    }

    /// Takes an entry out of the list that it is on.
    pub fn unlink(&mut self, chain: Chain, list: &mut List, number: u32) {
        let Hook { next, previous } = *self.hook(chain, number);
        match previous {
            NOBODY => list.head = next,
            previous => self.hook(chain, previous).next = next,
        }
        match next {
            NOBODY => list.tail = previous,
            next => self.hook(chain, next).previous = previous,
        }
    }

    /// Takes the first one.
    pub fn pop(&mut self, chain: Chain, list: &mut List) -> Option<u32> {
        let number = list.head;
        (number != NOBODY).then(|| {
            self.unlink(chain, list, number);
            number
        })
    }

    /// Puts all of one list before all of another.
    pub fn join(&mut self, chain: Chain, front: List, back: &mut List) {
        match (front.head, back.head) {
            (NOBODY, _) => {}
            (_, NOBODY) => *back = front,
            (head, follows) => {
                self.hook(chain, front.tail).next = follows;
                self.hook(chain, follows).previous = front.tail;
                back.head = head;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Random;
    use std::collections::VecDeque;

    #[test]
    fn lists_are_queues_from_which_anyone_can_leave() {
        const FIRST: u32 = 11;
        let mut chains = Chains::new(FIRST, 100).unwrap();
        assert!(chains.has(FIRST) && chains.has(110) && !chains.has(10) && !chains.has(111));
        let mut random = Random::new(5);
        let mut lists = [List::default(); 2];
        let mut models = [const { VecDeque::new() }; 2];
        let mut out: Vec<u32> = (FIRST..FIRST + 100).collect();
        for _ in 0..20_000 {
            let which = random.below(2) as usize;
            let (list, model) = (&mut lists[which], &mut models[which]);
            match random.below(6) {
                0..=2 if !out.is_empty() => {
                    let number = out.swap_remove(random.below(out.len() as u64) as usize);
                    chains.push(Chain::Loose, list, number);
                    model.push_back(number);
                }
                3 => {
                    let number = chains.pop(Chain::Loose, list);
                    assert_eq!(number, model.pop_front());
                    out.extend(number);
                }
                4 if !model.is_empty() => {
                    let at = random.below(model.len() as u64) as usize;
                    let number = model.remove(at).unwrap();
                    chains.unlink(Chain::Loose, list, number);
                    out.push(number);
                }
                5 if random.below(50) == 0 => {
                    let [front, back] = &mut lists;
                    chains.join(Chain::Loose, *front, back);
                    *front = List::default();
                    let [front, back] = &mut models;
                    front.append(back);
                    std::mem::swap(front, back);
                }
                _ => {}
            }
            for (list, model) in lists.iter().zip(&models) {
                let mut at = list.head;
                for &number in model {
                    assert_eq!(at, number);
                    at = chains.next(Chain::Loose, at);
                }
                assert_eq!(at, NOBODY);
            }
        }
    }
}
