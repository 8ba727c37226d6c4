//! `docs/configuration.md`, made from the schema.

use std::fmt::Write;
use std::path::Path;

use super::schema::SECTIONS;

const HEAD: &str = "\
# Configuration

<!-- Generated from control/src/config/schema/: HEXTET_BLESS=1 cargo test -p control config::doc -->

One TOML file holds everything. `hextetd check FILE` names all its faults at once, each with file, line, column and
field; warnings name what is legal and doubtful. `hextetctl reload` applies the difference to the running router; a
file with a fault, or with a change that needs a restart, changes nothing. `configs/hextetd.toml` is a sample.

An unknown key is a fault. A *duration* is a number in the unit that its key names, or a string such as `\"500ms\"`,
`\"90s\"`, `\"5m\"`, `\"2h\"` or `\"30d\"`. A *lifetime* is a duration, `\"infinity\"`, or a date to count down to, such as
`2036-01-31T00:00:00Z`.
";

/// The page.
fn page() -> String {
    let mut page = HEAD.to_owned();
    for section in SECTIONS {
        write!(
            page,
            "\n## {}\n\n{}\n",
            escape_header(section.header),
            section.help
        )
        .expect("a string takes all");
        if section.keys.is_empty() {
            continue;
        }
        page += "\n| key | type | default | meaning |\n|---|---|---|---|\n";
        for key in section.keys {
            let default = if key.default.is_empty() {
                "**required**"
            } else {
                key.default
            };
            let row = format!(
                "| `{}` | {} | {} | {} |",
                key.name, key.kind, default, key.help
            );
            page += &row;
            page.push('\n');
        }
    }
    page
}

/// A table's header as code, and other headers as they are.
fn escape_header(header: &str) -> String {
    if header.starts_with('(') {
        header.to_owned()
    } else {
        format!("`{header}`")
    }
}

#[test]
fn the_page_is_what_the_schema_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    crate::blessed::compare(&path, &page());
}

#[test]
fn every_section_and_key_is_in_words() {
    for section in SECTIONS {
        assert!(section.help.ends_with('.'), "{}", section.header);
        for key in section.keys {
            let whole = key.help.ends_with('.') && !key.kind.is_empty();
            assert!(whole, "{} {}", section.header, key.name);
            let cells = [key.kind, key.default, key.help];
            assert!(
                cells.iter().all(|cell| !cell.contains('|')),
                "{} breaks the table",
                key.name
            );
        }
    }
}
