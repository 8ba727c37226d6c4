/* What bindgen reads: DPDK's public headers, our shim, and constants it cannot evaluate itself. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_version.h>

#include "shim.h"
#ifdef HEXTET_PEERS
#include "peers.h"
#endif

/* Where C puts the fields of struct rte_mbuf; src/mbuf.rs asserts that Rust agrees. */
#define OFFSET(name, field) \
	static const size_t HEXTET_MBUF_OFFSET_##name = offsetof(struct rte_mbuf, field);
OFFSET(BUF_ADDR, buf_addr)
OFFSET(DATA_OFF, data_off)
OFFSET(REFCNT, refcnt)
OFFSET(NB_SEGS, nb_segs)
OFFSET(PORT, port)
OFFSET(OL_FLAGS, ol_flags)
OFFSET(PACKET_TYPE, packet_type)
OFFSET(PKT_LEN, pkt_len)
OFFSET(DATA_LEN, data_len)
OFFSET(VLAN_TCI, vlan_tci)
OFFSET(RSS, hash.rss)
OFFSET(VLAN_TCI_OUTER, vlan_tci_outer)
OFFSET(BUF_LEN, buf_len)
OFFSET(POOL, pool)
OFFSET(NEXT, next)
OFFSET(TX_OFFLOAD, tx_offload)
OFFSET(PRIV_SIZE, priv_size)
static const size_t HEXTET_MBUF_SIZE = sizeof(struct rte_mbuf);

/* Flags that C spells as 64-bit expressions, all as uint64_t here. */
#define FLAG(name) static const uint64_t HEXTET_##name = RTE_##name;
FLAG(MBUF_F_RX_VLAN)
FLAG(MBUF_F_RX_VLAN_STRIPPED)
FLAG(MBUF_F_RX_QINQ)
FLAG(MBUF_F_RX_QINQ_STRIPPED)
FLAG(MBUF_F_RX_RSS_HASH)
FLAG(MBUF_F_RX_IP_CKSUM_MASK)
FLAG(MBUF_F_RX_IP_CKSUM_BAD)
FLAG(MBUF_F_RX_IP_CKSUM_GOOD)
FLAG(MBUF_F_RX_IP_CKSUM_NONE)
FLAG(MBUF_F_RX_L4_CKSUM_MASK)
FLAG(MBUF_F_RX_L4_CKSUM_BAD)
FLAG(MBUF_F_RX_L4_CKSUM_GOOD)
FLAG(MBUF_F_RX_L4_CKSUM_NONE)
FLAG(MBUF_F_RX_LRO)
FLAG(MBUF_F_TX_VLAN)
FLAG(MBUF_F_TX_IPV4)
FLAG(MBUF_F_TX_IPV6)
FLAG(MBUF_F_TX_IP_CKSUM)
FLAG(MBUF_F_TX_TCP_CKSUM)
FLAG(MBUF_F_TX_UDP_CKSUM)
FLAG(MBUF_F_TX_L4_MASK)
FLAG(MBUF_F_TX_TCP_SEG)
FLAG(MBUF_F_TX_UDP_SEG)
FLAG(MBUF_F_TX_OFFLOAD_MASK)
FLAG(MBUF_F_INDIRECT)
FLAG(MBUF_F_EXTERNAL)
FLAG(ETH_RX_OFFLOAD_VLAN_STRIP)
FLAG(ETH_RX_OFFLOAD_IPV4_CKSUM)
FLAG(ETH_RX_OFFLOAD_UDP_CKSUM)
FLAG(ETH_RX_OFFLOAD_TCP_CKSUM)
FLAG(ETH_RX_OFFLOAD_TCP_LRO)
FLAG(ETH_RX_OFFLOAD_SCATTER)
FLAG(ETH_RX_OFFLOAD_RSS_HASH)
FLAG(ETH_TX_OFFLOAD_VLAN_INSERT)
FLAG(ETH_TX_OFFLOAD_IPV4_CKSUM)
FLAG(ETH_TX_OFFLOAD_UDP_CKSUM)
FLAG(ETH_TX_OFFLOAD_TCP_CKSUM)
FLAG(ETH_TX_OFFLOAD_TCP_TSO)
FLAG(ETH_TX_OFFLOAD_UDP_TSO)
FLAG(ETH_TX_OFFLOAD_MULTI_SEGS)
FLAG(ETH_TX_OFFLOAD_MBUF_FAST_FREE)
FLAG(ETH_RSS_IP)
FLAG(ETH_RSS_TCP)
FLAG(ETH_RSS_UDP)

/* dev_flags is 32 bits wide. */
static const uint32_t HEXTET_ETH_DEV_INTR_LSC = RTE_ETH_DEV_INTR_LSC;
static const uint32_t HEXTET_ETH_DEV_INTR_RMV = RTE_ETH_DEV_INTR_RMV;

static const uint16_t HEXTET_PKTMBUF_HEADROOM = RTE_PKTMBUF_HEADROOM;
static const uint16_t HEXTET_MAX_ETHPORTS = RTE_MAX_ETHPORTS;
static const size_t HEXTET_ETH_NAME_MAX_LEN = RTE_ETH_NAME_MAX_LEN;
