//! docs/api.md: every endpoint with a real answer of the fake appliance.

use std::fmt::Write as _;
use std::path::Path;

use api::endpoint::ENDPOINTS;
use http_body_util::BodyExt;
use serde_json::Value;

use super::tests::Server;

const HEAD: &str = "\
# API

`hextetd` speaks HTTP/1.1 with JSON over a UNIX socket, `/run/hextet/api.sock` unless the configuration says \
otherwise. Whoever may open the socket (its owner and group, mode 0660) may do everything. `hextetctl` uses nothing \
else:

```sh
curl --unix-socket /run/hextet/api.sock http://hextetd/v1/status
```

- The types, with the meaning and unit of every field, are those of the crate `api` (`cargo doc -p api --open`).
- Answers may grow fields and words; ignore those you do not know.
- Requests are strict: an unknown field or parameter is refused.
- A request that is refused has changed nothing. Its status is 400 (it makes no sense), 404 (what it names does not \
exist), 405, 409 (it contradicts what is there), 413, 500 or 503, and its body tells why:

";

/// Long answers are shown with the first entry of each list only.
fn abridge(value: &mut Value) {
    match value {
        Value::Array(items) => {
            items.truncate(1);
            items.iter_mut().for_each(abridge);
        }
        Value::Object(fields) => fields.values_mut().for_each(abridge),
        _ => {}
    }
}

fn block(page: &mut String, language: &str, text: &str) {
    writeln!(page, "```{language}\n{}\n```\n", text.trim_end()).unwrap();
}

fn pretty(bytes: &[u8]) -> String {
    let mut value: Value = serde_json::from_slice(bytes).unwrap();
    let long = bytes.len() > 400;
    if long {
        abridge(&mut value);
    }
    serde_json::to_string_pretty(&value).unwrap()
}

#[tokio::test]
async fn the_documentation_is_what_the_server_says() {
    let mut page = HEAD.to_owned();
    let server = Server::start().await;
    let bad = r#"{"prefix": "2001:db8::/32", "next_hops": [{"via": "fe80::1"}]}"#;
    let (_, error) = server.call("POST", "/v1/routes", bad).await;
    block(&mut page, "json", &pretty(&error));
    server.stop().await;
    page.push_str("| method | path | for |\n|---|---|---|\n");
    for endpoint in ENDPOINTS {
        let title = format!("{} {}", endpoint.method, endpoint.path);
        let anchor = title.to_lowercase().replace(' ', "-").replace('/', "");
        writeln!(
            page,
            "| {} | [`{}`](#{anchor}) | {} |",
            endpoint.method, endpoint.path, endpoint.about
        )
        .unwrap();
    }
    page.push_str(
        "\nLists in long answers are cut here to their first entry.\n\n\
         Generated from `api/src/endpoint.rs` and the server's own answers; `HEXTET_BLESS=1 cargo test -p control` \
         writes it anew.\n\n",
    );
    for endpoint in ENDPOINTS {
        let server = Server::start().await;
        writeln!(
            page,
            "## {} {}\n\n{}\n",
            endpoint.method, endpoint.path, endpoint.about
        )
        .unwrap();
        if !endpoint.query.is_empty() {
            let names: Vec<String> = endpoint
                .query
                .split(' ')
                .map(
                    |name| match name.strip_prefix('[').and_then(|n| n.strip_suffix(']')) {
                        Some(name) => format!("`{name}` (optional)"),
                        None => format!("`{name}`"),
                    },
                )
                .collect();
            writeln!(
                page,
                "Parameters: {}; as in `?{}`.\n",
                names.join(", "),
                endpoint.query_example
            )
            .unwrap();
        }
        if !endpoint.body.is_empty() {
            writeln!(page, "Body: `{}`.\n", endpoint.body).unwrap();
            let value: Value = serde_json::from_str(endpoint.body_example).unwrap();
            block(
                &mut page,
                "json",
                &serde_json::to_string_pretty(&value).unwrap(),
            );
        }
        let path = format!("{}?{}", endpoint.path, endpoint.query_example);
        let response = server
            .open(endpoint.method, &path, endpoint.body_example)
            .await;
        assert_eq!(response.status(), 200, "{endpoint:?}");
        let kind = response.headers()["content-type"]
            .to_str()
            .unwrap()
            .to_owned();
        let answer = match endpoint
            .answer
            .strip_prefix('[')
            .and_then(|a| a.strip_suffix(']'))
        {
            Some(of) => format!("list of `{of}`"),
            None => format!("`{}`", endpoint.answer),
        };
        writeln!(page, "Answer: {answer}, {kind}.\n").unwrap();
        if kind != "application/x-pcapng" {
            let body = response.into_body().collect().await.unwrap().to_bytes();
            block(&mut page, "json", &pretty(&body));
        }
        server.stop().await;
    }
    let page = format!("{}\n", page.trim_end());
    crate::blessed::compare(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/api.md"),
        &page,
    );
}
