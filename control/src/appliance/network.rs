//! Layer-2 networks and the peers of tunnels, with what workers counted.

use api::{Network, NetworkCounters, Vtep, VtepCounters};
use tables::id::{NetworkId, TunnelId};

use super::Router;
use crate::api::Error;

impl Router {
    pub(super) async fn network_list(&self) -> Result<Vec<Network>, Error> {
        let networks = self.ask(|engine| engine.network_views()).await?;
        let counted = networks.into_iter().map(|(id, network)| Network {
            counters: self.network_counters(id),
            ..network
        });
        Ok(counted.collect())
    }

    pub(super) async fn vtep_list(&self) -> Result<Vec<Vtep>, Error> {
        let vteps = self.ask(|engine| engine.vtep_views()).await?;
        let counted = vteps.into_iter().map(|(id, vtep)| Vtep {
            counters: self.vtep_counters(id),
            ..vtep
        });
        Ok(counted.collect())
    }

    fn network_counters(&self, id: NetworkId) -> NetworkCounters {
        let rx = self.sum(|w| w.network(id).rx.get());
        let tx = self.sum(|w| w.network(id).tx.get());
        let flooded = self.sum(|w| w.network(id).flooded.get());
        let answered = self.sum(|w| w.network(id).answered.get());
        let directed = self.sum(|w| w.network(id).directed.get());
        NetworkCounters {
            rx_frames: rx.packets,
            rx_bytes: rx.bytes,
            tx_frames: tx.packets,
            tx_bytes: tx.bytes,
            flooded_frames: flooded.packets,
            flooded_bytes: flooded.bytes,
            answered_frames: answered.packets,
            directed_frames: directed.packets,
        }
    }

    fn vtep_counters(&self, id: TunnelId) -> VtepCounters {
        let rx = self.sum(|w| w.tunnel(id).rx.get());
        let tx = self.sum(|w| w.tunnel(id).tx.get());
        let too_big = self.counters.iter().map(|w| w.tunnel(id).too_big.get());
        VtepCounters {
            rx_packets: rx.packets,
            rx_bytes: rx.bytes,
            tx_packets: tx.packets,
            tx_bytes: tx.bytes,
            too_big: too_big.sum(),
        }
    }
}
