//! What the room counts, per network.

use crate::counters::counters;

counters! {
    /// Counters of one network.
    pub struct Counters {
        /// Addresses learned.
        learned,
        /// Addresses that another station has now.
        moved,
        /// Addresses that changed hands too often and were held: nobody is answered for.
        held,
        /// Claims of held addresses, not believed.
        damped,
        /// Claims of our own addresses by stations, not believed.
        contradicted,
        /// Bindings doubted because another station used or probed the address.
        doubted,
        /// Claims refused at the network's limit or the station's.
        limited,
        /// Claims refused because the table had no room.
        full,
        /// Bindings forgotten because they were not confirmed for the ageing time.
        aged,
        /// Bindings forgotten because their station has gone.
        vanished,
    }
}
