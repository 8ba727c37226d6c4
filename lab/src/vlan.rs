//! Hosts in a VLAN, on kernels that have no 802.1Q devices: a program at the host's end of the wire tags what leaves, and
//! lets in what bears the tag.

use crate::{Host, Result, run};

/// The program; `VID` is the VLAN.
const TAG: &str = include_str!("vlan/tag.bpf.c");

impl Host {
    /// Puts a device of the host into a VLAN: all its frames bear the tag, and no others are heard.
    ///
    /// # Errors
    /// When the program cannot be compiled or loaded.
    pub fn tag(&self, dev: &str, vid: u16) -> Result<()> {
        let source = self.file(&format!("{dev}-{vid}.c"));
        let object = source.with_extension("o");
        std::fs::write(&source, TAG)?;
        let (source, object) = (source.display(), object.display());
        let include = "-I/usr/include/x86_64-linux-gnu";
        run(&format!(
            "clang -O2 -target bpf {include} -DVID={vid} -c {source} -o {object}"
        ))?
        .ok()?;
        self.ok(&format!("tc qdisc add dev {dev} clsact"))?;
        for (way, section) in [("egress", "push"), ("ingress", "pop")] {
            self.ok(&format!(
                "tc filter add dev {dev} {way} bpf da obj {object} sec {section}"
            ))?;
        }
        Ok(())
    }
}
