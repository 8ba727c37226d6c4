#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_log.h>

#include "shim.h"

int hextet_errno(void)
{
	return rte_errno;
}

unsigned int hextet_lcore_id(void)
{
	return rte_lcore_id();
}

static ssize_t log_write(void *cookie, const char *text, size_t len)
{
	int level = rte_log_cur_msg_loglevel();

	((hextet_log_fn)cookie)(level < 0 ? 0 : (uint32_t)level, text, len);
	return (ssize_t)len;
}

int hextet_log_to(hextet_log_fn sink)
{
	cookie_io_functions_t io = { .write = log_write };
	FILE *stream = fopencookie((void *)sink, "w", io);

	if (stream == NULL)
		return -errno;
	/* DPDK flushes after each message: fully buffered means one write per message. */
	setvbuf(stream, NULL, _IOFBF, BUFSIZ);
	return rte_openlog_stream(stream);
}

int hextet_link_get(uint16_t port, uint32_t *mbps, int *up, int *full_duplex)
{
	struct rte_eth_link link;
	int ret;

	memset(&link, 0, sizeof(link));
	ret = rte_eth_link_get_nowait(port, &link);
	*mbps = link.link_speed;
	*up = link.link_status;
	*full_duplex = link.link_duplex;
	return ret;
}
