//! Ports and groups with what workers counted, and flows.

use std::collections::BTreeMap;

use api::{Flow, FlowQuery, Port, PortCounters, SecurityGroup};
use dataplane::counters::AnchorCounters;
use dataplane::drop::DropReason;
use tables::id::{AnchorId, RuleId};

use super::Router;
use crate::api::Error;

impl Router {
    pub(super) async fn port_list(&self) -> Result<Vec<Port>, Error> {
        let ports = self.ask(|engine| engine.port_views()).await?;
        let counted = ports.into_iter().map(|(id, port)| Port {
            counters: self.port_counters(id),
            drops: self.by_reason(id, |anchor, reason| anchor.drops(reason).get()),
            observed: self.by_reason(id, |anchor, reason| anchor.observed(reason).get()),
            ..port
        });
        Ok(counted.collect())
    }

    pub(super) async fn group_list(
        &self,
        name: Option<String>,
    ) -> Result<Vec<SecurityGroup>, Error> {
        let groups = self
            .ask(move |engine| engine.group_views(name.as_deref()))
            .await?;
        let mut groups = groups?;
        for rule in groups.iter_mut().flat_map(|group| &mut group.rules) {
            let passed = self.sum(|w| w.rule(RuleId(rule.id)).get());
            rule.packets = passed.packets.saturating_sub(rule.packets);
            rule.bytes = passed.bytes.saturating_sub(rule.bytes);
        }
        Ok(groups)
    }

    pub(super) async fn flow_list(&self, query: FlowQuery) -> Result<Vec<Flow>, Error> {
        let source = self.ask(move |engine| engine.flow_source(&query)).await??;
        let flows = tokio::task::spawn_blocking(move || source.read()).await;
        flows.map_err(|_| Error::Unavailable("the router is stopping".into()))
    }

    fn port_counters(&self, id: AnchorId) -> PortCounters {
        let egress = self.sum(|w| w.anchor(id).egress.get());
        let ingress = self.sum(|w| w.anchor(id).ingress.get());
        PortCounters {
            egress_packets: egress.packets,
            egress_bytes: egress.bytes,
            ingress_packets: ingress.packets,
            ingress_bytes: ingress.bytes,
        }
    }

    /// What was counted for each reason of a port. All reasons that are no port's own have one cell, told as `other`.
    fn by_reason(
        &self,
        id: AnchorId,
        count: impl Fn(&AnchorCounters, DropReason) -> u64,
    ) -> BTreeMap<String, u64> {
        let total = |reason| {
            let workers = self.counters.iter();
            workers.map(|w| count(w.anchor(id), reason)).sum::<u64>()
        };
        let own = DropReason::ALL[DropReason::SECURITY].iter();
        let own = own.map(|reason| (reason.label(), total(*reason)));
        let other = ("other", total(DropReason::FrameTruncated));
        let seen = own.chain([other]).filter(|(_, count)| *count != 0);
        seen.map(|(name, count)| (name.to_owned(), count)).collect()
    }
}
