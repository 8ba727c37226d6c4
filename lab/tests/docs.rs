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

/// The example of a page runs as it stands: its configuration is saved, its commands are typed, in namespaces of their own; what
/// it leaves running ends with them.
fn example(page: &str, name: &str, shows: &[&str]) -> Result<()> {
    example_at(page, 1, name, shows)
}

/// The same of a later one, with the page's configuration and the `nth` commands.
fn example_at(page: &str, nth: usize, name: &str, shows: &[&str]) -> Result<()> {
    let lab = Lab::new(name)?;
    let text = document(page)?;
    let block = |language: &str, nth: usize| -> String {
        let fence = format!("```{language}\n");
        let body = text.split(&fence).nth(nth).unwrap_or_default();
        body.split("```").next().unwrap_or_default().to_owned()
    };
    std::fs::write(lab.dir().join("router.toml"), block("toml", 1))?;
    let path = lab::binary("hextetd")?;
    let path = path.parent().map(Path::display);
    let path = path.map(|p| p.to_string()).unwrap_or_default();
    let script = format!(
        "set -e\nmount -t tmpfs t /run\nip link set lo up\nexport PATH={path}:$PATH\ncd {}\nset -m\n{}",
        lab.dir().display(),
        block("sh", nth)
    );
    std::fs::write(lab.dir().join("run.sh"), script)?;
    let run = lab::run(&format!(
        "timeout 60 unshare -n -m -p --fork --kill-child bash {}",
        lab.dir().join("run.sh").display()
    ))?;
    let said = format!("{}\n{}", run.stdout, run.stderr);
    assert!(run.status.success(), "{page}: {said}");
    for what in shows {
        assert!(run.stdout.contains(what), "{page} shows no {what}: {said}");
    }
    Ok(())
}

#[test]
fn the_example_of_the_dhcpv6_page_runs() -> Result<()> {
    example(
        "dhcpv6.md",
        "docsdhcp6",
        &["iaaddr 2001:db8:1::1", "bound", "2001:db8:1::/64"],
    )
}

#[test]
fn the_example_of_leases_in_a_file_runs() -> Result<()> {
    let shows = ["no leases", "1 added, 0 replaced", "2001:db8:1::1"];
    example_at("dhcpv6.md", 2, "docsleases", &shows)
}

#[test]
fn the_example_of_the_prefix_delegation_page_runs() -> Result<()> {
    example(
        "prefix-delegation.md",
        "docspd",
        &["iaprefix 2001:db8:c0", "iaaddr 2001:db8:3:", "delegated"],
    )
}

#[test]
fn the_example_of_the_networks_page_runs() -> Result<()> {
    example(
        "networks.md",
        "docsnets",
        &[
            "3 received",
            "lan, vxlan 77 (west)",
            "static",
            "learned",
            "fd66::3",
        ],
    )
}
