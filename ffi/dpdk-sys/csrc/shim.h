/* The few things of DPDK that bindgen cannot bind: thread-locals, bit-fields, varying names. */
#ifndef HEXTET_SHIM_H
#define HEXTET_SHIM_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct rte_mbuf;
struct rte_mempool;

/* rte_errno and rte_lcore_id() are thread-local. */
int hextet_errno(void);
unsigned int hextet_lcore_id(void);

/* A line of DPDK's log with its RTE_LOG_* level. Called by any thread. */
typedef void (*hextet_log_fn)(uint32_t level, const char *text, size_t len);
/* Sends DPDK's log to `sink`; 0 or a negative errno. Works before rte_eal_init. */
int hextet_log_to(hextet_log_fn sink);

/* struct rte_eth_link: bit-fields in 22.11, a union in 24.11. */
int hextet_link_get(uint16_t port, uint32_t *mbps, int *up, int *full_duplex);

/* Test doubles (testing.c): a pool of real mbufs on the heap and a port without a driver,
 * both without EAL. NULL or a negative errno when they cannot be made. */
struct rte_mempool *hextet_test_pool_new(unsigned int count, uint16_t data_room);
void hextet_test_pool_free(struct rte_mempool *pool);

typedef uint16_t (*hextet_burst_fn)(void *queue, struct rte_mbuf **mbufs, uint16_t count);
int hextet_test_port_attach(uint16_t port, void **rxq, hextet_burst_fn rx, void **txq,
			    hextet_burst_fn tx);
void hextet_test_port_detach(uint16_t port);

#endif
