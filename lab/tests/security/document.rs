//! The table of `docs/security.md`, made of the attacks.

use super::table::ATTACKS;
use lab::Result;
use std::fmt::Write as _;
use std::path::Path;

const BEGIN: &str = "<!-- The table of attacks: attack, what it tries, counter, seen. -->\n";
const END: &str = "<!-- End of the table of attacks. -->\n";

fn table() -> String {
    let mut text = String::from(BEGIN);
    text.push_str(
        "<!-- Generated from lab/tests/security/table.rs: HEXTET_BLESS=1 cargo test -p lab --test security document -->\n\n\
         | attack | what it tries | counter | seen at the victim |\n|---|---|---|---|\n",
    );
    for attack in ATTACKS {
        let counters: Vec<String> = attack.counters.iter().map(|c| format!("`{c}`")).collect();
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} |",
            attack.name,
            attack.tries,
            counters.join(", "),
            attack.seen
        );
    }
    text.push('\n');
    text.push_str(END);
    text
}

/// What is there is what the table makes; HEXTET_BLESS=1 writes it.
#[test]
fn the_document_has_the_table_of_attacks() -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/security.md");
    let found = std::fs::read_to_string(&path)?;
    let (before, rest) = found
        .split_once(BEGIN)
        .ok_or_else(|| anyhow::anyhow!("docs/security.md has no place for the table"))?;
    let after = rest.split_once(END).map_or(rest, |(_, after)| after);
    let made = format!("{before}{}{after}", table());
    if std::env::var_os("HEXTET_BLESS").is_some() {
        return Ok(std::fs::write(&path, made)?);
    }
    anyhow::ensure!(
        found == made,
        "docs/security.md has another table of attacks; HEXTET_BLESS=1 writes it anew"
    );
    Ok(())
}
