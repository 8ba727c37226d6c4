//! Colour, where there is somebody to see it.

/// Paints text, or leaves it alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint {
    on: bool,
}

impl Paint {
    /// Paints on a terminal, unless the environment says NO_COLOR.
    pub(crate) fn new(terminal: bool) -> Self {
        Self {
            on: terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        }
    }

    /// Never paints.
    #[cfg(test)]
    pub(crate) const fn plain() -> Self {
        Self { on: false }
    }

    /// Always paints.
    #[cfg(test)]
    pub(crate) const fn colour() -> Self {
        Self { on: true }
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.on {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// A heading.
    pub(crate) fn head(self, text: &str) -> String {
        self.with("1", text)
    }

    /// Something to worry about.
    pub(crate) fn bad(self, text: &str) -> String {
        self.with("31", text)
    }

    /// Something to notice.
    pub(crate) fn odd(self, text: &str) -> String {
        self.with("33", text)
    }
}
