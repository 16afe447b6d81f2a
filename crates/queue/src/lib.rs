//! The outbound queue: schedule, routes, delivery and bounces.
