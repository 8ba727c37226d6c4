//! Virtual machines: QEMU with a small Linux guest whose NIC is on a vhost-user socket.
//!
//! `tools/guest.sh` makes kernel and initramfs once, in the target directory. QEMU interprets (TCG) and runs in a
//! namespace of its own, with no other network. A guest has a shell on a serial line, through which [`Vm::ok`] speaks:
//! busybox, `ip`, `ethtool` and `dhclient` are there. It forgets everything when it is started anew.

use std::cell::{Cell, RefCell};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use nix::sys::signal::Signal;

use crate::process::Output;
use crate::{Daemon, Host, Lab, Node, Result, ping_received, wait_for};

/// How long a guest may take to boot on a busy machine; it needs four seconds on an idle one.
const BOOT: Duration = Duration::from_secs(120);
/// How long a command in a guest may take.
const COMMAND: Duration = Duration::from_secs(90);
/// What the guest's init says on the console when the shell listens.
const UP: &str = "GUEST-UP";

/// The NIC of a virtual machine.
#[derive(Clone, Debug)]
pub struct Nic {
    /// The vhost-user socket.
    pub socket: PathBuf,
    /// QEMU makes the socket and waits for the router; else it connects, again and again.
    pub listens: bool,
    /// Pairs of queues.
    pub queues: u16,
    /// MAC address.
    pub mac: &'static str,
}

impl Nic {
    /// QEMU's options. Its machine must have a shared memory.
    pub fn options(&self) -> String {
        let Self {
            socket,
            listens,
            queues,
            mac,
        } = self;
        let role = match listens {
            true => "server=on",
            false => "reconnect=1",
        };
        // One vector for each queue, one for changes of the configuration, one for the control queue.
        let multiqueue = match queues {
            1 => String::new(),
            _ => format!(",mq=on,vectors={}", 2 * queues + 2),
        };
        format!(
            "-chardev socket,id=port,path={},{role} -netdev vhost-user,id=net,chardev=port,queues={queues} \
             -device virtio-net-pci,netdev=net,mac={mac}{multiqueue}",
            socket.display()
        )
    }
}

/// A virtual machine; it is ended when dropped.
#[derive(Debug)]
pub struct Vm {
    host: Host,
    dir: PathBuf,
    nic: Nic,
    running: RefCell<Option<Running>>,
    said: Cell<u32>,
}

#[derive(Debug)]
struct Running {
    qemu: Daemon,
    shell: UnixStream,
}

impl Lab {
    /// Boots a virtual machine; returns when its shell listens. The socket must be there, or the router come to it.
    ///
    /// # Errors
    /// When QEMU or what the guest is made of is not installed, and says how; when the guest does not boot.
    pub fn vm(&self, name: &str, nic: Nic) -> Result<Vm> {
        let host = self.host(name)?;
        let vm = Vm {
            host,
            dir: self.dir().to_owned(),
            nic,
            running: RefCell::new(None),
            said: Cell::new(0),
        };
        vm.boot()?;
        Ok(vm)
    }
}

impl Vm {
    /// Boots it.
    ///
    /// # Errors
    /// When QEMU does not start or the guest is not up in time; what both said is in the message.
    pub fn boot(&self) -> Result<()> {
        let guest = guest()?;
        let file = |kind: &str| self.dir.join(format!("{}.{kind}", self.host.netns()));
        let (console, serial) = (file("console"), file("serial"));
        for old in [&console, &serial] {
            let _ = std::fs::remove_file(old);
        }
        let mut qemu = Daemon::spawn(
            &format!(
                "ip netns exec {netns} qemu-system-x86_64 -no-user-config -nodefaults -no-reboot -display none \
                 -machine q35,memory-backend=memory -accel tcg,thread=multi -cpu max -smp 2 -m 192 \
                 -object memory-backend-memfd,id=memory,size=192M,share=on \
                 -kernel {guest}/vmlinuz -initrd {guest}/initramfs \
                 -append 'console=ttyS0 quiet panic=1 mitigations=off audit=0' \
                 -serial file:{console} -serial unix:{serial},server=on,wait=off {nic}",
                netns = self.host.netns(),
                guest = guest.display(),
                console = console.display(),
                serial = serial.display(),
                nic = self.nic.options(),
            ),
            &file("log"),
        )?;
        // One connection for a life: what a serial line says to nobody is lost.
        let mut shell = None;
        let up = wait_for(BOOT, "the guest to be up", || {
            if !qemu.is_running() {
                return Some(false);
            }
            if shell.is_none() {
                shell = UnixStream::connect(&serial).ok();
            }
            (shell.is_some() && text(&console).contains(UP)).then_some(true)
        });
        let said = || {
            format!(
                "QEMU said:\n{}\nthe guest:\n{}",
                text(&file("log")),
                text(&console)
            )
        };
        match (up, shell) {
            (Ok(true), Some(shell)) => {
                shell.set_read_timeout(Some(Duration::from_millis(200)))?;
                *self.running.borrow_mut() = Some(Running { qemu, shell });
                Ok(())
            }
            (Err(error), _) => Err(error.context(said())),
            _ => bail!("QEMU ended at once; {}", said()),
        }
    }

    /// Ends QEMU as a host's failure does: by SIGKILL.
    ///
    /// # Errors
    /// When it is not running.
    pub fn kill(&self) -> Result<()> {
        let Some(mut running) = self.running.borrow_mut().take() else {
            bail!("the virtual machine is not running")
        };
        running.qemu.signal(Signal::SIGKILL)?;
        running.qemu.wait(Duration::from_secs(10)).map(drop)
    }

    /// Runs a line of shell commands in the guest that must succeed; gives what it wrote, errors too.
    ///
    /// # Errors
    /// When it fails or takes too long.
    pub fn ok(&self, line: &str) -> Result<String> {
        let (status, text) = self.run(line)?;
        ensure!(
            status == 0,
            "`{line}` failed in the guest ({status}):\n{text}"
        );
        Ok(text)
    }

    /// Runs a line of shell commands in the guest: its exit status, and what it wrote.
    ///
    /// # Errors
    /// When it takes too long.
    pub fn run(&self, line: &str) -> Result<(i32, String)> {
        ensure!(!line.contains('\n'), "the guest's shell takes single lines");
        let mut running = self.running.borrow_mut();
        let running = running
            .as_mut()
            .context("the virtual machine is not running")?;
        self.said.set(self.said.get() + 1);
        let mark = format!("@{}=", self.said.get());
        let command = format!("({line}) </dev/null 2>&1; echo \"{mark}$?\"\n");
        running.shell.write_all(command.as_bytes())?;
        let (mut heard, end) = (Vec::new(), Instant::now() + COMMAND);
        let mut bytes = [0; 4096];
        loop {
            match running.shell.read(&mut bytes) {
                Ok(0) => bail!("the guest is gone; `{line}` had said:\n{}", lossy(&heard)),
                Ok(n) => heard.extend_from_slice(&bytes[..n]),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(e) => return Err(e).context("the guest's serial line"),
            }
            let text = lossy(&heard);
            if let Some((text, status)) = text.split_once(&mark)
                && let Some(status) = status.strip_suffix('\n')
            {
                return Ok((status.trim().parse()?, text.to_owned()));
            }
            if end <= Instant::now() {
                bail!("`{line}` has not ended in the guest after {COMMAND:?}; it said:\n{text}");
            }
        }
    }

    /// A global address of the guest's NIC that begins so, once it can be used.
    ///
    /// # Errors
    /// When there is none within 20 s.
    pub fn wait_address(&self, prefix: &str) -> Result<String> {
        let what = format!("an address in {prefix} in the guest");
        wait_for(Duration::from_secs(20), &what, || {
            let shown = self.ok("ip -o addr show dev eth0 scope global").ok()?;
            let usable = shown.lines().filter(|line| !line.contains("tentative"));
            let mut addresses = usable.filter_map(|line| line.split_whitespace().nth(3));
            let found = addresses.find(|address| address.starts_with(prefix))?;
            found.split('/').next().map(str::to_owned)
        })
    }

    /// Pings from the guest; gives the number of answers.
    ///
    /// # Errors
    /// When the guest does not answer.
    pub fn ping(&self, to: &str, count: u32) -> Result<u32> {
        let (_, said) = self.run(&format!("ping -c {count} -i 0.2 -W 2 {to}"))?;
        Ok(ping_received(
            &said.replace(" packets received", " received"),
        ))
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        // A QEMU that is asked to end may wait for the router.
        let _ = self.kill();
    }
}

/// The directory with the guest's kernel and initramfs, made if need be.
fn guest() -> Result<PathBuf> {
    let qemu = Command::new("qemu-system-x86_64").arg("--version").output();
    ensure!(
        qemu.is_ok_and(|output| output.status.success()),
        "qemu-system-x86_64 does not run: install it with `tools/setup.sh vm`"
    );
    let exe = std::env::current_exe()?;
    // target/debug/deps/test
    let target = exe.ancestors().nth(3).context("no target directory")?;
    let dir = target.join("guest");
    let maker = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools/guest.sh");
    let made = Command::new(&maker).arg(&dir).output();
    let made = made.with_context(|| format!("cannot run {}", maker.display()))?;
    let output = Output {
        command: format!("{} {}", maker.display(), dir.display()),
        status: made.status,
        stdout: lossy(&made.stdout),
        stderr: lossy(&made.stderr),
    };
    output.ok().context("making the guest")?;
    Ok(dir)
}

fn text(path: &Path) -> String {
    std::fs::read(path).map_or_else(|_| String::new(), |bytes| lossy(&bytes))
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
