//! The CSV form: RFC 4180. A field may stand in quotes, and has to with a comma, a quote or a line end in it; columns may come
//! in any order.

use std::fmt::Display;
use std::io;
use std::str::FromStr;

use super::{FAULTS, Fault, Row};

/// The columns in the order in which they are written, and whether a file may lack them.
const COLUMNS: [(&str, bool); 17] = [
    ("resource", false),
    ("router", true),
    ("kind", false),
    ("client", false),
    ("iaid", false),
    ("state", false),
    ("scope", false),
    ("starts", false),
    ("preferred_until", false),
    ("ends", false),
    ("mac", true),
    ("hostname", true),
    ("next_hop_interface", true),
    ("next_hop_address", true),
    ("relay_interface_id", true),
    ("relay_remote_id", true),
    ("relay_subscriber_id", true),
];

pub fn write(rows: impl Iterator<Item = Row>, out: &mut impl io::Write) -> io::Result<()> {
    let header = COLUMNS.map(|(name, _)| name).join(",");
    out.write_all(header.as_bytes())?;
    out.write_all(b"\r\n")?;
    for row in rows {
        let optional = |value: Option<&dyn Display>| value.map(ToString::to_string);
        let fields = [
            Some(row.resource.to_string()),
            row.router.map(String::from),
            Some(row.kind.to_string()),
            Some(row.client.to_string()),
            Some(row.iaid.to_string()),
            Some(row.state.to_string()),
            Some(row.scope),
            Some(row.starts.to_string()),
            Some(row.preferred_until.to_string()),
            Some(row.ends.to_string()),
            optional(row.mac.as_ref().map(|mac| mac as _)),
            row.hostname.map(String::from),
            row.next_hop_interface.map(String::from),
            optional(row.next_hop_address.as_ref().map(|address| address as _)),
            optional(row.relay_interface_id.as_ref().map(|id| id as _)),
            optional(row.relay_remote_id.as_ref().map(|id| id as _)),
            optional(row.relay_subscriber_id.as_ref().map(|id| id as _)),
        ];
        let fields = fields.map(|field| quoted(field.unwrap_or_default()));
        out.write_all(fields.join(",").as_bytes())?;
        out.write_all(b"\r\n")?;
    }
    Ok(())
}

fn quoted(field: String) -> String {
    match field.contains([',', '"', '\r', '\n']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field,
    }
}

pub fn read(text: &str, faults: &mut Vec<Fault>) -> Vec<(usize, Row)> {
    let mut rows = Vec::new();
    let mut records = Records {
        rest: text.strip_prefix('\u{feff}').unwrap_or(text),
        line: 1,
    };
    let header = match records.next() {
        Some((_, Ok(header))) => header,
        Some((line, Err(why))) => {
            faults.push(Fault::new(line, "", why));
            return rows;
        }
        None => {
            let why = "the file is empty; it begins with the names of its columns";
            faults.push(Fault::new(1, "", why));
            return rows;
        }
    };
    check_header(&header, faults);
    if !faults.is_empty() {
        return rows;
    }
    for (line, record) in records {
        if faults.len() >= FAULTS {
            break;
        }
        match record {
            Ok(fields) if fields.len() == header.len() => {
                let mut record = Record {
                    header: &header,
                    fields: &fields,
                    line,
                    faults,
                };
                rows.extend(record.row().map(|row| (line, row)));
            }
            Ok(fields) => {
                let why = format!("{} fields under {} columns", fields.len(), header.len());
                faults.push(Fault::new(line, "", why));
            }
            Err(why) => faults.push(Fault::new(line, "", why)),
        }
    }
    rows
}

fn check_header(header: &[String], faults: &mut Vec<Fault>) {
    for (n, name) in header.iter().enumerate() {
        if !COLUMNS.iter().any(|(column, _)| column == name) {
            faults.push(Fault::new(1, name, "no such column is known"));
        } else if header[..n].contains(name) {
            faults.push(Fault::new(1, name, "it is there twice"));
        }
    }
    for (column, optional) in COLUMNS {
        if !optional && !header.iter().any(|name| name == column) {
            faults.push(Fault::new(1, column, "this column is missing"));
        }
    }
}

/// One record with the names of its fields.
struct Record<'a> {
    header: &'a [String],
    fields: &'a [String],
    line: usize,
    faults: &'a mut Vec<Fault>,
}

impl Record<'_> {
    fn row(&mut self) -> Option<Row> {
        // All fields are read before the first missing one ends it, so that every fault is told.
        let (resource, kind, client) = (self.get("resource"), self.get("kind"), self.get("client"));
        let router = self.maybe::<String>("router");
        let (iaid, state, scope) = (self.get("iaid"), self.get("state"), self.get("scope"));
        let (starts, preferred_until) = (self.get("starts"), self.get("preferred_until"));
        let (ends, mac) = (self.get("ends"), self.maybe("mac"));
        let hostname = self.maybe::<String>("hostname");
        let next_hop_interface = self.maybe::<String>("next_hop_interface");
        let next_hop_address = self.maybe("next_hop_address");
        let relay_interface_id = self.maybe("relay_interface_id");
        let relay_remote_id = self.maybe("relay_remote_id");
        let relay_subscriber_id = self.maybe("relay_subscriber_id");
        Some(Row {
            resource: resource?,
            router: router?.map(Into::into),
            kind: kind?,
            client: client?,
            iaid: iaid?,
            state: state?,
            scope: scope?,
            starts: starts?,
            preferred_until: preferred_until?,
            ends: ends?,
            mac: mac?,
            hostname: hostname?.map(Into::into),
            next_hop_interface: next_hop_interface?.map(Into::into),
            next_hop_address: next_hop_address?,
            relay_interface_id: relay_interface_id?,
            relay_remote_id: relay_remote_id?,
            relay_subscriber_id: relay_subscriber_id?,
        })
    }

    fn text(&self, field: &str) -> &str {
        let column = self.header.iter().position(|name| name == field);
        column.map_or("", |n| &self.fields[n])
    }

    fn get<T: FromStr<Err: Display>>(&mut self, field: &str) -> Option<T> {
        let value = match self.text(field) {
            "" => Err("it is empty".to_owned()),
            text => text.parse().map_err(|why: T::Err| why.to_string()),
        };
        value
            .map_err(|why| self.faults.push(Fault::new(self.line, field, why)))
            .ok()
    }

    /// A field that may be empty; `None` when it is faulty.
    fn maybe<T: FromStr<Err: Display>>(&mut self, field: &str) -> Option<Option<T>> {
        match self.text(field) {
            "" => Some(None),
            _ => self.get(field).map(Some),
        }
    }
}

/// Records with the lines in which they begin.
struct Records<'a> {
    rest: &'a str,
    line: usize,
}

impl Iterator for Records<'_> {
    type Item = (usize, Result<Vec<String>, &'static str>);

    fn next(&mut self) -> Option<Self::Item> {
        // Empty lines between records are nothing.
        while let Some(rest) = self
            .rest
            .strip_prefix("\r\n")
            .or(self.rest.strip_prefix('\n'))
        {
            self.rest = rest;
            self.line += 1;
        }
        if self.rest.is_empty() {
            return None;
        }
        let line = self.line;
        let mut fields = Vec::new();
        loop {
            let (field, behind) = match self.rest.strip_prefix('"') {
                None => {
                    let end = self
                        .rest
                        .find([',', '\r', '\n', '"'])
                        .unwrap_or(self.rest.len());
                    let (field, behind) = self.rest.split_at(end);
                    (field.to_owned(), behind)
                }
                Some(inside) => match closing(inside) {
                    Some(end) => {
                        let (field, behind) = (&inside[..end], &inside[end + 1..]);
                        self.line += field.matches('\n').count();
                        (field.replace("\"\"", "\""), behind)
                    }
                    None => {
                        self.rest = "";
                        return Some((line, Err("a quote is opened and not closed")));
                    }
                },
            };
            fields.push(field);
            if let Some(next) = behind.strip_prefix(',') {
                self.rest = next;
                continue;
            }
            let end = behind.strip_prefix("\r\n").or(behind.strip_prefix('\n'));
            match end {
                Some(next) => {
                    self.rest = next;
                    self.line += 1;
                }
                None if behind.is_empty() => self.rest = "",
                None => {
                    let next = behind.find('\n').map_or("", |end| &behind[end + 1..]);
                    self.rest = next;
                    self.line += 1;
                    return Some((line, Err("something stands beside a quoted field")));
                }
            }
            return Some((line, Ok(fields)));
        }
    }
}

/// Where the quote ends a field: one that is not doubled.
fn closing(text: &str) -> Option<usize> {
    let mut from = 0;
    loop {
        let quote = from + text[from..].find('"')?;
        if !text[quote + 1..].starts_with('"') {
            return Some(quote);
        }
        from = quote + 2;
    }
}
