//! The documents that are made from the code: `docs/graph.svg` from the graph, `docs/drops.md` from the drop reasons.
//!
//! A test compares the committed files with what these functions return; `HEXTET_BLESS=1` makes it rewrite them.

use crate::drop::{DropReason, Severity};
use crate::graph::Stage;

#[cfg(test)]
mod tests;

/// A box of the picture: a stage, or a part of the worker around the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    Rx,
    Classify,
    Lane,
    Backlog,
    Stage(Stage),
}

use Node::{Backlog, Classify, Lane, Rx};

/// Parts of the worker that are no stages.
const AROUND: [Node; 4] = [Rx, Classify, Lane, Backlog];

/// Edges outside the stages' own.
const AROUND_EDGES: [(Node, Node); 10] = [
    (Rx, Classify),
    (Classify, Lane),
    (Classify, Node::Stage(Stage::Admit)),
    (Classify, Node::Stage(Stage::Parse)),
    (Classify, Node::Stage(Stage::Switch)),
    (Lane, Node::Stage(Stage::Parse)),
    (Lane, Node::Stage(Stage::Tx)),
    (Backlog, Node::Stage(Stage::Switch)),
    (Backlog, Node::Stage(Stage::Route)),
    (Backlog, Node::Stage(Stage::Rewrite)),
];

/// Stages that make or release packets, which enter the graph again by the backlog.
const FEEDS_BACKLOG: [Stage; 5] = [
    Stage::Redirect,
    Stage::Local,
    Stage::Hold,
    Stage::Fragment,
    Stage::IcmpError,
];

impl Node {
    fn label(self) -> &'static str {
        match self {
            Rx => "rx",
            Classify => "classify",
            Lane => "lane",
            Backlog => "backlog",
            Node::Stage(stage) => stage.label(),
        }
    }

    fn help(self) -> &'static str {
        match self {
            Rx => "takes a burst from a device's queue",
            Classify => "which packets of the burst are plain",
            Lane => "route and rewrite for plain packets, in one sweep",
            Backlog => "packets made here or released, next frame",
            Node::Stage(stage) => stage.help(),
        }
    }

    /// Column and row of the box. A new stage does not compile until it has its place; a test finds boxes on top of
    /// each other and lines through boxes.
    const fn place(self) -> (i32, i32) {
        match self {
            Rx => (0, 0),
            Classify => (1, 0),
            Lane => (2, -4),
            Backlog => (3, 4),
            Node::Stage(stage) => match stage {
                Stage::Admit => (1, 4),
                Stage::Switch => (2, 5),
                Stage::Parse => (2, 0),
                Stage::Urpf => (3, -1),
                Stage::Route => (4, 0),
                Stage::Redirect => (5, -1),
                Stage::Hold => (5, -3),
                Stage::Local => (5, 1),
                Stage::Fragment => (6, -2),
                Stage::Rewrite => (6, 0),
                Stage::IcmpError => (6, 2),
                Stage::Punt => (6, 3),
                Stage::Flood => (7, 6),
                Stage::Egress => (8, 5),
                Stage::Encap => (8, 1),
                Stage::Deliver => (9, 1),
                Stage::Tx => (9, 0),
                Stage::Drop => (9, 3),
            },
        }
    }
}

const PITCH_X: i32 = 200;
const PITCH_Y: i32 = 88;
const WIDTH: i32 = 148;
const HEIGHT: i32 = 66;
const MARGIN: i32 = 16;
const TOP_ROW: i32 = -4;
const CORNER: i32 = 12;

/// A box's rectangle: left, top, right, bottom.
fn rectangle(node: Node) -> (i32, i32, i32, i32) {
    let (column, row) = node.place();
    let left = MARGIN + column * PITCH_X;
    let top = MARGIN + (row - TOP_ROW) * PITCH_Y;
    (left, top, left + WIDTH, top + HEIGHT)
}

/// Every edge that is drawn as a line. Each stage may drop: that is a mark on its box, not twelve lines to one corner.
fn edges() -> impl Iterator<Item = (Node, Node)> {
    let stages = Stage::ALL.iter().flat_map(|&from| {
        from.next()
            .iter()
            .map(move |&to| (Node::Stage(from), Node::Stage(to)))
    });
    AROUND_EDGES
        .into_iter()
        .chain(stages.filter(|&(_, to)| to != Node::Stage(Stage::Drop)))
}

fn nodes() -> impl Iterator<Item = Node> {
    AROUND
        .into_iter()
        .chain(Stage::ALL.iter().map(|&stage| Node::Stage(stage)))
}

type Point = (i32, i32);

/// The ways a line may take from one box to another, simplest first: across, out of the top or bottom and along the
/// target's row, or along the source's row and into the target from the gap before it.
fn candidates(from: Node, to: Node) -> Vec<Vec<Point>> {
    let ((from_column, from_row), (to_column, to_row)) = (from.place(), to.place());
    let (left, top, right, bottom) = rectangle(from);
    let (to_left, to_top, to_right, to_bottom) = rectangle(to);
    let (middle, to_middle) = ((top + bottom) / 2, (to_top + to_bottom) / 2);
    let (near, far) = if to_row > from_row {
        (bottom, to_top)
    } else {
        (top, to_bottom)
    };
    if from_column == to_column {
        return vec![vec![
            ((left + right) / 2, near),
            ((to_left + to_right) / 2, far),
        ]];
    }
    if from_row == to_row {
        return vec![vec![(right, middle), (to_left, to_middle)]];
    }
    let gap = to_left - (PITCH_X - WIDTH) / 2;
    let center = (left + right) / 2;
    let along_source = vec![
        (right, middle),
        (gap, middle),
        (gap, to_middle),
        (to_left, to_middle),
    ];
    let along_target = vec![(center, near), (center, to_middle), (to_left, to_middle)];
    if to_column == from_column + 1 {
        vec![along_source, along_target]
    } else {
        vec![along_target, along_source]
    }
}

/// Whether a line (of horizontal and vertical pieces) touches a box other than its ends.
fn crosses_box(line: &[Point], from: Node, to: Node) -> bool {
    nodes()
        .filter(|&node| node != from && node != to)
        .any(|node| {
            let (left, top, right, bottom) = rectangle(node);
            line.windows(2).any(|piece| {
                let ((x1, y1), (x2, y2)) = (piece[0], piece[1]);
                x1.max(x2) >= left
                    && x1.min(x2) <= right
                    && y1.max(y2) >= top
                    && y1.min(y2) <= bottom
            })
        })
}

/// The line of an edge: the first way that crosses no box.
fn route(from: Node, to: Node) -> Option<Vec<Point>> {
    candidates(from, to)
        .into_iter()
        .find(|line| !crosses_box(line, from, to))
}

/// An SVG path through the points, its corners rounded.
fn path(points: &[Point]) -> String {
    let toward = |from: Point, to: Point, distance: i32| {
        let length = (to.0 - from.0).abs().max((to.1 - from.1).abs()).max(1);
        let step = distance.min(length / 2);
        (
            from.0 + (to.0 - from.0).signum() * step,
            from.1 + (to.1 - from.1).signum() * step,
        )
    };
    let mut out = String::new();
    for (i, &(x, y)) in points.iter().enumerate() {
        match (
            i.checked_sub(1).and_then(|before| points.get(before)),
            points.get(i + 1),
        ) {
            (None, _) => out += &format!("M{x} {y}"),
            (Some(&before), Some(&after)) => {
                let ((x1, y1), (x2, y2)) = (
                    toward((x, y), before, CORNER),
                    toward((x, y), after, CORNER),
                );
                out += &format!(" L{x1} {y1} Q{x} {y} {x2} {y2}");
            }
            (Some(_), None) => out += &format!(" L{x} {y}"),
        }
    }
    out
}

/// Breaks a text into lines of at most `width` characters (a longer word stands alone).
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

const STYLE: &str = "\
text{font:11px sans-serif;fill:#555}.name{font:bold 13px sans-serif;fill:#111}\
rect{fill:#fff;stroke:#444;stroke-width:1.2}.around{fill:#f1f1f1}.plain{stroke:#1a6}.end{fill:#fbeaea}\
path{fill:none;stroke:#777;stroke-width:1.2;marker-end:url(#arrow)}.mark{fill:#b33}.again{fill:#1a6}";

/// `docs/graph.svg`: the stages, what surrounds them, and every edge.
pub fn graph_svg() -> String {
    let (mut width, mut height) = (0, 0);
    for node in nodes() {
        let (_, _, right, bottom) = rectangle(node);
        (width, height) = (width.max(right + MARGIN), height.max(bottom + MARGIN));
    }
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         width=\"{width}\" height=\"{height}\" role=\"img\">\n\
         <title>The packet path: stages and where each may send a packet</title>\n\
         <!-- Made from dataplane/src/graph.rs; HEXTET_BLESS=1 cargo test -p dataplane renews it. -->\n\
         <style>{STYLE}</style>\n\
         <defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"7\" \
         markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" \
         style=\"fill:#777;stroke:none;marker-end:none\"/></marker></defs>\n\
         <rect x=\"0\" y=\"0\" width=\"{width}\" height=\"{height}\" style=\"stroke:none\"/>\n"
    );
    for (from, to) in edges() {
        let Some(line) = route(from, to) else {
            unreachable!("a test finds a way for the line of every edge");
        };
        let (from, to) = (from.label(), to.label());
        out += &format!(
            "<path d=\"{}\"><title>{from} to {to}</title></path>\n",
            path(&line)
        );
    }
    for node in nodes() {
        draw_box(&mut out, node);
    }
    draw_legend(&mut out, height);
    out += "</svg>\n";
    out
}

fn draw_box(out: &mut String, node: Node) {
    let (left, top, right, bottom) = rectangle(node);
    let class = match node {
        Lane => "plain",
        Rx | Classify | Backlog => "around",
        Node::Stage(Stage::Drop) => "end",
        Node::Stage(_) => "stage",
    };
    let (x, label, help) = (left + 8, node.label(), escape(node.help()));
    *out += &format!(
        "<g><title>{label}: {help}</title>\n\
         <rect class=\"{class}\" x=\"{left}\" y=\"{top}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"5\"/>\n\
         <text class=\"name\" x=\"{x}\" y=\"{}\">{label}</text>\n",
        top + 18
    );
    for (i, line) in wrap(node.help(), 24).iter().enumerate() {
        let y = top + 33 + 12 * i as i32;
        *out += &format!("<text x=\"{x}\" y=\"{y}\">{}</text>\n", escape(line));
    }
    if let Node::Stage(stage) = node {
        let y = top + 17;
        if stage.next().contains(&Stage::Drop) {
            *out += &format!(
                "<text class=\"mark\" x=\"{}\" y=\"{y}\">\u{2715}</text>\n",
                right - 16
            );
        }
        if FEEDS_BACKLOG.contains(&stage) {
            *out += &format!(
                "<text class=\"again\" x=\"{}\" y=\"{y}\">\u{21bb}</text>\n",
                right - 32
            );
        }
    }
    debug_assert!(bottom - top == HEIGHT);
    *out += "</g>\n";
}

fn draw_legend(out: &mut String, height: i32) {
    let lines = [
        (
            "mark",
            "\u{2715}",
            "may drop, under a named reason (docs/drops.md)",
        ),
        (
            "again",
            "\u{21bb}",
            "makes or releases packets: they enter again by the backlog",
        ),
    ];
    for (i, (class, mark, text)) in lines.into_iter().enumerate() {
        let y = height - MARGIN - 20 + 18 * i as i32;
        *out += &format!(
            "<text class=\"{class}\" x=\"{MARGIN}\" y=\"{y}\">{mark}</text>\
             <text x=\"{}\" y=\"{y}\">{text}</text>\n",
            MARGIN + 18
        );
    }
}

/// `docs/drops.md`: every drop reason.
pub fn drops_md() -> String {
    let mut out = String::from(
        "# Why a packet is dropped\n\n\
         Every packet that goes no further is counted under one of these reasons: the same word is the `reason` label\n\
         of the metric, the row of `hextetctl show drops`, the verdict in a trace and the comment in a capture.\n\n\
         **Severity** tells how to read a rising counter: *normal* is part of life, *sender* means that someone sends\n\
         malformed or forbidden packets, *router* that this router lacks something.\n\n\
         <!-- Made from dataplane/src/drop.rs; HEXTET_BLESS=1 cargo test -p dataplane renews it. -->\n\n\
         | reason | severity | what happened |\n|---|---|---|\n",
    );
    for &reason in DropReason::ALL {
        let severity = match reason.severity() {
            Severity::Normal => "normal",
            Severity::Sender => "sender",
            Severity::Router => "router",
        };
        out += &format!("| `{reason}` | {severity} | {} |\n", reason.help());
    }
    out
}
