//! project-rtp
fn main() {}
