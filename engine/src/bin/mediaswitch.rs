//! The whole switch in one process.

fn main() -> std::process::ExitCode {
    engine::program::main(engine::settings::Program::Mediaswitch)
}
