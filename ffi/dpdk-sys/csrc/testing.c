/*
 * Real mbufs and real bursts without EAL, for unit tests of code that handles packets.
 *
 * The pool is a struct rte_mempool filled by hand over malloc'ed memory, with its own ops (a
 * locked stack). It has no per-lcore cache, so the inline functions of DPDK go straight to the
 * ops. The port is an entry of rte_eth_fp_ops[], which is all that the burst functions look at.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "shim.h"

#define ALIGN 64
#define ROUND_UP(n) (((n) + ALIGN - 1) & ~(size_t)(ALIGN - 1))

struct stack {
	pthread_mutex_t lock;
	void *memory;
	unsigned int count;
	void *objects[];
};

static int stack_enqueue(struct rte_mempool *pool, void *const *objects, unsigned int n)
{
	struct stack *s = pool->pool_data;
	unsigned int i;
	int ret = 0;

	pthread_mutex_lock(&s->lock);
	if (s->count + n > pool->size)
		ret = -ENOBUFS; /* something was freed twice */
	else
		for (i = 0; i < n; i++)
			s->objects[s->count++] = objects[i];
	pthread_mutex_unlock(&s->lock);
	if (ret != 0)
		abort(); /* DPDK ignores the result: a double free must not pass a test */
	return ret;
}

static int stack_dequeue(struct rte_mempool *pool, void **objects, unsigned int n)
{
	struct stack *s = pool->pool_data;
	unsigned int i;
	int ret = 0;

	pthread_mutex_lock(&s->lock);
	if (n > s->count)
		ret = -ENOBUFS;
	else
		for (i = 0; i < n; i++)
			objects[i] = s->objects[--s->count];
	pthread_mutex_unlock(&s->lock);
	return ret;
}

static unsigned int stack_count(const struct rte_mempool *pool)
{
	return ((struct stack *)pool->pool_data)->count;
}

static int stack_alloc(struct rte_mempool *pool)
{
	(void)pool;
	return -ENOTSUP;
}

static int ops_index = -1;
static pthread_once_t ops_once = PTHREAD_ONCE_INIT;

static void register_ops(void)
{
	static const struct rte_mempool_ops ops = {
		.name = "hextet_test",
		.alloc = stack_alloc,
		.enqueue = stack_enqueue,
		.dequeue = stack_dequeue,
		.get_count = stack_count,
	};

	ops_index = rte_mempool_register_ops(&ops);
}

struct rte_mempool *hextet_test_pool_new(unsigned int count, uint16_t data_room)
{
	size_t header = ROUND_UP(sizeof(struct rte_mempool_objhdr));
	size_t element = ROUND_UP(sizeof(struct rte_mbuf) + (size_t)data_room);
	size_t pool_size = ROUND_UP(sizeof(struct rte_mempool) +
				    sizeof(struct rte_pktmbuf_pool_private));
	struct rte_pktmbuf_pool_private *priv;
	struct rte_mempool *pool;
	struct stack *s;
	unsigned int i;

	pthread_once(&ops_once, register_ops);
	if (ops_index < 0)
		return NULL;
	pool = aligned_alloc(ALIGN, pool_size);
	s = calloc(1, sizeof(*s) + (size_t)count * sizeof(void *));
	if (pool == NULL || s == NULL)
		goto fail;
	memset(pool, 0, pool_size);
	s->memory = aligned_alloc(ALIGN, (header + element) * (count == 0 ? 1 : count));
	if (s->memory == NULL)
		goto fail;
	memset(s->memory, 0, (header + element) * count);
	pthread_mutex_init(&s->lock, NULL);

	strcpy(pool->name, "hextet_test");
	pool->pool_data = s;
	pool->size = count;
	pool->populated_size = count;
	pool->elt_size = element;
	pool->header_size = header;
	pool->private_data_size = sizeof(*priv);
	pool->ops_index = ops_index;
	priv = rte_mempool_get_priv(pool);
	priv->mbuf_data_room_size = data_room;

	for (i = 0; i < count; i++) {
		char *object = (char *)s->memory + i * (header + element) + header;
		struct rte_mempool_objhdr *hdr = (void *)(object - sizeof(*hdr));

		hdr->mp = pool;
		rte_pktmbuf_init(pool, NULL, object, i);
		s->objects[s->count++] = object;
	}
	return pool;
fail:
	free(s);
	free(pool);
	return NULL;
}

void hextet_test_pool_free(struct rte_mempool *pool)
{
	struct stack *s = pool->pool_data;

	pthread_mutex_destroy(&s->lock);
	free(s->memory);
	free(s);
	free(pool);
}

/* One array of absent callbacks serves every queue of every test port. */
static void *no_callbacks[RTE_MAX_QUEUES_PER_PORT];

int hextet_test_port_attach(uint16_t port, void **rxq, hextet_burst_fn rx, void **txq,
			    hextet_burst_fn tx)
{
	struct rte_eth_fp_ops *ops;

	if (port >= RTE_MAX_ETHPORTS)
		return -ENODEV;
	ops = &rte_eth_fp_ops[port];
	ops->rx_pkt_burst = rx;
	ops->rxq.data = rxq;
	ops->rxq.clbk = (void *)no_callbacks;
	ops->tx_pkt_burst = tx;
	ops->txq.data = txq;
	ops->txq.clbk = (void *)no_callbacks;
	return 0;
}

void hextet_test_port_detach(uint16_t port)
{
	if (port < RTE_MAX_ETHPORTS)
		memset(&rte_eth_fp_ops[port], 0, sizeof(rte_eth_fp_ops[port]));
}
