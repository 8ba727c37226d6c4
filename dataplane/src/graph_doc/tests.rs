use std::collections::HashSet;
use std::path::Path;

use super::*;

/// Compares a committed document with the generated one, or renews it.
fn check(name: &str, generated: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs")
        .join(name);
    if std::env::var_os("HEXTET_BLESS").is_some() {
        std::fs::write(&file, generated).unwrap();
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        committed == generated,
        "docs/{name} is stale: run `HEXTET_BLESS=1 cargo test -p dataplane graph_doc` and commit it"
    );
}

#[test]
fn the_committed_picture_is_the_graph() {
    check("graph.svg", &graph_svg());
}

#[test]
fn the_committed_list_is_the_drop_reasons() {
    check("drops.md", &drops_md());
}

#[test]
fn every_line_finds_a_way_around_the_boxes() {
    for (from, to) in edges() {
        assert!(
            route(from, to).is_some(),
            "{} to {}",
            from.label(),
            to.label()
        );
    }
}

#[test]
fn no_two_boxes_share_a_place() {
    let mut seen = HashSet::new();
    for node in nodes() {
        assert!(seen.insert(node.place()), "{}", node.label());
        assert!(
            node.place().1 >= TOP_ROW,
            "{} is above the picture",
            node.label()
        );
    }
}

#[test]
fn help_texts_fit_their_boxes() {
    for node in nodes() {
        let lines = wrap(node.help(), 24);
        assert!(lines.len() <= 3, "{}: {lines:?}", node.label());
        assert!(
            lines.iter().all(|line| line.len() <= 24),
            "{}: {lines:?}",
            node.label()
        );
    }
}

#[test]
fn the_picture_has_every_stage_and_every_edge() {
    let svg = graph_svg();
    for stage in Stage::ALL {
        assert!(svg.contains(&format!("<title>{stage}: ")), "{stage}");
        for next in stage.next().iter().filter(|&&next| next != Stage::Drop) {
            assert!(
                svg.contains(&format!("<title>{stage} to {next}</title>")),
                "{stage} {next}"
            );
        }
    }
    let drops = Stage::ALL
        .iter()
        .filter(|stage| stage.next().contains(&Stage::Drop))
        .count();
    assert_eq!(
        svg.matches('\u{2715}').count(),
        drops + 1,
        "one in the legend"
    );
    assert_eq!(svg.matches("<g>").count(), svg.matches("</g>").count());
}

#[test]
fn text_is_escaped_and_wrapped() {
    assert_eq!(escape("a < b & c > d"), "a &lt; b &amp; c &gt; d");
    assert_eq!(wrap("one two three", 7), ["one two", "three"]);
    assert_eq!(wrap("incomprehensible", 7), ["incomprehensible"]);
}
