//! From a command to the server and back to the terminal.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::path::Path;

use api::query::Query;
use api::{
    AddLease, CaptureRequest, DhcpClientOrder, DhcpClientOrdered, ErrorBody, ErrorCode,
    LeaseChanges, LeaseFamily, LeaseFormat, LeaseImported, LeaseKind, NeighFlush, NeighFlushed,
    OrderDhcpClient, ReloadRequest, ReloadResponse, RouteChanges, TraceRequest,
};
use clap::CommandFactory;
use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use serde::de::DeserializeOwned;

use crate::args::{Cli, Command, DhcpClient, Explain, Lease, Neigh, Route, Show, ShowRoute};
use crate::client::{Answer, Client};
use crate::paint::Paint;
use crate::{Error, show, words};

/// What every command needs.
struct Session {
    client: Client,
    json: bool,
    paint: Paint,
}

/// Does what the command line asks for.
pub(crate) async fn run(cli: Cli) -> Result<(), Error> {
    let session = Session {
        client: Client::new(cli.socket()),
        json: cli.json,
        paint: Paint::new(io::stdout().is_terminal()),
    };
    match cli.command {
        Command::Show(what) => session.show(what).await,
        Command::Route(Route::Explain(explain)) => session.explain(explain).await,
        Command::Route(Route::Add { words }) => {
            let route = words::add(&words).map_err(Error::Usage)?;
            let answer = session.client.post("/v1/routes", &route).await?;
            session.print(answer, |changes, _| show::route::changed(changes))
        }
        Command::Route(Route::Del { words }) => {
            let route = words::delete(&words).map_err(Error::Usage)?;
            let query = Query::default()
                .with("router", route.router.as_ref())
                .with("prefix", Some(route.prefix));
            let answer: Answer<RouteChanges> =
                session.client.delete(&query.on("/v1/routes")).await?;
            session.print(answer, |changes, _| show::route::changed(changes))
        }
        Command::Neigh(Neigh::Flush { interface, address }) => {
            let flush = NeighFlush { interface, address };
            let answer = session.client.post("/v1/neighbors/flush", &flush).await?;
            session.print(answer, |done: &NeighFlushed, _| {
                format!("{} forgotten\n", done.flushed)
            })
        }
        Command::Lease(Lease::Add {
            resource,
            router,
            client,
            iaid,
            valid,
            mac,
            via,
            dev,
        }) => {
            let lease = AddLease {
                resource,
                router,
                client,
                iaid,
                valid_seconds: valid,
                mac,
                gateway: via,
                interface: dev,
            };
            let answer = session.client.post("/v1/leases", &lease).await?;
            session.print(answer, |changes, _| show::lease::changed(changes))
        }
        Command::Lease(Lease::Export { format, family }) => session.export(format, family).await,
        Command::Lease(Lease::Import { file, format }) => session.import(&file, format).await,
        Command::Lease(Lease::Release { resource, router }) => {
            let query = Query::default()
                .with("resource", Some(resource))
                .with("router", router);
            let answer: Answer<LeaseChanges> =
                session.client.delete(&query.on("/v1/leases")).await?;
            session.print(answer, |changes, _| show::lease::changed(changes))
        }
        Command::DhcpClient(order) => {
            let (interface, order) = match order {
                DhcpClient::Renew { interface } => (interface, DhcpClientOrder::Renew),
                DhcpClient::Release { interface } => (interface, DhcpClientOrder::Release),
            };
            let order = OrderDhcpClient { interface, order };
            let answer = session.client.post("/v1/dhcp-client", &order).await?;
            session.print(answer, |_: &DhcpClientOrdered, _| String::new())
        }
        Command::Monitor { count } => {
            let query = Query::default().with("count", count);
            session
                .lines(&query.on("/v1/events"), show::event::event)
                .await
        }
        Command::Trace { filter, count } => {
            let request = TraceRequest {
                filter: filter.into(),
                count,
            };
            session
                .lines(&request.query().on("/v1/trace"), show::trace::event)
                .await
        }
        Command::Capture {
            filter,
            write,
            point,
            count,
            snaplen,
        } => {
            let request = CaptureRequest {
                filter: filter.into(),
                point,
                count,
                snaplen,
            };
            session.capture(request, write.as_deref()).await
        }
        Command::WhyDropped { port } => {
            let query = Query::default().with("port", Some(port));
            session
                .list(&query.on("/v1/ports/denied"), show::security::denied)
                .await
        }
        Command::Reload { dry_run } => session.reload(ReloadRequest { dry_run }).await,
        Command::Completion { shell } => {
            let mut script = vec![];
            clap_complete::generate(shell, &mut Cli::command(), "hextetctl", &mut script);
            Ok(io::stdout().write_all(&script)?)
        }
    }
}

impl Session {
    async fn show(&self, what: Show) -> Result<(), Error> {
        match what {
            Show::Status => self.table("/v1/status", show::status).await,
            Show::Devices { name: None } => self.list("/v1/devices", show::link::devices).await,
            Show::Devices { name: Some(name) } => {
                self.one("/v1/devices", "device", &name, show::link::device)
                    .await
            }
            Show::Interfaces => self.list("/v1/interfaces", show::link::interfaces).await,
            Show::Addresses => self.list("/v1/addresses", show::link::addresses).await,
            Show::Routes { router, prefix } => {
                let query = Query::default()
                    .with("router", router)
                    .with("prefix", prefix);
                self.list(&query.on("/v1/routes"), show::route::routes)
                    .await
            }
            Show::Route(ShowRoute::Explain(explain)) => self.explain(explain).await,
            Show::Neighbors { interface } => {
                self.list("/v1/neighbors", |list, paint| {
                    show::neighbor::neighbors(list, interface.as_deref(), paint)
                })
                .await
            }
            Show::Ra { interface: None } => self.list("/v1/ra", show::ra::summary).await,
            Show::Ra {
                interface: Some(name),
            } => {
                self.one("/v1/ra", "interface", &name, show::ra::detail)
                    .await
            }
            Show::Leases {
                router,
                pool,
                client,
                kind,
                limit,
                within,
            } => {
                let query = Query::default()
                    .with("router", router)
                    .with("pool", pool)
                    .with("client", client)
                    .with("within", within)
                    .with("kind", kind)
                    .with("limit", limit);
                self.list(&query.on("/v1/leases"), show::lease::leases)
                    .await
            }
            Show::Pd => {
                let query = Query::default().with("kind", Some(LeaseKind::Prefix));
                self.list(&query.on("/v1/leases"), show::lease::prefixes)
                    .await
            }
            Show::Delegations => {
                self.list("/v1/delegations", show::delegation::delegations)
                    .await
            }
            Show::Sync => self.list("/v1/sync", show::sync::syncs).await,
            Show::Bfd => self.list("/v1/bfd", show::bfd::sessions).await,
            Show::Vrrp => self.list("/v1/vrrp", show::vrrp::virtual_routers).await,
            Show::DhcpClient => {
                self.list("/v1/dhcp-client", show::dhcp_client::uplinks)
                    .await
            }
            Show::Networks => self.list("/v1/networks", show::network::networks).await,
            Show::Fdb {
                network,
                limit,
                mac,
            } => {
                let query = Query::default()
                    .with("network", network)
                    .with("mac", mac)
                    .with("limit", limit);
                self.list(&query.on("/v1/stations"), show::network::stations)
                    .await
            }
            Show::Bindings {
                port: port @ Some(_),
                limit,
                ..
            }
            | Show::PortBindings { limit, port } => {
                let query = Query::default().with("port", port).with("limit", limit);
                self.list(&query.on("/v1/ports/bindings"), show::security::bindings)
                    .await
            }
            Show::Bindings {
                port: None,
                network,
                limit,
                address,
            } => {
                let query = Query::default()
                    .with("network", network)
                    .with("address", address)
                    .with("limit", limit);
                self.list(&query.on("/v1/bindings"), show::network::bindings)
                    .await
            }
            Show::Ports => self.list("/v1/ports", show::security::ports).await,
            Show::Guards { port: None } => self.list("/v1/ports", show::security::guards).await,
            Show::Guards { port: Some(name) } => {
                self.one("/v1/ports", "port", &name, |port, paint| {
                    show::security::guards(std::slice::from_ref(port), paint)
                })
                .await
            }
            Show::SecurityGroups { name } => {
                let query = Query::default().with("name", name);
                self.list(&query.on("/v1/security-groups"), show::security::groups)
                    .await
            }
            Show::Flows { port, limit } => {
                let query = Query::default().with("port", port).with("limit", limit);
                self.list(&query.on("/v1/flows"), show::security::flows)
                    .await
            }
            Show::Vteps => self.list("/v1/vteps", show::network::vteps).await,
            Show::Pools => self.list("/v1/pools", show::lease::pools).await,
            Show::Relays => self.list("/v1/relays", show::relay::relays).await,
            Show::Workers => self.list("/v1/workers", show::worker::workers).await,
            Show::Drops { all } => {
                self.list("/v1/drops", |list, paint| {
                    show::worker::drops(list, all, paint)
                })
                .await
            }
            Show::Counters => self.table("/v1/counters", show::counters::counters).await,
            Show::Accounting => self.list("/v1/accounting", show::worker::accounting).await,
        }
    }

    async fn explain(&self, Explain { address, router }: Explain) -> Result<(), Error> {
        let query = Query::default()
            .with("router", router)
            .with("address", Some(address));
        self.table(&query.on("/v1/routes/explain"), show::route::explain)
            .await
    }

    /// Reads a path and prints it.
    async fn table<T: DeserializeOwned>(
        &self,
        path: &str,
        text: impl FnOnce(&T, Paint) -> String,
    ) -> Result<(), Error> {
        self.print(self.client.get(path).await?, text)
    }

    /// Reads a list and prints it.
    async fn list<T: DeserializeOwned>(
        &self,
        path: &str,
        text: impl FnOnce(&[T], Paint) -> String,
    ) -> Result<(), Error> {
        self.table(path, |list: &Vec<T>, paint| text(list, paint))
            .await
    }

    /// Reads a list and prints the entry of this name. In JSON that is the list with this entry alone, and with the
    /// fields that this version does not know.
    async fn one<T: DeserializeOwned>(
        &self,
        path: &str,
        noun: &'static str,
        name: &str,
        text: impl FnOnce(&T, Paint) -> String,
    ) -> Result<(), Error> {
        let mut list: Vec<serde_json::Value> = self.client.get(path).await?.value;
        let named = |entry: &serde_json::Value| {
            // Devices have a name, advertisements their interface's.
            entry
                .get("name")
                .or_else(|| entry.get(noun))
                .is_some_and(|found| found == name)
        };
        list.retain(named);
        let odd = |e: serde_json::Error| Error::Answer {
            path: path.into(),
            detail: e.to_string(),
        };
        let raw = serde_json::to_vec(&list).map_err(odd)?.into();
        let entry = list.pop().ok_or_else(|| {
            let detail = format!("there is no {noun} `{name}`");
            Error::Refused(ErrorBody {
                error: ErrorCode::NotFound,
                field: None,
                detail,
            })
        })?;
        let value = serde_json::from_value(entry).map_err(odd)?;
        self.print(Answer { raw, value }, text)
    }

    fn print<T>(
        &self,
        answer: Answer<T>,
        text: impl FnOnce(&T, Paint) -> String,
    ) -> Result<(), Error> {
        let mut out = io::stdout().lock();
        if self.json {
            out.write_all(&answer.raw)?;
            out.write_all(b"\n")?;
        } else {
            out.write_all(text(&answer.value, self.paint).as_bytes())?;
        }
        Ok(out.flush()?)
    }

    async fn reload(&self, request: ReloadRequest) -> Result<(), Error> {
        let answer: Answer<ReloadResponse> = self.client.post("/v1/reload", &request).await?;
        let faults = answer.value.faults.len();
        self.print(answer, |response, paint| {
            show::reload(response, request.dry_run, paint)
        })?;
        sound("the configuration", faults)
    }

    /// Prints all leases as a file, once the whole of it is there.
    async fn export(
        &self,
        format: Option<LeaseFormat>,
        family: Option<LeaseFamily>,
    ) -> Result<(), Error> {
        let format = format.or(self.json.then_some(LeaseFormat::Json));
        let query = Query::default()
            .with("format", format)
            .with("family", family);
        let file = self.client.get_file(&query.on("/v1/leases/export")).await?;
        let mut out = io::stdout().lock();
        out.write_all(&file)?;
        Ok(out.flush()?)
    }

    async fn import(&self, path: &Path, format: Option<LeaseFormat>) -> Result<(), Error> {
        let is_input = path == Path::new("-");
        let read = || match is_input {
            true => {
                let mut bytes = Vec::new();
                io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
            }
            false => std::fs::read(path),
        };
        let name = match is_input {
            true => "standard input".to_owned(),
            false => path.display().to_string(),
        };
        let bytes = read().map_err(|source| Error::Unreadable {
            file: name.clone(),
            source,
        })?;
        let query = Query::default().with("format", format);
        let answer: Answer<LeaseImported> = self
            .client
            .post_file(&query.on("/v1/leases/import"), bytes)
            .await?;
        let faults = answer.value.faults.len();
        self.print(answer, |imported, paint| {
            show::lease::imported(imported, &name, paint)
        })?;
        sound(&name, faults)
    }

    /// Prints an answer without end as it comes, line by line.
    async fn lines<T: DeserializeOwned>(
        &self,
        path: &str,
        text: impl Fn(&T, Paint) -> String,
    ) -> Result<(), Error> {
        let mut body = self.client.stream(path).await?;
        let mut out = io::stdout();
        let mut rest = Vec::new();
        while let Some(piece) = next(&mut body).await? {
            rest.extend_from_slice(&piece);
            // Whole lines; a piece may end anywhere.
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = rest.drain(..=end).collect();
                if self.json {
                    out.write_all(&line)?;
                } else {
                    let event: T = serde_json::from_slice(&line).map_err(|e| Error::Answer {
                        path: path.to_owned(),
                        detail: e.to_string(),
                    })?;
                    out.write_all(text(&event, self.paint).as_bytes())?;
                }
            }
            out.flush()?;
        }
        Ok(())
    }

    async fn capture(&self, request: CaptureRequest, file: Option<&Path>) -> Result<(), Error> {
        let mut out: Box<dyn Write> = match file {
            None if io::stdout().is_terminal() => {
                let hint =
                    "a capture is no text: name a file with -w, or pipe it to `tcpdump -nr -`";
                return Err(Error::Usage(hint.to_owned()));
            }
            None => Box::new(io::stdout()),
            // Created before the capture starts: what cannot be written need not be captured.
            Some(path) => Box::new(File::create(path).map_err(|e| cannot_write(path, e))?),
        };
        let mut body = self
            .client
            .stream(&request.query().on("/v1/capture"))
            .await?;
        while let Some(piece) = next(&mut body).await? {
            let written = out.write_all(&piece).and_then(|()| out.flush());
            match file {
                Some(path) => written.map_err(|e| cannot_write(path, e))?,
                None => written?,
            }
        }
        Ok(())
    }
}

/// Whether a file that was taken as a whole or not at all had no faults.
fn sound(what: &str, faults: usize) -> Result<(), Error> {
    match faults {
        0 => Ok(()),
        count => Err(Error::Faults {
            what: what.to_owned(),
            count,
        }),
    }
}

fn cannot_write(path: &Path, source: io::Error) -> Error {
    Error::File {
        path: path.to_owned(),
        source,
    }
}

/// The next piece of an answer without end.
async fn next(body: &mut Incoming) -> Result<Option<Bytes>, Error> {
    while let Some(frame) = body.frame().await {
        // Frames that are no data are trailers; the API sends none.
        if let Ok(data) = frame?.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}
