//! What limits 8, 32, 64 workers: the figures of `docs/scaling.md`. Sections may be named: `scaling rss memory`.

use anyhow::{Result, ensure};
use benches::scaling::{self, SECTIONS};
use benches::versus::meter;

fn main() -> Result<()> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    for name in &wanted {
        ensure!(
            SECTIONS.contains(&name.as_str()),
            "`{name}` is none of the sections: {}",
            SECTIONS.join(", ")
        );
    }
    let tsc_ghz = meter::tsc_ghz();
    println!(
        "Scaling: {}, TSC {tsc_ghz:.3} GHz, load average {}",
        meter::cpu_model(),
        meter::load_average()
    );
    scaling::run(&wanted, tsc_ghz)
}
