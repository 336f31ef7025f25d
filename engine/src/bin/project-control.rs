//! project-control
fn main() {}
