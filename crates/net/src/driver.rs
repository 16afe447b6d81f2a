//! The one async driver of machines, over plain and TLS streams.
