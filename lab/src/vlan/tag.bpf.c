/* A host's wire that carries one VLAN: frames leave with the tag, others do not come in. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>

static long (*skb_vlan_push)(struct __sk_buff *skb, __be16 protocol, __u16 tci) = (void *)BPF_FUNC_skb_vlan_push;
static long (*skb_vlan_pop)(struct __sk_buff *skb) = (void *)BPF_FUNC_skb_vlan_pop;

__attribute__((section("push"), used)) int out(struct __sk_buff *skb)
{
	return skb_vlan_push(skb, __builtin_bswap16(ETH_P_8021Q), VID) ? TC_ACT_SHOT : TC_ACT_OK;
}

__attribute__((section("pop"), used)) int in(struct __sk_buff *skb)
{
	if (!skb->vlan_present || (skb->vlan_tci & 0xfff) != VID)
		return TC_ACT_SHOT;
	return skb_vlan_pop(skb) ? TC_ACT_SHOT : TC_ACT_OK;
}

__attribute__((section("license"), used)) char terms[] = "GPL";
