//! mediaswitch
fn main() {}
