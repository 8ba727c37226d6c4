//! Old readers and newer servers.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::*;

/// Adds a field to every object, as a newer server would.
fn grow(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(grow),
        Value::Object(fields) => {
            fields.values_mut().for_each(grow);
            fields.insert("of_a_newer_version".into(), Value::from("x"));
        }
        _ => {}
    }
}

fn survives<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(sample: T) {
    let mut json = serde_json::to_value(&sample).unwrap();
    assert_eq!(serde_json::from_value::<T>(json.clone()).unwrap(), sample);
    grow(&mut json);
    assert_eq!(
        serde_json::from_value::<T>(json).unwrap(),
        sample,
        "with a newer field"
    );
}

#[test]
fn answers_of_a_newer_server_are_understood() {
    survives(status());
    survives(devices());
    survives(interfaces());
    survives(routes());
    survives(explain());
    survives(neighbors());
    survives(ra());
    survives(leases());
    survives(pools());
    survives(dhcp_clients());
    survives(workers());
    survives(drops());
    survives(reload());
    survives(reload_refused());
    survives(trace());
}

#[test]
fn answers_with_maps_are_understood() {
    let json = serde_json::to_string(&counters()).unwrap();
    assert_eq!(serde_json::from_str::<Counters>(&json).unwrap(), counters());
    let json = serde_json::to_string(&accounting()).unwrap();
    assert_eq!(
        serde_json::from_str::<Vec<Accounting>>(&json).unwrap(),
        accounting()
    );
}

#[test]
fn requests_with_an_unknown_field_are_refused() {
    for body in [
        r#"{"prefix":"::/0","metric":1}"#,
        r#"{"prefix":"::/0","next_hops":[{"vai":"::1"}]}"#,
    ] {
        assert!(serde_json::from_str::<AddRoute>(body).is_err(), "{body}");
    }
    assert!(serde_json::from_str::<ReloadRequest>(r#"{"dryrun":true}"#).is_err());
    assert!(serde_json::from_str::<NeighFlush>(r#"{"iface":"lan0"}"#).is_err());
}
