//! A client and the server, over a real socket.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use api::endpoint::ENDPOINTS;
use api::{
    ErrorBody, ErrorCode, LeaseFormat, LeaseImported, ReloadResponse, Route, RouteChanges,
    TraceEvent, sample,
};
use axum::body::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::fake::Fake;
use super::{BindError, Socket};

pub(super) struct Server {
    directory: tempfile::TempDir,
    fake: Arc<Fake>,
    stop: CancellationToken,
    task: JoinHandle<std::io::Result<()>>,
}

impl Server {
    pub(super) async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let fake = Arc::new(Fake::default());
        let stop = CancellationToken::new();
        let socket = Socket::bind(&directory.path().join("run/api.sock"))
            .await
            .unwrap();
        let task = tokio::spawn(socket.serve(Arc::clone(&fake), stop.clone()));
        Self {
            directory,
            fake,
            stop,
            task,
        }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("run/api.sock")
    }

    pub(super) async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(Duration::from_secs(5), self.task)
            .await
            .expect("the server stops though streams are open")
            .unwrap()
            .unwrap();
        assert!(!self.directory.path().join("run/api.sock").exists());
    }

    pub(super) async fn open(
        &self,
        method: &str,
        path: &str,
        body: &str,
    ) -> Response<hyper::body::Incoming> {
        request(&self.path(), method, path, body).await
    }

    pub(super) async fn call(&self, method: &str, path: &str, body: &str) -> (StatusCode, Bytes) {
        let response = self.open(method, path, body).await;
        (
            response.status(),
            response.into_body().collect().await.unwrap().to_bytes(),
        )
    }

    async fn ok<T: DeserializeOwned>(&self, method: &str, path: &str, body: &str) -> T {
        let (status, bytes) = self.call(method, path, body).await;
        assert_eq!(
            status,
            200,
            "{method} {path}: {}",
            String::from_utf8_lossy(&bytes)
        );
        serde_json::from_slice(&bytes).unwrap()
    }

    async fn refused(&self, method: &str, path: &str, body: &str) -> (StatusCode, ErrorBody) {
        let (status, bytes) = self.call(method, path, body).await;
        let text = String::from_utf8_lossy(&bytes);
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|e| panic!("{method} {path} {body}: {status} {text}: {e}"));
        (status, body)
    }
}

async fn request(
    socket: &Path,
    method: &str,
    path: &str,
    body: &str,
) -> Response<hyper::body::Incoming> {
    let stream = UnixStream::connect(socket).await.unwrap();
    let (mut send, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "hextetd");
    send.send_request(
        request
            .body(Full::new(Bytes::from(body.to_owned())))
            .unwrap(),
    )
    .await
    .unwrap()
}

fn json<T: Serialize>(value: T) -> Value {
    serde_json::to_value(value).unwrap()
}

#[tokio::test]
async fn a_file_of_leases_goes_out_and_comes_in() {
    let server = Server::start().await;
    let response = server.open("GET", "/v1/leases/export", "").await;
    assert_eq!(
        response.headers()["content-type"],
        "text/csv; charset=utf-8"
    );
    let file = response.into_body().collect().await.unwrap().to_bytes();
    let file = std::str::from_utf8(&file).unwrap();
    assert_eq!(file, sample::lease_file(LeaseFormat::Csv));
    let imported: LeaseImported = server.ok("POST", "/v1/leases/import", file).await;
    assert_eq!((imported.added, imported.faults), (1, vec![]));

    let faulty = file.replace(",1,bound", ",one,bound");
    let (status, body) = server.call("POST", "/v1/leases/import", &faulty).await;
    assert_eq!(status, 422);
    let imported: LeaseImported = serde_json::from_slice(&body).unwrap();
    let fault = &imported.faults[0];
    assert_eq!((imported.added, fault.line, &*fault.field), (0, 2, "iaid"));
    for (path, field) in [
        ("/v1/leases/import?format=xml", "format"),
        ("/v1/leases/import?dry=1", "dry"),
    ] {
        let (status, error) = server.refused("POST", path, file).await;
        assert_eq!(
            (status, error.field.as_deref()),
            (StatusCode::BAD_REQUEST, Some(field))
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn every_reading_endpoint_serves_its_type() {
    let server = Server::start().await;
    let expected = [
        ("/v1/status", json(sample::status())),
        ("/v1/devices", json(sample::devices())),
        ("/v1/interfaces", json(sample::interfaces())),
        ("/v1/ports", json(sample::ports())),
        ("/v1/ports/bindings", json(sample::port_bindings())),
        ("/v1/ports/denied?port=vm1", json(sample::denied())),
        ("/v1/security-groups", json(sample::security_groups())),
        ("/v1/flows", json(sample::flows())),
        ("/v1/flows/usage", json(sample::flow_usage())),
        ("/v1/networks", json(sample::networks())),
        ("/v1/stations", json(sample::stations())),
        ("/v1/bindings", json(sample::bindings())),
        ("/v1/vteps", json(sample::vteps())),
        ("/v1/routes", json(sample::routes())),
        ("/v1/neighbors", json(sample::neighbors())),
        ("/v1/ra", json(sample::ra())),
        ("/v1/vrrp", json(sample::virtual_routers())),
        ("/v1/sync", json(sample::syncs())),
        ("/v1/bfd", json(sample::bfd_sessions())),
        ("/v1/leases", json(sample::leases())),
        ("/v1/pools", json(sample::pools())),
        ("/v1/dhcp-client", json(sample::dhcp_clients())),
        ("/v1/delegations", json(sample::delegations())),
        ("/v1/relays", json(sample::relays())),
        ("/v1/workers", json(sample::workers())),
        ("/v1/drops", json(sample::drops())),
        ("/v1/counters", json(sample::counters())),
        ("/v1/accounting", json(sample::accounting())),
        (
            "/v1/routes/explain?address=2001:db8:9::42",
            json(sample::explain()),
        ),
    ];
    for (path, value) in expected {
        assert_eq!(server.ok::<Value>("GET", path, "").await, value, "{path}");
    }
    let addresses: Vec<api::InterfaceAddress> = server.ok("GET", "/v1/addresses", "").await;
    assert_eq!(addresses.len(), 7);
    assert_eq!(addresses[5].interface, "wan0");
    assert_eq!(addresses[5].address, sample::interfaces()[1].addresses[0]);
    server.stop().await;
}

#[tokio::test]
async fn the_list_of_endpoints_is_the_router() {
    for endpoint in ENDPOINTS {
        // Each on a fresh server: one example deletes what another would.
        let server = Server::start().await;
        let path = format!("{}?{}", endpoint.path, endpoint.query_example);
        let (status, body) = server
            .call(endpoint.method, &path, endpoint.body_example)
            .await;
        assert_eq!(
            status,
            200,
            "{endpoint:?}: {}",
            String::from_utf8_lossy(&body)
        );

        let path = format!("{path}&colour=red");
        let (status, body) = server
            .refused(endpoint.method, &path, endpoint.body_example)
            .await;
        assert_eq!(
            (status.as_u16(), body.field.as_deref()),
            (400, Some("colour")),
            "{endpoint:?}"
        );

        let (status, body) = server.refused("PATCH", endpoint.path, "").await;
        assert_eq!(
            (status.as_u16(), body.error),
            (405, ErrorCode::MethodNotAllowed)
        );
        server.stop().await;
    }
    let server = Server::start().await;
    let (status, body) = server.refused("GET", "/v2/status", "").await;
    assert_eq!(
        (status.as_u16(), body.error, body.field),
        (404, ErrorCode::NotFound, None)
    );
    server.stop().await;
}

#[tokio::test]
async fn routes_are_listed_added_replaced_and_deleted() {
    let server = Server::start().await;
    let within: Vec<Route> = server
        .ok("GET", "/v1/routes?router=main&prefix=2001:db8:1::/48", "")
        .await;
    assert_eq!(within.len(), 2);

    let add = r#"{"prefix":"2001:db8:7::/48","next_hops":[{"via":"fe80::7","interface":"lan0"},
                  {"via":"2001:db8:1::9","weight":4}]}"#;
    let done: RouteChanges = server.ok("POST", "/v1/routes", add).await;
    assert_eq!(
        done,
        RouteChanges {
            added: 1,
            ..Default::default()
        }
    );
    let done: RouteChanges = server.ok("POST", "/v1/routes", add).await;
    assert_eq!(
        done,
        RouteChanges {
            replaced: 1,
            ..Default::default()
        }
    );
    let new: Vec<Route> = server
        .ok("GET", "/v1/routes?prefix=2001:db8:7::/48", "")
        .await;
    assert_eq!(
        new[0]
            .next_hops
            .iter()
            .map(|hop| hop.weight)
            .collect::<Vec<_>>(),
        [1, 4]
    );
    let done: RouteChanges = server
        .ok("DELETE", "/v1/routes?prefix=2001:db8:7::/48", "")
        .await;
    assert_eq!(
        done,
        RouteChanges {
            deleted: 1,
            ..Default::default()
        }
    );

    let batch = r#"{"changes":[{"add":{"prefix":"192.0.2.128/25","kind":"prohibit"}},
                   {"delete":{"prefix":"192.0.2.128/25"}},{"delete":{"prefix":"2001:db8:dead::/48"}}]}"#;
    let done: RouteChanges = server.ok("POST", "/v1/routes/batch", batch).await;
    assert_eq!(
        done,
        RouteChanges {
            added: 1,
            deleted: 2,
            replaced: 0
        }
    );
    server.stop().await;
}

#[tokio::test]
async fn a_big_batch_is_one_request() {
    let server = Server::start().await;
    let changes: Vec<Value> = (0..2_000_u32)
        .map(|i| json!({"add": {"prefix": format!("2001:db8:f:{i:x}::/64"), "kind": "blackhole"}}))
        .collect();
    let body = json!({ "changes": changes }).to_string();
    let done: RouteChanges = server.ok("POST", "/v1/routes/batch", &body).await;
    assert_eq!(done.added, 2_000);
    server.stop().await;
}

/// Status, field to blame, method, path, body.
const BAD: &str = r#"
400 body POST /v1/routes {
400 body POST /v1/routes {"prefix":"::/0","kind":"blackhole"} {}
400 prefix POST /v1/routes
400 prefix POST /v1/routes {"prefix":7}
400 prefix POST /v1/routes {"prefix":"::/129"}
400 prefix POST /v1/routes {"prefix":"2001:db8::1/64"}
400 prefix POST /v1/routes {"prefix":"ff00::/8","kind":"blackhole"}
400 prefix POST /v1/routes {"prefix":"fe80::/64","kind":"blackhole"}
400 metric POST /v1/routes {"prefix":"::/0","metric":1}
400 kind POST /v1/routes {"prefix":"::/0","kind":"teleport"}
400 kind POST /v1/routes {"prefix":"::/0","kind":"local"}
400 next_hops POST /v1/routes {"prefix":"::/0"}
400 next_hops POST /v1/routes {"prefix":"::/0","kind":"blackhole","next_hops":[{"interface":"lan0"}]}
400 next_hops POST /v1/routes {"prefix":"::/0","next_hops":[]}
400 next_hops[0].via POST /v1/routes {"prefix":"::/0","next_hops":[{}]}
400 next_hops[0].vai POST /v1/routes {"prefix":"::/0","next_hops":[{"vai":"::1"}]}
400 next_hops[0].via POST /v1/routes {"prefix":"::/0","next_hops":[{"via":"fe80::1"}]}
400 next_hops[0].via POST /v1/routes {"prefix":"::/0","next_hops":[{"via":"192.0.2.1"}]}
400 next_hops[0].via POST /v1/routes {"prefix":"::/0","next_hops":[{"via":"ff02::1"}]}
400 next_hops[0].via POST /v1/routes {"prefix":"::/0","next_hops":[{"via":"::1"}]}
400 next_hops[0].via POST /v1/routes {"prefix":"::/0","next_hops":[{"via":"::g"}]}
400 next_hops[0].interface POST /v1/routes {"prefix":"::/0","next_hops":[{"interface":""}]}
400 next_hops[0].weight POST /v1/routes {"prefix":"::/0","next_hops":[{"interface":"a","weight":0}]}
400 next_hops[0].weight POST /v1/routes {"prefix":"::/0","next_hops":[{"interface":"a","weight":-1}]}
400 next_hops[1] POST /v1/routes {"prefix":"::/0","next_hops":[{"interface":"a"},{"interface":"a"}]}
404 router POST /v1/routes {"router":"red","prefix":"2001:db8:4::/48","kind":"prohibit"}
409 prefix POST /v1/routes {"prefix":"::/0","kind":"prohibit"}
400 prefix DELETE /v1/routes
400 prefix DELETE /v1/routes?prefix=::1/64
400 prefix DELETE /v1/routes?prefix=::/0&prefix=::/1
400 all DELETE /v1/routes?prefix=::/0&all=yes
404 prefix DELETE /v1/routes?prefix=2001:db8:4::/48
400 changes[1].add.prefix POST /v1/routes/batch {"changes":[GOOD,{"add":{"prefix":"2001:db8::1/32"}}]}
400 changes[1].add.prefix POST /v1/routes/batch {"changes":[GOOD,{"add":{}}]}
400 changes[1].delete.prefix POST /v1/routes/batch {"changes":[GOOD,{"delete":{"prefix":"nowhere"}}]}
404 changes[1].delete.prefix POST /v1/routes/batch {"changes":[GOOD,{"delete":{"prefix":"2001:db8:4::/48"}}]}
400 prefix GET /v1/routes?prefix=elsewhere
400 router GET /v1/routes?router=
400 address GET /v1/routes/explain
400 address GET /v1/routes/explain?address=::/0
404 interface POST /v1/neighbors/flush {"interface":"nope"}
400 adress POST /v1/neighbors/flush {"adress":"::1"}
400 dry_run POST /v1/reload {"dry_run":"yes"}
400 protocol GET /v1/trace?protocol=quux
400 count GET /v1/trace?count=0
400 src GET /v1/trace?src=10.0.0.0/33
400 point GET /v1/capture?point=middle
400 snaplen GET /v1/capture?snaplen=0
"#;

#[tokio::test]
async fn bad_input_names_its_field_and_changes_nothing() {
    let server = Server::start().await;
    for line in BAD.trim().lines() {
        let mut words = line.splitn(5, ' ');
        let [status, field, method, path] = [(); 4].map(|()| words.next().unwrap());
        let good = r#"{"add":{"prefix":"2001:db8:8::/48","kind":"blackhole"}}"#;
        let body = words.next().unwrap_or_default().replace("GOOD", good);
        let (got, error) = server.refused(method, path, &body).await;
        assert_eq!(
            (got.as_str(), error.field.as_deref()),
            (status, Some(field)),
            "{line}: {error:?}"
        );
        assert!(error.detail.len() > 4, "{error:?}");
    }
    let hops = vec![r#"{"interface":"a"}"#; 65].join(",");
    let many = format!(r#"{{"prefix":"::/0","next_hops":[{hops}]}}"#);
    let (status, error) = server.refused("POST", "/v1/routes", &many).await;
    assert_eq!(
        (status.as_u16(), error.field.as_deref()),
        (400, Some("next_hops"))
    );

    assert_eq!(server.fake.routes_now(), sample::routes());
    assert!(server.fake.watched.lock().unwrap().is_empty());
    server.stop().await;
}

#[tokio::test]
async fn a_reload_tells_changes_or_faults() {
    let server = Server::start().await;
    assert_eq!(
        server.ok::<ReloadResponse>("POST", "/v1/reload", "").await,
        sample::reload()
    );
    let dry: ReloadResponse = server.ok("POST", "/v1/reload", r#"{"dry_run":true}"#).await;
    assert!(!dry.applied && dry.changes.len() == 2);
    server
        .fake
        .reloads
        .lock()
        .unwrap()
        .push(sample::reload_refused());
    let (status, body) = server.call("POST", "/v1/reload", "{}").await;
    assert_eq!(status, 422);
    let refused: ReloadResponse = serde_json::from_slice(&body).unwrap();
    assert_eq!(refused, sample::reload_refused());
    server.stop().await;
}

#[tokio::test]
async fn neighbours_are_flushed() {
    let server = Server::start().await;
    let flushed: api::NeighFlushed = server
        .ok("POST", "/v1/neighbors/flush", r#"{"address":"fe80::1"}"#)
        .await;
    assert_eq!(flushed.flushed, 1);
    server.stop().await;
}

#[tokio::test]
async fn a_trace_is_a_stream_of_lines() {
    let server = Server::start().await;
    let path = "/v1/trace?interface=lan0&src=2001:db8:1::7/64&protocol=58&count=5";
    let response = server.open("GET", path, "").await;
    assert_eq!(response.headers()["content-type"], "application/x-ndjson");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let events: Vec<TraceEvent> = body
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!(events.len(), 5);
    assert_eq!(events[..2], sample::trace()[..]);
    assert_eq!(
        *server.fake.watched.lock().unwrap(),
        ["trace?interface=lan0&src=2001:db8:1::/64&protocol=icmp6&count=5"]
    );
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_hangs_up_ends_its_trace() {
    let server = Server::start().await;
    let mut response = server.open("GET", "/v1/trace", "").await;
    assert!(response.body_mut().frame().await.unwrap().is_ok());
    assert_eq!(server.fake.traces.load(Ordering::SeqCst), 1);
    drop(response);
    for _ in 0..500 {
        if server.fake.traces.load(Ordering::SeqCst) == 0 {
            return server.stop().await;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the trace runs on without its client");
}

#[tokio::test]
async fn an_endless_trace_does_not_hold_up_the_stop() {
    let server = Server::start().await;
    let mut response = server.open("GET", "/v1/trace", "").await;
    assert!(response.body_mut().frame().await.unwrap().is_ok());
    server.stop().await;
    // The stream ends as a stream should, not as a broken connection.
    while let Some(frame) = response.body_mut().frame().await {
        frame.unwrap();
    }
}

#[tokio::test]
async fn a_capture_is_a_pcapng_stream() {
    let server = Server::start().await;
    let response = server
        .open("GET", "/v1/capture?point=drop&snaplen=96", "")
        .await;
    assert_eq!(response.headers()["content-type"], "application/x-pcapng");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, sample::capture().concat());
    assert_eq!(
        *server.fake.watched.lock().unwrap(),
        ["capture?point=drop&snaplen=96"]
    );
    server.stop().await;
}

#[tokio::test]
async fn the_socket_is_for_owner_and_group() {
    let server = Server::start().await;
    let mode = fs::metadata(server.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    server.stop().await;
}

#[tokio::test]
async fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("api.sock");
    // What a crash leaves behind: std's listener does not remove its file.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let live = Socket::bind(&path).await.unwrap();

    let error = Socket::bind(&path).await.unwrap_err();
    assert!(
        matches!(&error, BindError::InUse(at) if *at == path),
        "{error}"
    );
    assert!(error.to_string().contains("another hextetd listens here"));
    UnixStream::connect(&path)
        .await
        .expect("the live one still listens");

    drop(live);
    assert!(!path.exists());
    fs::write(&path, "precious").unwrap();
    let error = Socket::bind(&path).await.unwrap_err();
    assert!(matches!(error, BindError::NotASocket(_)), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

#[tokio::test]
async fn a_successors_socket_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("api.sock");
    let first = Socket::bind(&path).await.unwrap();
    fs::remove_file(&path).unwrap();
    let _second = Socket::bind(&path).await.unwrap();
    drop(first);
    assert!(path.exists());
}

#[tokio::test]
async fn changes_of_state_are_a_stream_of_lines() {
    let server = Server::start().await;
    let response = server.open("GET", "/v1/events", "").await;
    assert_eq!(response.headers()["content-type"], "application/x-ndjson");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let told: Vec<api::Event> = body
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!(told, sample::events());
    let (status, one) = server.call("GET", "/v1/events?count=1", "").await;
    assert_eq!(
        (status.as_u16(), one.iter().filter(|b| **b == b'\n').count()),
        (200, 1)
    );
    let (status, body) = server.refused("GET", "/v1/events?count=0", "").await;
    assert_eq!(
        (status.as_u16(), body.field.as_deref()),
        (400, Some("count"))
    );
    let newer: api::Event = serde_json::from_str(r#"{"time": "t", "event": "flood"}"#).unwrap();
    assert_eq!(newer.what, api::Happening::Unknown);
    server.stop().await;
}
