//! The real `hextetctl` against the real API server with an appliance of samples.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use api::{LeaseFormat, sample};
use control::api::Socket;
use control::api::fake::Fake;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

/// A server on a thread of its own, stopped when dropped.
struct Server {
    directory: tempfile::TempDir,
    fake: Arc<Fake>,
    stop: CancellationToken,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let fake = Arc::new(Fake::default());
        let stop = CancellationToken::new();
        let path = directory.path().join("api.sock");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let socket = runtime.block_on(Socket::bind(&path)).unwrap();
        let served = socket.serve(Arc::clone(&fake), stop.clone());
        let thread = std::thread::spawn(move || runtime.block_on(served).unwrap());
        Self {
            directory,
            fake,
            stop,
            thread: Some(thread),
        }
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("api.sock")
    }

    fn command(&self, line: &str) -> Command {
        let mut command = hextetctl(line);
        command.env("HEXTET_SOCKET", self.socket());
        command
    }

    fn run(&self, line: &str) -> Output {
        self.command(line).output().unwrap()
    }

    /// What a command prints; it must succeed and have nothing to complain about.
    fn ok(&self, line: &str) -> String {
        let output = self.run(line);
        assert!(output.status.success(), "{line}: {output:?}");
        assert!(output.stderr.is_empty(), "{line}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn hextetctl(line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hextetctl"));
    command
        .args(line.split_whitespace())
        .env_remove("HEXTET_SOCKET");
    command
}

/// What a command complains, and its exit code.
fn complaint(output: &Output) -> (i32, String) {
    (
        output.status.code().unwrap(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

fn json(value: impl serde::Serialize) -> Value {
    serde_json::to_value(value).unwrap()
}

/// Compares with a file of cli/tests/snapshots; HEXTET_BLESS=1 writes it.
fn snapshot(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/snapshots")
        .join(name);
    if std::env::var_os("HEXTET_BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        return fs::write(path, text).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == text,
        "{} holds\n{found}\nbut this came\n{text}",
        path.display()
    );
}

#[test]
fn every_table() {
    let server = Server::start();
    for line in [
        "show status",
        "show devices",
        "show devices wan",
        "show interfaces",
        "show addresses",
        "show routes",
        "show neighbors",
        "show ra",
        "show ra lan0",
        "show leases",
        "show pd",
        "show delegations",
        "show pools",
        "show relays",
        "show vrrp",
        "show sync",
        "show bfd",
        "show dhcp-client",
        "show ports",
        "show guards",
        "show port-bindings",
        "show security-groups",
        "show flows",
        "why-dropped vm1",
        "show workers",
        "show drops",
        "show counters",
        "show accounting",
        "route explain 2001:db8:9::42",
        "monitor",
        "trace --count 2",
        "reload",
    ] {
        let text = server.ok(line);
        assert!(
            !text.contains('\x1b'),
            "{line}: colour, and nobody there to see it"
        );
        assert!(
            text.lines().all(|text| text == text.trim_end()),
            "{line}: blanks at a line's end"
        );
        snapshot(&format!("{}.txt", line.replace([' ', ':'], "-")), &text);
    }
}

#[test]
fn json_is_the_servers_own() {
    let server = Server::start();
    for (line, value) in [
        ("show status --json", json(sample::status())),
        ("--json show devices", json(sample::devices())),
        ("show devices wan --json", json(&sample::devices()[1..])),
        ("show interfaces --json", json(sample::interfaces())),
        ("show routes --json", json(sample::routes())),
        (
            "show routes --router blue --json",
            json(&sample::routes()[5..]),
        ),
        (
            "show routes 2001:db8:1::/48 --json",
            json(&sample::routes()[..2]),
        ),
        (
            "show route explain 2001:db8:9::42 --json",
            json(sample::explain()),
        ),
        ("show neighbors --json", json(sample::neighbors())),
        ("show ra --json", json(sample::ra())),
        ("show ra lan0 --json", json(sample::ra())),
        ("show leases --json", json(sample::leases())),
        (
            "show leases --kind prefix --json",
            json(&sample::leases()[2..]),
        ),
        ("show leases --limit 1 --json", json(&sample::leases()[..1])),
        (
            "show leases 2001:db8:1::1010 --json",
            json(&sample::leases()[1..2]),
        ),
        ("show delegations --json", json(sample::delegations())),
        ("show pools --json", json(sample::pools())),
        ("show relays --json", json(sample::relays())),
        ("show vrrp --json", json(sample::virtual_routers())),
        ("show sync --json", json(sample::syncs())),
        ("show bfd --json", json(sample::bfd_sessions())),
        ("show dhcp-client --json", json(sample::dhcp_clients())),
        ("show ports --json", json(sample::ports())),
        ("show guards --json", json(sample::ports())),
        ("show guards vm2 --json", json(&sample::ports()[1..])),
        ("show port-bindings --json", json(sample::port_bindings())),
        (
            "show port-bindings vm1 --limit 1 --json",
            json(&sample::port_bindings()[1..2]),
        ),
        (
            "show bindings --port vm1 --json",
            json(&sample::port_bindings()[1..]),
        ),
        (
            "show security-groups --json",
            json(sample::security_groups()),
        ),
        (
            "show security-groups web --json",
            json(sample::security_groups()),
        ),
        ("show flows --json", json(sample::flows())),
        ("show flows --port vm2 --json", json([(); 0])),
        ("why-dropped vm1 --json", json(sample::denied())),
        ("show workers --json", json(sample::workers())),
        ("show drops --json", json(sample::drops())),
        ("show counters --json", json(sample::counters())),
        ("show accounting --json", json(sample::accounting())),
        ("reload --json", json(sample::reload())),
        ("monitor --count 1 --json", json(&sample::events()[0])),
        ("trace --count 1 --json", json(&sample::trace()[0])),
    ] {
        let text = server.ok(line);
        assert_eq!(
            serde_json::from_str::<Value>(&text).unwrap(),
            value,
            "{line}"
        );
        assert!(
            text.ends_with('\n') && text.lines().count() == 1,
            "{line}: {text}"
        );
    }
    assert_eq!(
        server
            .ok("show addresses --json")
            .matches("\"interface\"")
            .count(),
        7
    );
}

#[test]
fn routes_come_and_go() {
    let server = Server::start();
    let add = "route add 2001:db8:7::/48 via fe80::7 dev lan0 weight 2 via 2001:db8:1::9";
    assert_eq!(server.ok(add), "1 added\n");
    assert_eq!(server.ok(add), "1 replaced\n");
    let route = server.fake.routes_now().pop().unwrap();
    assert_eq!(route.prefix.to_string(), "2001:db8:7::/48");
    assert_eq!(route.next_hops[0].interface.as_deref(), Some("lan0"));
    assert_eq!(
        route
            .next_hops
            .iter()
            .map(|hop| hop.weight)
            .collect::<Vec<_>>(),
        [2, 1]
    );
    assert_eq!(server.ok("route del 2001:db8:7::/48"), "1 deleted\n");
    assert_eq!(
        server.ok("route add 192.0.2.0/24 prohibit router blue"),
        "1 added\n"
    );
    assert_eq!(server.fake.routes_now().pop().unwrap().router, "blue");
    assert_eq!(
        server.fake.routes_now().len(),
        api::sample::routes().len() + 1
    );
}

#[test]
fn neighbours_are_flushed() {
    let server = Server::start();
    assert_eq!(server.ok("neigh flush"), "3 forgotten\n");
    assert_eq!(
        server.ok("neigh flush --interface lan0 fe80::1"),
        "1 forgotten\n"
    );
    assert!(
        server
            .ok("show neighbors --interface wan0")
            .contains("no neighbours")
    );
}

#[test]
fn an_uplink_takes_orders() {
    let server = Server::start();
    assert_eq!(server.ok("dhcp-client renew wan0"), "");
    assert_eq!(server.ok("dhcp-client release wan0"), "");
}

#[test]
fn leases_are_given_and_ended() {
    let server = Server::start();
    assert_eq!(
        server.ok("lease add 2001:db8:1::1001 --client 0003 --iaid 1 --valid 60"),
        "1 added\n"
    );
    assert_eq!(server.ok("lease release 2001:db8:1::1000"), "1 released\n");
    assert!(server.ok("show leases --pool nope").contains("no leases"));
}

#[test]
fn leases_go_into_a_file_and_come_back_or_every_fault_is_told() {
    let server = Server::start();
    let csv = server.ok("lease export");
    assert_eq!(csv, sample::lease_file(LeaseFormat::Csv));
    let json = sample::lease_file(LeaseFormat::Json);
    assert_eq!(server.ok("leases export --format json --family ipv6"), json);
    assert_eq!(server.ok("lease export --json"), json);

    let file = server.directory.path().join("leases");
    let line = format!("lease import {}", file.display());
    for text in [&csv, json] {
        fs::write(&file, text).unwrap();
        assert_eq!(server.ok(&line), "1 added, 0 replaced, 0 unchanged\n");
    }
    fs::write(
        &file,
        csv.replace("ia_na", "ia_x").replace(",bound,", ",gone,"),
    )
    .unwrap();
    let output = server.run(&line);
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8(output.stdout).unwrap();
    let name = file.display();
    assert!(
        said.contains(&format!("{name}:2: kind: it is one of")),
        "{said}"
    );
    assert!(
        said.contains(&format!("{name}:2: state: it is one of")),
        "{said}"
    );
    let end = String::from_utf8(output.stderr).unwrap();
    assert!(end.contains("has 2 faults; nothing was changed"), "{end}");

    let mut child = server
        .command("lease import - --json")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(csv.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&answer["added"], &answer["faults"]),
        (&1.into(), &Value::Array(vec![]))
    );

    let (code, text) = complaint(&server.run("lease import /nonexistent"));
    assert!(
        code == 4 && text.contains("cannot read /nonexistent"),
        "{text}"
    );
}

#[test]
fn what_the_server_refuses_is_told_with_its_field() {
    let server = Server::start();
    for (line, part) in [
        (
            "route add 2001:db8::1/64 blackhole",
            "prefix: 2001:db8::1/64 has host bits set",
        ),
        (
            "route add ::/0 via fe80::1",
            "next_hops[0].via: fe80::1 is link-local",
        ),
        ("route add ::/0 blackhole", "prefix: ::/0 is a static route"),
        (
            "route del 2001:db8:4::/48",
            "prefix: router main has no route",
        ),
        (
            "show routes --router red",
            "router: there is no router `red`",
        ),
        (
            "neigh flush --interface nope",
            "interface: there is no `nope`",
        ),
        ("dhcp-client renew lan0", "interface: lan0 is no uplink"),
        (
            "lease release 2001:db8::9",
            "resource: there is no lease of 2001:db8::9",
        ),
        ("why-dropped nope", "port: there is no port nope"),
        ("show devices nope", "there is no device `nope`"),
        ("show guards nope", "there is no port `nope`"),
        ("show ra nope", "there is no interface `nope`"),
    ] {
        let (code, text) = complaint(&server.run(line));
        assert_eq!(code, 3, "{line}: {text}");
        assert!(
            text.starts_with("hextetctl: ") && text.contains(part),
            "{line}: {text}"
        );
    }
    assert_eq!(server.fake.routes_now(), api::sample::routes());
}

#[test]
fn a_faulty_configuration_is_shown_like_a_compilers_errors() {
    let server = Server::start();
    server
        .fake
        .reloads
        .lock()
        .unwrap()
        .push(api::sample::reload_refused());
    let output = server.run("reload");
    let (code, text) = complaint(&output);
    assert_eq!(code, 3);
    assert!(text.contains("2 faults; nothing was changed"), "{text}");
    let faults = String::from_utf8(output.stdout).unwrap();
    let first = "fault: /etc/hextet/hextetd.toml:12:7: interfaces.lan0.mtu: 900 is less than";
    assert!(faults.starts_with(first), "{faults}");
    assert!(server.ok("reload --dry-run").contains("dry run"));
}

#[test]
fn a_capture_goes_to_a_file_or_a_pipe() {
    let server = Server::start();
    let expected = api::sample::capture().concat();
    let file = server.directory.path().join("x.pcapng");
    assert_eq!(
        server.ok(&format!(
            "capture --point drop --snaplen 96 -w {}",
            file.display()
        )),
        ""
    );
    assert_eq!(fs::read(&file).unwrap(), expected);
    assert_eq!(
        server.run("capture --interface lan0 --count 3").stdout,
        expected
    );
    assert_eq!(
        *server.fake.watched.lock().unwrap(),
        [
            "capture?point=drop&snaplen=96",
            "capture?interface=lan0&point=all&count=3"
        ]
    );
    let (code, text) = complaint(&server.run("capture -w /nonexistent/x.pcapng"));
    assert_eq!(code, 4);
    assert!(
        text.contains("cannot write /nonexistent/x.pcapng"),
        "{text}"
    );
}

#[test]
fn a_trace_is_shown_as_it_happens() {
    let server = Server::start();
    let line = "trace --interface lan0 --src 2001:db8:1::7/64 --dst 2001:db8::/32 --proto ICMPv6";
    let mut child = server.command(line).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // It has no end, so what is read here was not held back.
    for _ in 0..20 {
        lines.next().unwrap().unwrap();
    }
    assert_eq!(server.fake.traces.load(Ordering::SeqCst), 1);
    child.kill().unwrap();
    child.wait().unwrap();
    let until = Instant::now() + Duration::from_secs(5);
    while server.fake.traces.load(Ordering::SeqCst) > 0 {
        assert!(Instant::now() < until, "the trace outlives its client");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(
        *server.fake.watched.lock().unwrap(),
        ["trace?interface=lan0&src=2001:db8:1::/64&dst=2001:db8::/32&protocol=icmp6"]
    );
}

#[test]
fn a_reader_that_has_enough_is_no_failure() {
    let server = Server::start();
    let mut child = server
        .command("trace")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    // The pipe is closed by now.
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_missing_server_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("none.sock");
    let line = format!("--socket {} show status", socket.display());
    let (code, text) = complaint(&hextetctl(&line).output().unwrap());
    assert_eq!(code, 2);
    assert!(
        text.contains("there is no such socket. Is hextetd running?"),
        "{text}"
    );
    assert!(text.contains(socket.to_str().unwrap()), "{text}");

    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let (code, text) = complaint(&hextetctl(&line).output().unwrap());
    assert_eq!(code, 2);
    assert!(text.contains("nobody listens there"), "{text}");
}

#[test]
fn a_wrong_command_line_is_told_without_a_server() {
    for (line, part) in [
        ("", "Usage: hextetctl"),
        ("shwo", "unrecognized subcommand"),
        ("show routes nowhere", "`nowhere` is no prefix"),
        ("route explain 2001:db8::/32", "is no IPv6 or IPv4 address"),
        (
            "show bindings --port vm1 --network blue",
            "cannot be used with",
        ),
        ("why-dropped", "<PORT>"),
        ("route add ::/0", "a route leads somewhere"),
        ("route add ::/0 vai ::1", "`vai` is not expected here"),
        ("route del ::/0 via ::1", "route del PREFIX router NAME"),
        ("trace --proto quux", "`quux` is no protocol"),
        ("trace --count 0", "0 is not in 1.."),
        (
            "capture --point middle",
            "`middle` is none of all, rx, tx, drop",
        ),
    ] {
        let (code, text) = complaint(&hextetctl(line).output().unwrap());
        assert_eq!(code, 1, "{line}: {text}");
        assert!(text.contains(part), "{line}: {text}");
    }
}

#[test]
fn shells_get_their_completions() {
    for (shell, part) in [
        ("bash", "_hextetctl()"),
        ("zsh", "#compdef hextetctl"),
        ("fish", "complete -c hextetctl"),
    ] {
        let output = hextetctl(&format!("completion {shell}")).output().unwrap();
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(script.contains(part), "{shell}");
        for word in ["neighbors", "capture", "accounting", "flush"] {
            assert!(script.contains(word), "{shell} does not know {word}");
        }
    }
    // A script that its shell cannot read is worse than none; bash is there on every Linux.
    let script = hextetctl("completion bash").output().unwrap().stdout;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("hextetctl.bash");
    fs::write(&file, script).unwrap();
    assert!(
        Command::new("bash")
            .arg("-n")
            .arg(&file)
            .status()
            .unwrap()
            .success()
    );
}
