//! docs/cli.md is the help of every command.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use clap::CommandFactory;

fn describe(page: &mut String, command: &mut clap::Command, name: &str, depth: usize) {
    let level = "#".repeat(depth.min(4) + 1);
    if depth > 0 {
        writeln!(page, "{level} {name}\n").unwrap();
    }
    let help = command.render_help().to_string();
    let help: Vec<&str> = help.lines().map(str::trim_end).collect();
    writeln!(page, "```text\n{}\n```\n", help.join("\n").trim_end()).unwrap();
    for sub in command.get_subcommands_mut() {
        if sub.get_name() == "help" {
            continue;
        }
        let name = format!("{name} {}", sub.get_name());
        describe(page, sub, &name, depth + 1);
    }
}

#[test]
fn the_documentation_is_the_help() {
    let mut page = String::from(
        "# hextetctl\n\n\
         Looks at a running router and changes its routes and neighbours, over the API (api.md). Generated from the \
         command line's own help; `HEXTET_BLESS=1 cargo test -p cli` writes it anew.\n\n",
    );
    let mut command = cli::args::Cli::command().disable_help_subcommand(true);
    command.build();
    describe(&mut page, &mut command, "hextetctl", 0);
    let page = format!("{}\n", page.trim_end());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cli.md");
    if std::env::var_os("HEXTET_BLESS").is_some() {
        return fs::write(path, page).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == page,
        "docs/cli.md is not the help; HEXTET_BLESS=1 writes it anew"
    );
}
