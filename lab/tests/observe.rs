//! What an operator sees: trace, capture, metrics, health.

use lab::topology::TwoNetworks;
use lab::{Lab, Result, binary, wait_for};
use std::time::Duration;

#[test]
fn a_trace_shows_a_packets_way_and_its_end() -> Result<()> {
    let lab = Lab::new("trace")?;
    let net = TwoNetworks::start(&lab, "")?;
    let b = net.b_ipv6()?;
    assert_eq!(net.a.ping(&b, 1)?, 1);
    let ctl = format!(
        "{} --socket {}",
        binary("hextetctl")?.display(),
        net.r.socket().display()
    );
    let mut trace = net.r.spawn(
        &format!("timeout 10 {ctl} --json trace --interface lan0 --dst {b} --count 2"),
        "trace.log",
    )?;
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(net.a.ping(&b, 3)?, 3);
    assert!(
        trace.wait(Duration::from_secs(12))?.success(),
        "{}",
        trace.log()
    );
    let log = trace.log();
    let events: Vec<serde_json::Value> = log
        .lines()
        .filter_map(|l| serde_json::from_str(l).ok())
        .collect();
    assert_eq!(events.len(), 2, "{log}");
    for event in &events {
        assert_eq!(event["interface"], "lan0");
        assert_eq!(event["dst"], b);
        assert!(
            event["outcome"]
                .as_str()
                .is_some_and(|o| o.starts_with("tx")),
            "{event:#}"
        );
        let stages: Vec<&str> = event["steps"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|s| s["stage"].as_str())
            .collect();
        assert!(
            stages.contains(&"parse") && stages.contains(&"route"),
            "{stages:?}"
        );
    }
    // A dropped packet's trace names the reason.
    let mut trace = net.r.spawn(
        &format!("timeout 10 {ctl} --json trace --dst 2001:db9::1 --count 1"),
        "trace2.log",
    )?;
    std::thread::sleep(Duration::from_millis(500));
    net.a.run("ping -n -c 2 -i 0.2 -W 1 2001:db9::1")?;
    assert!(
        trace.wait(Duration::from_secs(12))?.success(),
        "{}",
        trace.log()
    );
    assert!(trace.log().contains("ip6_no_route"), "{}", trace.log());
    net.r.assert_balanced()
}

#[test]
fn a_capture_is_read_by_tcpdump_with_the_drop_reason_as_comment() -> Result<()> {
    let lab = Lab::new("capture")?;
    let net = TwoNetworks::start(&lab, "")?;
    let b = net.b_ipv6()?;
    assert_eq!(net.a.ping(&b, 1)?, 1);
    let file = lab.dir().join("cap.pcapng");
    let ctl = format!(
        "{} --socket {}",
        binary("hextetctl")?.display(),
        net.r.socket().display()
    );
    let mut capture = net.r.spawn(
        &format!(
            "timeout 10 {ctl} capture --interface lan0 --point all --count 8 -w {}",
            file.display()
        ),
        "cap.log",
    )?;
    std::thread::sleep(Duration::from_millis(500));
    net.a.run("ping -n -c 2 -i 0.2 -W 1 2001:db9::1")?;
    assert_eq!(net.a.ping(&b, 5)?, 5);
    capture.wait(Duration::from_secs(12))?;
    let text = net.r.ok(&format!("tcpdump -n -r {}", file.display()))?;
    assert!(text.contains("ICMP6, echo request"), "{text}");
    let bytes = std::fs::read(&file)?;
    let comment = b"ip6_no_route";
    assert!(
        bytes.windows(comment.len()).any(|w| w == comment),
        "no drop reason in the capture"
    );
    net.r.assert_balanced()
}

#[test]
fn metrics_and_health_answer_and_agree_with_the_counters() -> Result<()> {
    let lab = Lab::new("metrics")?;
    let net = TwoNetworks::start(&lab, "")?;
    assert_eq!(net.a.ping(&net.b_ipv6()?, 3)?, 3);
    net.a.run("ping -n -c 1 -W 1 2001:db9::1")?;
    net.r.assert_balanced()?;
    let page = wait_for(Duration::from_secs(5), "the drop to be exported", || {
        let page = net.r.metrics().ok()?;
        page.lines()
            .any(|l| {
                l.starts_with("hextet_")
                    && l.contains("reason=\"ip6_no_route\"")
                    && !l.ends_with(" 0")
            })
            .then_some(page)
    })?;
    for family in [
        "hextet_build_info",
        "hextet_device_up",
        "hextet_worker_accounting_imbalance_packets",
    ] {
        assert!(
            page.lines().any(|l| l.starts_with(family)),
            "{family} is missing"
        );
    }
    for line in page
        .lines()
        .filter(|l| l.starts_with("hextet_worker_accounting_imbalance_packets"))
    {
        assert!(line.ends_with(" 0"), "{line}");
    }
    net.r.ok("curl -sf http://[::1]:9461/healthz")?;
    net.r.ok("curl -sf http://[::1]:9461/readyz")?;
    Ok(())
}
