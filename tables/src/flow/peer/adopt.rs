//! What another router has told.

use super::{FlowPeer, Record, is_used};
use crate::flow::state::Word;
use crate::flow::worker::Refused;
use crate::publish::Reader;

/// A flow that was not used for so long, in seconds, is given to whoever uses it.
const UNUSED: u32 = 2;
/// How often a flow is handed over to whoever says so: beyond, two routers see its packets at the same time.
const MOST_HANDOVERS: u8 = 8;

impl FlowPeer {
    /// A slot of the other router has this flow. Its port may have `quota` flows. `Ok(false)`: it stays ours, as we use it.
    ///
    /// # Errors
    /// See [`Refused`]; [`Refused::Invalid`]: no flow can be so.
    pub fn set(
        &mut self,
        reader: &Reader,
        slot: u32,
        record: &Record,
        quota: u32,
        now: u32,
    ) -> Result<bool, Refused> {
        let key = &record.key;
        let word = Word::DEAD.resumed(key.protocol, record.progress);
        if !word.is_some_and(|word| word.state().is_answered()) || slot == u32::MAX {
            return Err(Refused::Invalid);
        }
        let table = self.table.clone();
        let flows = table.read(reader);
        let hash = flows.hash(key);
        let found = flows.find(hash, key);
        let number = found.map(|flow| table.number(flow));
        if let Some(before) = self.kept_in(slot)
            && Some(before) != number
        {
            // The slot had another flow.
            self.drop_kept(before);
        }
        if let (Some(flow), Some(number)) = (found, number) {
            if self.is_of_part(number) && is_used(flow) {
                self.take_over(number);
            }
            let is_kept = self.part.kept.slot(number).is_some();
            let own = self.handovers(number);
            // One that nobody has answered here was answered there.
            let yields =
                record.handovers > own && own < MOST_HANDOVERS || !flow.state().is_answered();
            if !is_kept && !yields && flow.idle(now) < UNUSED {
                return Ok(false);
            }
            if self.is_of_part(number) {
                if flow.resume(key.protocol, record.progress, &record.resumed(now)) {
                    self.keep(number, slot, record.handovers);
                    if self.told_of(number) != 0 {
                        self.part.tell(flow);
                    }
                    return Ok(true);
                }
                self.forget(number);
            } else {
                self.part.remove(flow);
            }
        }
        match self.part.adopt(hash, record, quota, now)? {
            Some(number) => {
                self.keep(number, slot, record.handovers);
                Ok(true)
            }
            // A worker has made one just now.
            None => Ok(false),
        }
    }

    /// A slot of the other router has no flow any more.
    pub fn clear(&mut self, reader: &Reader, slot: u32) {
        let _ = self.table.read(reader);
        if let Some(number) = self.kept_in(slot) {
            self.drop_kept(number);
        }
        self.slots.remove(&slot);
    }

    /// The other router begins to tell all.
    pub fn bulk_begins(&mut self) {
        self.bulk = self.bulk.checked_add(1).unwrap_or(1);
    }

    /// It has told all: what it has not told since the beginning, it does not have.
    pub fn bulk_ends(&mut self, reader: &Reader) {
        let bulk = self.bulk;
        let (kept, mentioned) = (&self.part.kept, &self.mentioned);
        let is_old = |number: u32| mentioned.get(kept.place(number)) != Some(&bulk);
        let gone: Vec<u32> = self
            .slots
            .iter()
            .filter(|(_, number)| is_old(**number))
            .map(|(slot, _)| *slot)
            .collect();
        for slot in gone {
            self.clear(reader, slot);
        }
    }

    /// The other router cannot be heard: what it keeps ages from now on.
    pub fn gone(&mut self, now: u32) {
        self.part.kept.gone = Some(now);
    }

    /// The other router can be heard again. If it has started `anew`, it has nothing of what it has kept: that is ours.
    pub fn back(&mut self, anew: bool, now: u32) {
        self.part.kept.gone = None;
        if !anew {
            return;
        }
        for (slot, number) in std::mem::take(&mut self.slots) {
            if self.part.kept.slot(number) == Some(slot) {
                self.part.kept.release(number);
                if let Some(flow) = self.table.entry(number) {
                    flow.touch(now);
                }
            }
        }
    }

    /// The entry that has the flow of a slot.
    fn kept_in(&self, slot: u32) -> Option<u32> {
        let number = self.slots.get(&slot).copied()?;
        (self.part.kept.slot(number) == Some(slot)).then_some(number)
    }

    fn keep(&mut self, number: u32, slot: u32, handovers: u8) {
        if let Some(before) = self.part.kept.slot(number)
            && before != slot
        {
            self.slots.remove(&before);
        }
        self.part.kept.keep(number, slot);
        let place = self.part.kept.place(number);
        self.handovers[place] = handovers;
        self.mentioned[place] = self.bulk;
        self.slots.insert(slot, number);
    }

    /// Drops a flow that the other router has kept, unless it is ours by now.
    fn drop_kept(&mut self, number: u32) {
        let table = self.table.clone();
        match table.entry(number) {
            Some(flow) if is_used(flow) && flow.word().is_live() => {
                self.take_over(number);
                self.part.tell(flow);
            }
            _ => self.forget(number),
        }
    }

    /// Takes an entry of the part back.
    pub(super) fn forget(&mut self, number: u32) {
        if let Some(slot) = self.part.kept.slot(number) {
            self.slots.remove(&slot);
        }
        self.part.drop_one(number);
    }
}
