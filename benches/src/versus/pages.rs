//! 2 MiB pages for the contestants.

use anyhow::{Context, Result};

/// Reserved pages, and `/dev/hugepages` mounted. The number found is put back, and the mount undone, at the end.
#[derive(Debug)]
pub struct HugePages {
    before: String,
    mounted: bool,
}

const NR_HUGEPAGES: &str = "/proc/sys/vm/nr_hugepages";

impl HugePages {
    /// Reserves as many pages; fewer are reported, not an error: the contestant that lacks them says so.
    ///
    /// # Errors
    /// When the kernel has none, or this is not root.
    pub fn reserve(pages: u64) -> Result<Self> {
        let before =
            std::fs::read_to_string(NR_HUGEPAGES).context("no hugepages in this kernel")?;
        if before.trim().parse::<u64>().unwrap_or(0) < pages {
            std::fs::write(NR_HUGEPAGES, pages.to_string())
                .context("reserving hugepages needs root")?;
            let found = std::fs::read_to_string(NR_HUGEPAGES)?;
            if found.trim().parse::<u64>().unwrap_or(0) < pages {
                println!("only {} of {pages} hugepages could be had", found.trim());
            }
        }
        let mounted = !std::fs::read_to_string("/proc/mounts")?.contains(" hugetlbfs ");
        if mounted {
            std::fs::create_dir_all("/dev/hugepages")?;
            nix::mount::mount(
                Some("nodev"),
                "/dev/hugepages",
                Some("hugetlbfs"),
                nix::mount::MsFlags::empty(),
                None::<&str>,
            )?;
        }
        Ok(Self { before, mounted })
    }
}

impl Drop for HugePages {
    fn drop(&mut self) {
        if self.mounted {
            let _ = nix::mount::umount("/dev/hugepages");
        }
        let _ = std::fs::write(NR_HUGEPAGES, &self.before);
    }
}
