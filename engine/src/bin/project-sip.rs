//! project-sip
fn main() {}
