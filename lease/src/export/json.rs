//! The JSON form.

use std::io;

use serde::de::IgnoredAny;
use serde_json::Deserializer;

use super::{Fault, Row};

pub fn write(rows: impl Iterator<Item = Row>, out: &mut impl io::Write) -> io::Result<()> {
    let mut before = "[\n";
    for row in rows {
        out.write_all(before.as_bytes())?;
        serde_json::to_writer(&mut *out, &row)?;
        before = ",\n";
    }
    let end = if before == ",\n" { "\n]\n" } else { "[]\n" };
    out.write_all(end.as_bytes())
}

/// Reads element by element: each has its line, and a fault in one does not hide those behind it.
pub fn read(text: &str, faults: &mut Vec<Fault>) -> Vec<(usize, Row)> {
    let mut rows = Vec::new();
    let mut at = Place {
        text,
        at: 0,
        line: 1,
    };
    if !at.take('[') {
        faults.push(Fault::new(at.line, "", "an array of leases begins with ["));
        return rows;
    }
    let mut is_end = at.take(']');
    while !is_end {
        at.skip_space();
        let line = at.line;
        let mut element = Deserializer::from_str(at.rest());
        match serde_path_to_error::deserialize::<_, Row>(&mut element) {
            Ok(row) => {
                rows.push((line, row));
                let len = element.into_iter::<IgnoredAny>().byte_offset();
                at.skip(len);
            }
            Err(error) => {
                let path = error.path().to_string();
                let cause = error.into_inner();
                let field = if path == "." { "" } else { &path };
                let line = line + cause.line().saturating_sub(1);
                faults.push(Fault::new(line, field, without_place(&cause)));
                // What is no JSON has no end to go on from.
                let mut ignored = Deserializer::from_str(at.rest()).into_iter::<IgnoredAny>();
                if !matches!(ignored.next(), Some(Ok(_))) {
                    return rows;
                }
                at.skip(ignored.byte_offset());
            }
        }
        is_end = at.take(']');
        if !is_end && !at.take(',') {
            let why = "between two leases stands a comma, and ] at the end";
            faults.push(Fault::new(at.line, "", why));
            return rows;
        }
    }
    at.skip_space();
    if !at.rest().is_empty() {
        faults.push(Fault::new(at.line, "", "something follows the array"));
    }
    rows
}

/// serde_json adds the line within what it was given; ours is another.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((why, _)) => why.to_owned(),
        None => text,
    }
}

/// How far a text was read.
struct Place<'a> {
    text: &'a str,
    at: usize,
    line: usize,
}

impl<'a> Place<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip(&mut self, len: usize) {
        let skipped = self.rest().get(..len).unwrap_or_default();
        self.line += skipped.matches('\n').count();
        self.at += skipped.len();
    }

    fn skip_space(&mut self) {
        let rest = self.rest();
        let trimmed = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        self.skip(rest.len() - trimmed.len());
    }

    /// Skips space and then this character, if it is there.
    fn take(&mut self, character: char) -> bool {
        self.skip_space();
        let is_there = self.rest().starts_with(character);
        if is_there {
            self.skip(1);
        }
        is_there
    }
}

/// A value by its text.
pub mod text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<T: Display, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    pub fn deserialize<'de, T, D>(from: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

/// A value by its text, or null.
pub mod maybe_text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<T: Display, S: Serializer>(
        value: &Option<T>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => to.collect_str(value),
            None => to.serialize_none(),
        }
    }

    pub fn deserialize<'de, T, D>(from: D) -> Result<Option<T>, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| text.parse().map_err(D::Error::custom))
            .transpose()
    }
}
