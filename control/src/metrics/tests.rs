//! A scrape over HTTP, the text format it is in, and docs/metrics.md.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::{Family, Kind, Snapshot, bind, exposition, families, serve};
use crate::api::fake::Fake;

/// What a scraper gets: status line, head and body.
async fn get(address: std::net::SocketAddr, path: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: hextetd\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_ascii_lowercase(), body.to_owned())
}

/// A family as a scraper understands it.
#[derive(Debug, Default)]
struct Scraped {
    kind: String,
    help: String,
    samples: Vec<(BTreeMap<String, String>, f64)>,
}

/// Reads the text format, and refuses what the format does not allow.
fn parse(text: &str) -> BTreeMap<String, Scraped> {
    let mut families = BTreeMap::<String, Scraped>::new();
    assert!(text.ends_with('\n'), "the last line ends, too");
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("a help text");
            let family = families.entry(name.to_owned()).or_default();
            assert!(family.help.is_empty(), "one HELP a family: {line}");
            family.help = help.to_owned();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a type");
            let family = families.entry(name.to_owned()).or_default();
            assert!(
                family.kind.is_empty() && family.samples.is_empty(),
                "TYPE comes first: {line}"
            );
            family.kind = kind.to_owned();
        } else {
            let (series, value) = line.rsplit_once(' ').expect("a value");
            let (name, labels) = match series.split_once('{') {
                Some((name, labels)) => (name, labels.strip_suffix('}').expect("a closing brace")),
                None => (series, ""),
            };
            assert!(
                name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'),
                "{line}"
            );
            let labels = labels
                .split("\",")
                .filter(|pair| !pair.is_empty())
                .map(|pair| {
                    let (name, value) = pair.split_once("=\"").expect("a quoted label value");
                    (name.to_owned(), value.trim_end_matches('"').to_owned())
                });
            let labels = labels.collect();
            let family = families
                .get_mut(name)
                .expect("HELP and TYPE before the first sample");
            assert!(
                family.samples.iter().all(|(l, _)| *l != labels),
                "a series twice: {line}"
            );
            family
                .samples
                .push((labels, value.parse().expect("a number")));
        }
    }
    families
}

#[tokio::test]
async fn a_scrape_exposes_the_table() {
    let listener = bind("[::1]:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let task = tokio::spawn(serve(listener, Arc::new(Fake::default()), stop.clone()));

    let (status, head, text) = get(address, "/metrics").await;
    assert_eq!(status, 200);
    assert!(
        head.contains("content-type: text/plain; version=0.0.4"),
        "{head}"
    );
    let scraped = parse(&text);

    let exposed: BTreeSet<&str> = scraped.keys().map(String::as_str).collect();
    let listed: BTreeSet<&str> = families().map(|family| family.name).collect();
    assert_eq!(exposed, listed);
    for family in families() {
        let seen = &scraped[family.name];
        let kind = if family.kind == Kind::Counter {
            "counter"
        } else {
            "gauge"
        };
        assert_eq!(
            (seen.kind.as_str(), seen.help.as_str()),
            (kind, family.help),
            "{}",
            family.name
        );
        assert!(
            !seen.samples.is_empty(),
            "{}: the sample appliance has none",
            family.name
        );
        for (labels, _) in &seen.samples {
            let names: BTreeSet<&str> = labels.keys().map(String::as_str).collect();
            assert_eq!(
                names,
                family.labels.iter().copied().collect(),
                "{}",
                family.name
            );
        }
    }
    let value = |name: &str, label: (&str, &str)| {
        let samples = &scraped[name].samples;
        let found = samples
            .iter()
            .find(|(l, _)| l.get(label.0).is_some_and(|v| v == label.1));
        found.unwrap_or_else(|| panic!("{name}{label:?}")).1
    };
    assert_eq!(
        value("hextet_dropped_packets_total", ("reason", "no_route")),
        12.0
    );
    assert_eq!(
        value("hextet_dropped_packets_total", ("reason", "hop_limit")),
        0.0
    );
    assert_eq!(value("hextet_device_up", ("device", "wan")), 0.0);
    assert_eq!(
        value("hextet_interface_receive_packets_total", ("family", "ipv4")),
        100_000.0
    );
    assert_eq!(value("hextet_interface_addresses", ("state", "valid")), 4.0);
    assert_eq!(
        value("hextet_worker_dropped_packets_total", ("worker", "0")),
        12.0
    );
    assert_eq!(
        value(
            "hextet_worker_accounting_imbalance_packets",
            ("worker", "0")
        ),
        0.0
    );
    assert_eq!(
        value("hextet_nd_events_total", ("event", "solicitations_sent")),
        9.0
    );
    assert_eq!(
        value(
            "hextet_ra_rule_broken_total",
            ("rule", "source_not_link_local")
        ),
        1.0
    );
    assert_eq!(
        scraped["hextet_icmp_errors_limited_total"].samples[0].1,
        5.0
    );
    assert_eq!(value("hextet_worker_busy_ratio", ("worker", "0")), 0.254);
    assert_eq!(
        value("hextet_port_dropped_packets_total", ("reason", "ra_guard")),
        3.0
    );
    assert_eq!(
        value(
            "hextet_port_observed_packets_total",
            ("reason", "nd_spoofed")
        ),
        2.0
    );
    assert_eq!(
        value("hextet_security_rule_packets_total", ("rule", "2")),
        7.0
    );
    assert_eq!(value("hextet_port_flows", ("port", "vm1")), 12.0);
    assert_eq!(value("hextet_flow_events_total", ("event", "evicted")), 8.0);
    assert_eq!(
        value("hextet_port_bindings", ("state", "testing_rival")),
        1.0
    );
    assert_eq!(scraped["hextet_uptime_seconds"].samples[0].1, 3723.0);

    stop.cancel();
    task.await.unwrap().unwrap();
}

#[tokio::test]
async fn alive_is_not_ready() {
    let listener = bind("[::1]:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let fake = Arc::new(Fake::default());
    let task = tokio::spawn(serve(listener, Arc::clone(&fake), stop.clone()));

    assert_eq!(get(address, "/readyz").await.0, 200);
    {
        let mut status = fake.status.lock().unwrap();
        status.ready = false;
        status.not_ready = vec!["worker 1 does not poll".into()];
    }
    let (status, _, body) = get(address, "/readyz").await;
    assert_eq!(
        (status, body.as_str()),
        (503, "not ready\nworker 1 does not poll\n")
    );
    assert_eq!(get(address, "/healthz").await.0, 200);
    assert_eq!(get(address, "/").await.0, 404);
    let error = bind(address).await.unwrap_err().to_string();
    assert!(error.contains(&address.to_string()), "{error}");

    stop.cancel();
    task.await.unwrap().unwrap();
}

#[tokio::test]
async fn odd_names_do_not_break_the_format() {
    let mut snapshot = Snapshot::take(&Fake::default()).await.unwrap();
    snapshot.devices.truncate(1);
    snapshot.devices[0].name = "a\"b\\c\nd".into();
    let text = exposition(&snapshot).unwrap();
    assert!(
        text.contains(r#"hextet_device_up{device="a\"b\\c\nd"} 1"#),
        "{text}"
    );
}

#[test]
fn names_follow_the_conventions() {
    for family in families() {
        let Family {
            name,
            kind,
            help,
            labels,
            ..
        } = family;
        assert!(name.starts_with("hextet_"), "{name}");
        assert!(
            name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
            "{name}"
        );
        assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
        assert!(help.ends_with('.'), "{name}: the help is a sentence");
        // Bounded cardinality: names of the configuration and words of closed lists.
        const BOUNDED: &[&str] = &[
            "class",
            "device",
            "direction",
            "dpdk",
            "driver",
            "event",
            "family",
            "group",
            "interface",
            "ip_version",
            "kind",
            "link",
            "network",
            "origin",
            "peer",
            "pool",
            "port",
            "reason",
            "result",
            "router",
            "rule",
            "server",
            "state",
            "trigger",
            "version",
            "vrid",
            "vtep",
            "worker",
        ];
        assert!(
            labels.iter().all(|label| BOUNDED.contains(label)),
            "{name}: {labels:?}"
        );
    }
}

#[test]
fn the_documentation_is_the_table() {
    let mut page = String::from(
        "# Metrics\n\n\
         `hextetd` serves them in Prometheus's text format under `/metrics` of the address that the configuration \
         gives; `/healthz` answers while the process lives, `/readyz` while it routes (else status 503 and the \
         reasons).\n\n\
         Labels hold names of the configuration and words of closed lists, so the number of series does not grow \
         with traffic. A family without series is left out. Counters count from the start of the process.\n\n\
         Generated from `control/src/metrics/family/`; `HEXTET_BLESS=1 cargo test -p control` writes it anew.\n\n\
         | name | type | labels | meaning |\n|---|---|---|---|\n",
    );
    for family in families() {
        let kind = if family.kind == Kind::Counter {
            "counter"
        } else {
            "gauge"
        };
        let labels: Vec<String> = family
            .labels
            .iter()
            .map(|label| format!("`{label}`"))
            .collect();
        writeln!(
            page,
            "| `{}` | {kind} | {} | {} |",
            family.name,
            labels.join(", "),
            family.help
        )
        .unwrap();
    }
    page.push_str(
        "\nWorth an alert: `hextet_ready == 0`, `hextet_worker_accounting_imbalance_packets != 0`, \
         `hextet_interface_addresses{state=\"duplicate\"} > 0`, and a rise of \
         `hextet_ra_inconsistent_total`, `hextet_device_receive_missed_total` or \
         `hextet_device_receive_no_mbuf_total`.\n",
    );
    crate::blessed::compare(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md"),
        &page,
    );
}
