//! A small typed reader over TOML's spanned value tree.
//!
//! Serde stops at the first fault of a document; a person with a broken file wants all of them. So the text is
//! parsed into a tree with spans (the parser recovers from syntax errors), and each section walks its table with
//! these accessors: a wrong value leaves a fault with its place and yields `None`, and the walk goes on.

use std::cell::RefCell;
use std::fmt::Display;
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde_spanned::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::{Fault, nearest};
use super::schema::{Key, Section};

/// What is known of the file, and the faults found so far.
pub(super) struct Context<'a> {
    file: PathBuf,
    text: &'a str,
    /// Where each line begins.
    lines: Vec<usize>,
    faults: RefCell<Vec<(usize, Fault)>>,
    warnings: RefCell<Vec<(usize, Fault)>>,
}

impl<'a> Context<'a> {
    pub(super) fn new(file: &Path, text: &'a str) -> Self {
        Context {
            file: file.to_owned(),
            text,
            lines: std::iter::once(0)
                .chain(text.match_indices('\n').map(|(newline, _)| newline + 1))
                .collect(),
            faults: RefCell::default(),
            warnings: RefCell::default(),
        }
    }

    /// Records that the file is wrong at `at`.
    pub(super) fn fault(&self, at: &Place, message: impl Display) {
        self.faults.borrow_mut().push(self.note(at, message));
    }

    /// Records that the file is doubtful at `at`.
    pub(super) fn warn(&self, at: &Place, message: impl Display) {
        self.warnings.borrow_mut().push(self.note(at, message));
    }

    fn note(&self, at: &Place, message: impl Display) -> (usize, Fault) {
        let offset = at.span.start.min(self.text.len());
        let line = self.lines.partition_point(|start| *start <= offset);
        let before = self
            .text
            .get(self.lines[line - 1]..offset)
            .unwrap_or_default();
        let fault = Fault {
            file: self.file.clone(),
            line,
            column: before.chars().count() + 1,
            path: at.path.clone(),
            message: message.to_string(),
        };
        (offset, fault)
    }

    /// Faults and warnings, each in the order of the file.
    pub(super) fn finish(self) -> (Vec<Fault>, Vec<Fault>) {
        let sorted = |list: RefCell<Vec<(usize, Fault)>>| {
            let mut list = list.into_inner();
            list.sort_by_key(|(offset, _)| *offset);
            list.into_iter().map(|(_, fault)| fault).collect()
        };
        (sorted(self.faults), sorted(self.warnings))
    }
}

/// Where a value stands: its field path and its bytes in the text.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    pub(super) path: String,
    pub(super) span: Range<usize>,
}

/// One table of the file, read by the keys of its section.
pub(super) struct Table<'a> {
    pub(super) cx: &'a Context<'a>,
    /// Where the table begins.
    pub(super) at: Place,
    entries: &'a DeTable<'a>,
    sections: Vec<&'static Section>,
    #[cfg(test)]
    asked: RefCell<std::collections::HashSet<&'static str>>,
}

impl<'a> Table<'a> {
    pub(super) fn new(cx: &'a Context<'a>, at: Place, entries: &'a DeTable<'a>) -> Self {
        Table {
            cx,
            at,
            entries,
            sections: Vec::new(),
            #[cfg(test)]
            asked: RefCell::default(),
        }
    }

    /// Faults every key that none of `sections` knows, and suggests the nearest that is.
    pub(super) fn check_keys(&mut self, sections: &[&'static Section]) {
        self.sections.extend(sections);
        for (key, value) in self.entries {
            let name = key.get_ref().as_ref();
            if self.known().any(|known| known.name == name) {
                continue;
            }
            let at = Place {
                path: self.path_of(name),
                span: if key.span().is_empty() {
                    value.span()
                } else {
                    key.span()
                },
            };
            let hint = match nearest(name, self.known().map(|key| key.name)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => {
                    let all: Vec<&str> = self.known().map(|key| key.name).collect();
                    format!("known here: {}", all.join(", "))
                }
            };
            self.cx
                .fault(&at, format_args!("unknown key `{name}`; {hint}"));
        }
    }

    /// Takes `sections` as known without faulting anything else.
    pub(super) fn assume_keys(&mut self, sections: &[&'static Section]) {
        self.sections.extend(sections);
    }

    fn known(&self) -> impl Iterator<Item = &'static Key> + '_ {
        self.sections.iter().flat_map(|section| section.keys.iter())
    }

    fn path_of(&self, name: &str) -> String {
        if self.at.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.at.path)
        }
    }

    /// The value of `name`, if it is there.
    pub(super) fn get(&self, name: &'static str) -> Option<Value<'a>> {
        #[cfg(test)]
        self.asked.borrow_mut().insert(name);
        let (_, value) = self.entries.get_key_value(name)?;
        Some(Value {
            cx: self.cx,
            at: Place {
                path: self.path_of(name),
                span: value.span(),
            },
            value: value.get_ref(),
        })
    }

    /// Where `name` stands, or where its table begins when it is absent.
    pub(super) fn place(&self, name: &'static str) -> Place {
        self.get(name).map_or_else(
            || Place {
                path: self.path_of(name),
                span: self.at.span.clone(),
            },
            |value| value.at,
        )
    }

    /// Records that `name` is wrong.
    pub(super) fn fault(&self, name: &'static str, message: impl Display) {
        self.cx.fault(&self.place(name), message);
    }

    /// Records that `name` is doubtful.
    pub(super) fn warn(&self, name: &'static str, message: impl Display) {
        self.cx.warn(&self.place(name), message);
    }

    /// Faults an absent key.
    pub(super) fn require(&self, name: &'static str) -> Option<Value<'a>> {
        let value = self.get(name);
        if value.is_none() {
            self.fault(name, format_args!("`{name}` is missing and has no default"));
        }
        value
    }

    pub(super) fn string(&self, name: &'static str) -> Option<&'a str> {
        self.get(name)?.string()
    }

    pub(super) fn boolean(&self, name: &'static str) -> Option<bool> {
        self.get(name)?.boolean()
    }

    pub(super) fn integer<T: TryFrom<u64>>(
        &self,
        name: &'static str,
        allowed: RangeInclusive<u64>,
    ) -> Option<T> {
        self.get(name)?.integer(allowed)
    }

    pub(super) fn choice<T: Copy>(
        &self,
        name: &'static str,
        choices: &[(&'static str, T)],
    ) -> Option<T> {
        self.get(name)?.choice(choices)
    }

    pub(super) fn parse<T: FromStr>(&self, name: &'static str, what: &str) -> Option<T> {
        self.get(name)?.parse(what)
    }

    /// The elements of the array `name`, read by `read`; those that it faults are left out.
    pub(super) fn list<T>(
        &self,
        name: &'static str,
        read: impl Fn(&Value<'a>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let items = self.get(name)?.items()?;
        Some(items.iter().filter_map(read).collect())
    }

    /// How often a fault was recorded so far.
    pub(super) fn fault_count(&self) -> usize {
        self.cx.faults.borrow().len()
    }

    /// The table `name`, its keys checked against `section`.
    pub(super) fn table(&self, name: &'static str, section: &'static Section) -> Option<Table<'a>> {
        let mut table = self.get(name)?.table()?;
        table.check_keys(&[section]);
        Some(table)
    }

    /// The array of tables `name`; their keys are not checked yet.
    pub(super) fn raw_tables(&self, name: &'static str) -> Vec<Table<'a>> {
        let Some(value) = self.get(name) else {
            return Vec::new();
        };
        if let DeValue::Table(_) = value.value {
            self.fault(
                name,
                format_args!("must be an array of tables: write [[...{name}]]"),
            );
            return Vec::new();
        }
        let items = value.items().unwrap_or_default();
        items.iter().filter_map(|item| item.table()).collect()
    }

    /// The array of tables `name`, their keys checked against `section`.
    pub(super) fn tables(&self, name: &'static str, section: &'static Section) -> Vec<Table<'a>> {
        let mut tables = self.raw_tables(name);
        for table in &mut tables {
            table.check_keys(&[section]);
        }
        tables
    }
}

#[cfg(test)]
impl Drop for Table<'_> {
    /// A key that the schema documents and no code reads would be a lie in the documentation.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let asked = self.asked.borrow();
        for key in self.known() {
            assert!(
                asked.contains(key.name),
                "nobody reads `{}` of `{}`",
                key.name,
                self.at.path
            );
        }
        for name in asked.iter() {
            assert!(
                self.sections.is_empty() || self.known().any(|key| key.name == *name),
                "`{name}` of `{}` is read and not in the schema",
                self.at.path
            );
        }
    }
}

/// One value of the file.
pub(super) struct Value<'a> {
    pub(super) cx: &'a Context<'a>,
    pub(super) at: Place,
    pub(super) value: &'a DeValue<'a>,
}

impl<'a> Value<'a> {
    /// Its text, if it is one; another kind of value is no fault here.
    pub(super) fn as_text(&self) -> Option<String> {
        match self.value {
            DeValue::String(text) => Some(text.as_ref().to_owned()),
            _ => None,
        }
    }

    /// Records that the value is wrong.
    pub(super) fn fault(&self, message: impl Display) {
        self.cx.fault(&self.at, message);
    }

    fn wrong_type<T>(&self, wanted: &str) -> Option<T> {
        self.fault(format_args!("must be {wanted}, not {}", self.kind()));
        None
    }

    fn kind(&self) -> &'static str {
        match self.value {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        }
    }

    pub(super) fn string(&self) -> Option<&'a str> {
        match self.value {
            DeValue::String(text) => Some(text.as_ref()),
            _ => self.wrong_type("a string"),
        }
    }

    pub(super) fn boolean(&self) -> Option<bool> {
        match self.value {
            DeValue::Boolean(value) => Some(*value),
            _ => self.wrong_type("true or false"),
        }
    }

    pub(super) fn integer<T: TryFrom<u64>>(&self, allowed: RangeInclusive<u64>) -> Option<T> {
        let DeValue::Integer(number) = self.value else {
            return self.wrong_type("an integer");
        };
        let value = u64::from_str_radix(number.as_str(), number.radix()).ok();
        match value
            .filter(|value| allowed.contains(value))
            .map(T::try_from)
        {
            Some(Ok(value)) => Some(value),
            _ => {
                let (low, high) = (allowed.start(), allowed.end());
                self.fault(format_args!(
                    "{number} is out of range; allowed: {low} to {high}"
                ));
                None
            }
        }
    }

    pub(super) fn choice<T: Copy>(&self, choices: &[(&'static str, T)]) -> Option<T> {
        let word = self.string()?;
        if let Some((_, value)) = choices.iter().find(|(name, _)| *name == word) {
            return Some(*value);
        }
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        self.fault(format_args!(
            "\"{word}\" is not one of: {}",
            names.join(", ")
        ));
        None
    }

    /// A string that `T` parses; `what` says how it should look.
    pub(super) fn parse<T: FromStr>(&self, what: &str) -> Option<T> {
        let text = self.string()?;
        let value = text.parse().ok();
        if value.is_none() {
            self.fault(format_args!("\"{text}\" is not {what}"));
        }
        value
    }

    pub(super) fn items(&self) -> Option<Vec<Value<'a>>> {
        let DeValue::Array(array) = self.value else {
            return self.wrong_type("an array");
        };
        let item = |(index, item): (usize, &'a Spanned<DeValue<'a>>)| Value {
            cx: self.cx,
            at: Place {
                path: format!("{}[{index}]", self.at.path),
                span: item.span(),
            },
            value: item.get_ref(),
        };
        Some(array.iter().enumerate().map(item).collect())
    }

    pub(super) fn table(&self) -> Option<Table<'a>> {
        match self.value {
            DeValue::Table(entries) => Some(Table::new(self.cx, self.at.clone(), entries)),
            _ => self.wrong_type("a table"),
        }
    }
}
