//! A network card, taken from the kernel.

use std::fs;
use std::path::Path;

use super::{DeviceSpec, Driver, Fault};

/// A PCI device: a NIC or a virtual function of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pci {
    /// Its address, as `0000:03:00.0`.
    pub address: String,
    /// Further options of its driver, `key=value` each.
    pub options: Vec<String>,
}

/// Kernel drivers that hand a device to user space, or share it (Mellanox).
const USABLE: [&str; 5] = [
    "vfio-pci",
    "igb_uio",
    "uio_pci_generic",
    "mlx5_core",
    "mlx4_core",
];

impl Pci {
    fn check_under(&self, devices: &Path) -> Result<(), Fault> {
        let address = || self.address.clone();
        let hex_or_mark = |c: char| c.is_ascii_hexdigit() || matches!(c, ':' | '.');
        let well_formed = self.address.chars().all(hex_or_mark)
            && self.address.matches(':').count() == 2
            && self.address.matches('.').count() == 1;
        if !well_formed {
            return Err(Fault::BadPciAddress { address: address() });
        }
        let device = devices.join(&self.address);
        if !device.exists() {
            return Err(Fault::NoPciDevice { address: address() });
        }
        let link = fs::read_link(device.join("driver")).ok();
        let driver = link
            .as_deref()
            .and_then(Path::file_name)
            .map(|name| name.to_string_lossy().into_owned());
        match driver {
            Some(driver) if USABLE.contains(&driver.as_str()) => Ok(()),
            driver => Err(Fault::PciDriver {
                address: address(),
                driver,
            }),
        }
    }
}

impl Driver for Pci {
    fn label(&self) -> &'static str {
        "pci"
    }

    fn device_name(&self, _unit: u32) -> String {
        self.address.clone()
    }

    fn arguments(&self, _spec: &DeviceSpec) -> Vec<String> {
        self.options.clone()
    }

    fn check(&self, _spec: &DeviceSpec, _hugepages: bool) -> Result<(), Fault> {
        self.check_under(Path::new("/sys/bus/pci/devices"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_must_exist_and_be_given_to_user_space() {
        let sys = tempfile::tempdir().unwrap();
        let device = sys.path().join("0000:03:00.0");
        let pci = |address: &str| Pci {
            address: address.to_owned(),
            options: Vec::new(),
        };
        let check = |p: &Pci| p.check_under(sys.path()).map_err(|fault| fault.to_string());

        assert!(
            check(&pci("net_tap0"))
                .unwrap_err()
                .contains("is not a PCI address")
        );
        assert!(
            check(&pci("0000:03:00.0"))
                .unwrap_err()
                .contains("there is no PCI device")
        );
        fs::create_dir(&device).unwrap();
        assert!(
            check(&pci("0000:03:00.0"))
                .unwrap_err()
                .contains("bound to no driver")
        );
        std::os::unix::fs::symlink("/x/drivers/ixgbe", device.join("driver")).unwrap();
        let text = check(&pci("0000:03:00.0")).unwrap_err();
        assert!(text.contains("bound to ixgbe") && text.contains("--bind=vfio-pci 0000:03:00.0"));
        fs::remove_file(device.join("driver")).unwrap();
        std::os::unix::fs::symlink("/x/drivers/vfio-pci", device.join("driver")).unwrap();
        assert_eq!(check(&pci("0000:03:00.0")), Ok(()));
    }
}
