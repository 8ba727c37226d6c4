/* DPDK's own route lookups, which ours is measured beside (feature `peers`). The routing program never calls them. */
#ifndef HEXTET_PEERS_H
#define HEXTET_PEERS_H

#include <rte_fib.h>
#include <rte_fib6.h>
#include <rte_lpm.h>
#include <rte_lpm6.h>
#include <rte_malloc.h>

/* Tables with next hops of 4 bytes, 0 where there is no route. Their configuration is in anonymous unions. NULL and
 * rte_errno when they cannot be made. */
struct rte_fib6 *hextet_fib6_new(const char *name, uint32_t max_routes, uint32_t groups);
struct rte_fib *hextet_fib_new(const char *name, uint32_t max_routes, uint32_t groups);

/* Bytes allocated from DPDK's heaps. */
size_t hextet_heap_bytes(void);

#endif
