//! The generated documents against the running program: what they list is what is there, and the other way round.

use lab::topology::TwoNetworks;
use lab::{Lab, Result};
use std::collections::BTreeSet;
use std::path::Path;

fn document(name: &str) -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs")
        .join(name);
    Ok(std::fs::read_to_string(path)?)
}

/// Words in backquotes at the start of a table's rows.
fn first_column(text: &str) -> BTreeSet<&str> {
    text.lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|line| line.split('`').next())
        .collect()
}

#[test]
fn drops_and_metrics_documents_are_what_the_running_router_says() -> Result<()> {
    let lab = Lab::new("docs")?;
    let net = TwoNetworks::start(&lab, "")?;
    assert_eq!(net.a.ping(&net.b_ipv6()?, 2)?, 2);

    let document_of_drops = document("drops.md")?;
    let drops = net.r.ctl("show drops")?;
    let running: BTreeSet<&str> = drops
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|d| d["reason"].as_str())
        .collect();
    assert_eq!(first_column(&document_of_drops), running);
    for drop in drops.as_array().into_iter().flatten() {
        let help = drop["help"].as_str().unwrap_or_default();
        assert!(
            !help.is_empty() && document_of_drops.contains(help),
            "help of {drop} is not in drops.md"
        );
    }

    let document_of_metrics = document("metrics.md")?;
    let page = net.r.metrics()?;
    let exposed: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert!(20 < exposed.len(), "only {exposed:?}");
    for family in exposed {
        assert!(
            document_of_metrics.contains(&format!("`{family}`")),
            "{family} is not in metrics.md"
        );
    }
    Ok(())
}

#[test]
fn the_graph_picture_names_every_stage_that_a_trace_shows() -> Result<()> {
    let lab = Lab::new("graph")?;
    let net = TwoNetworks::start(&lab, "")?;
    let picture = document("graph.svg")?;
    let ctl = format!(
        "{} --socket {}",
        lab::binary("hextetctl")?.display(),
        net.r.socket().display()
    );
    let mut trace = net.r.spawn(
        &format!("timeout 10 {ctl} --json trace --count 4"),
        "trace.log",
    )?;
    std::thread::sleep(std::time::Duration::from_millis(500));
    net.a.run("ping -n -c 2 -i 0.2 -W 1 2001:db8:1::1")?;
    net.a.run("ping -n -c 3 -i 0.2 -W 1 2001:db9::1")?;
    trace.wait(std::time::Duration::from_secs(12))?;
    let mut seen = 0;
    for line in trace.log().lines() {
        let event: serde_json::Value = serde_json::from_str(line)?;
        for step in event["steps"].as_array().into_iter().flatten() {
            let stage = step["stage"].as_str().unwrap_or_default();
            assert!(
                picture.contains(&format!(">{stage}<")),
                "stage {stage} is not in graph.svg"
            );
            seen += 1;
        }
    }
    assert!(4 <= seen, "{}", trace.log());
    Ok(())
}
