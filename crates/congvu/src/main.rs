//! The `congvu` binary: configuration, start, stop, command line.

fn main() {}
