//! Reload, churn, crash: nothing of an unaffected flow is lost.

use lab::topology::{TWO_NETWORKS, TwoNetworks};
use lab::{Lab, Result, wait_for};
use std::time::Duration;

#[test]
fn a_reload_under_traffic_loses_nothing() -> Result<()> {
    let lab = Lab::new("reload")?;
    let net = TwoNetworks::start(&lab, "")?;
    let b = net.b_ipv6()?;
    assert_eq!(net.a.ping(&b, 2)?, 2);
    let mut flood = net.a.spawn(&format!("ping -n -c 400 -i 0.01 -W 2 {b}"))?;
    for round in 0..6 {
        std::thread::sleep(Duration::from_millis(300));
        // Every round adds or removes a route and an address, and changes the RA.
        let extra = if round % 2 == 0 {
            "\n[[router.route]]\nprefix = \"2001:db8:77::/48\"\nkind = \"blackhole\"\n"
        } else {
            ""
        };
        let lan = if round % 2 == 0 {
            TWO_NETWORKS.replace(
                "\"2001:db8:1::1/64\",",
                "\"2001:db8:1::1/64\", \"2001:db8:3::1/64\",",
            )
        } else {
            TWO_NETWORKS.to_owned()
        };
        net.r.configure(&format!("{lan}{extra}"))?;
        net.r.hextetctl("reload")?;
    }
    flood.wait(Duration::from_secs(20))?;
    assert_eq!(lab::ping_received(&flood.log()), 400, "{}", flood.log());
    net.r.assert_balanced()
}

#[test]
fn a_bad_reload_changes_nothing_and_names_every_fault() -> Result<()> {
    let lab = Lab::new("badreload")?;
    let net = TwoNetworks::start(&lab, "")?;
    let before = net.r.ctl("show routes")?;
    let bad = TWO_NETWORKS
        .replace("192.0.2.1/24", "192.0.2.1/42")
        .replace("device = \"wan\"", "device = \"nowhere\"");
    net.r.configure(&bad)?;
    let refused = net
        .r
        .hextetctl("reload")
        .expect_err("a bad configuration was accepted");
    let text = format!("{refused:#}");
    assert!(
        text.contains("router[0].interface[0].addresses[1]"),
        "{text}"
    );
    assert!(text.contains("router[0].interface[1].device"), "{text}");
    assert_eq!(net.r.ctl("show routes")?, before);
    assert_eq!(net.a.ping(&net.b_ipv6()?, 2)?, 2);
    // `hextetd check` says the same without a running router.
    let check = net.r.ok(&format!(
        "sh -c '{} check {} 2>&1; true'",
        lab::binary("hextetd")?.display(),
        net.r.config_path().display()
    ))?;
    assert!(
        check.contains("router[0].interface[0].addresses[1]"),
        "{check}"
    );
    assert!(
        check.contains("hextetd.toml:"),
        "no file and line in {check}"
    );
    net.r.assert_balanced()
}

#[test]
fn ten_thousand_route_changes_a_second_disturb_no_flow() -> Result<()> {
    let lab = Lab::new("churn")?;
    let net = TwoNetworks::start(
        &lab,
        "\n[[router.route]]\nprefix = \"2001:db8:b::/48\"\nvia = \"2001:db8:2::b\"\ninterface = \"wan0\"\n",
    )?;
    net.b.address("eth0", "2001:db8:2::b/64")?;
    net.b.address("lo", "2001:db8:b::b/128")?;
    assert_eq!(net.a.ping("2001:db8:b::b", 2)?, 2);
    let mut flow = net.a.spawn("ping -n -c 500 -i 0.01 -W 2 2001:db8:b::b")?;
    // Five seconds: routes beside, above and below the one in use come and go, 10,000 a second.
    let script = lab.dir().join("churn.py");
    std::fs::write(&script, CHURN)?;
    let churn = process_ok(&format!(
        "python3 {} {}",
        script.display(),
        net.r.socket().display()
    ))?;
    flow.wait(Duration::from_secs(20))?;
    assert_eq!(lab::ping_received(&flow.log()), 500, "{}", flow.log());
    let changes: u64 = churn.trim().parse()?;
    assert!(50_000 <= changes, "only {changes} changes were applied");
    // Nothing of the flow went where the coming and going routes lead.
    assert_eq!(net.r.dropped("blackhole")?, 0);
    net.r.assert_balanced()
}

/// Adds and deletes routes in batches, paced to 10,000 changes a second, and prints how many were acknowledged. Blackholes
/// come and go beside, above and below the route in use, but never on it.
const CHURN: &str = r"
import http.client, json, socket, sys, time
class Unix(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX); self.sock.connect(sys.argv[1])
api = Unix('api')
near = ['2001:db8:a::/48', '2001:db8:c::/48', '2001:db8::/33', '2001:db8:b:1::/64', '2001:db8:b::f0/124']
far = ['2001:dba:%x::/48' % i for i in range(495)]
routes = near + far
acknowledged, began = 0, time.monotonic()
while acknowledged < 50000:
    for kind in ('add', 'delete'):
        change = lambda p: {'add': {'prefix': p, 'kind': 'blackhole'}} if kind == 'add' else {'delete': {'prefix': p}}
        api.request('POST', '/v1/routes/batch', json.dumps({'changes': [change(p) for p in routes]}),
                    {'content-type': 'application/json'})
        answer = api.getresponse(); body = json.loads(answer.read())
        assert answer.status == 200, body
        acknowledged += sum(body.values())
        time.sleep(max(0, began + acknowledged / 10000 - time.monotonic()))
print(acknowledged)
";

fn process_ok(command: &str) -> Result<String> {
    Ok(lab::run(command)?.ok()?.stdout)
}

#[test]
fn a_crash_and_restart_comes_back_to_the_same_state() -> Result<()> {
    let lab = Lab::new("crash")?;
    let net = TwoNetworks::start(&lab, "")?;
    net.r
        .hextetctl("route add 2001:db8:99::/48 via 2001:db8:2::b dev wan0")?;
    let routes = net.r.ctl("show routes")?;
    let interfaces = |value: serde_json::Value| -> Vec<serde_json::Value> {
        value
            .as_array()
            .into_iter()
            .flatten()
            .map(|i| serde_json::json!([i["name"], i["mac"], i["mtu"], i["router"]]))
            .collect()
    };
    let before = interfaces(net.r.ctl("show interfaces")?);
    net.r.crash()?;
    net.r.restart()?;
    wait_for(Duration::from_secs(10), "the same routes", || {
        (net.r.ctl("show routes").ok()? == routes).then_some(())
    })?;
    assert_eq!(interfaces(net.r.ctl("show interfaces")?), before);
    assert!(1 <= net.a.ping(&net.b_ipv6()?, 5)?);
    net.r.assert_balanced()
}

#[test]
fn wrong_starts_are_told_in_one_sentence() -> Result<()> {
    let lab = Lab::new("wrong")?;
    let r = lab.router("r")?;
    r.configure("[[device]]\nname = \"lan\"\nkind = \"af_packet\"\ninterface = \"nosuch\"\n")?;
    let error = format!(
        "{:#}",
        r.restart().expect_err("a missing device was accepted")
    );
    assert!(error.contains("nosuch"), "{error}");
    let missing = lab::wait_for(Duration::from_secs(1), "", || {
        r.ok(&format!(
            "sh -c '{} --config /nonexistent.toml 2>&1; echo code=$?'",
            lab::binary("hextetd").ok()?.display()
        ))
        .ok()
    })?;
    assert!(
        missing.contains("/nonexistent.toml") && !missing.contains("code=0"),
        "{missing}"
    );
    Ok(())
}
