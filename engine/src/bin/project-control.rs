//! Call logic.

fn main() -> std::process::ExitCode {
    engine::program::main(engine::settings::Program::Control)
}
