//! `azward`
fn main() {}
