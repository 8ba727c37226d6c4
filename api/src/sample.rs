//! One example of everything: what the fake appliance of the tests serves, and what docs/api.md shows.
