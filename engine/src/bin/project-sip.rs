//! SIP registrar, directory and call legs.

fn main() -> std::process::ExitCode {
    engine::program::main(engine::settings::Program::Sip)
}
