//! What `mediaswitch` says to the person who started it without a script: where to register, as whom, and what to dial.
//!
//! Shape:  plain text on standard output, once, after everything listens. The log goes to standard error.

use std::fmt::Write as _;

use super::switch::{Config, new_secret};
use super::{Failure, say};

/// Users made when none are given.
const USERS: [&str; 4] = ["1000", "1001", "1002", "1003"];

/// Gives the built-in script users with new secrets, if it runs and has none.
///
/// # Errors
/// The system has no random numbers.
pub fn fill_in(config: &mut Config) -> Result<(), Failure> {
    if let Some(control) = config.control.as_mut().filter(|control| control.script.is_none() && control.users.is_empty()) {
        for user in USERS {
            control.users.push((user.to_owned(), new_secret()?));
        }
    }
    Ok(())
}

/// Says how to use the built-in script. With a script of the user's own there is nothing to say.
///
/// # Errors
/// None; a closed pipe is no failure.
pub fn greet(config: &Config) -> Result<(), Failure> {
    match text(config) {
        Some(text) => say(&text).map(drop),
        None => Ok(()),
    }
}

fn text(config: &Config) -> Option<String> {
    let control = config.control.as_ref()?;
    if control.script.is_some() {
        return None;
    }
    let mut out = format!("\nmediaswitch {} is ready for phones.\n\n  domain    {}\n", env!("CARGO_PKG_VERSION"), control.domain);
    for (number, (bind, advertised)) in config.sip.iter().flat_map(|sip| &sip.listeners).enumerate() {
        let label = if number == 0 { "server" } else { "" };
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(out, "  {label:<9} {} (UDP and TCP)", std::net::SocketAddr::new(*advertised, bind.port()));
    }
    for (number, (user, secret)) in control.users.iter().enumerate() {
        let label = if number == 0 { "users" } else { "" };
        let _ = writeln!(out, "  {label:<9} {user:<8} {secret}");
    }
    let _ = writeln!(
        out,
        "\nRegister two softphones and dial one from the other; *43 plays back what you say.\n\
         Secrets of your own: --users NAME:SECRET,…   Calls of your own: --script FILE\n"
    );
    let http = [
        ("project-sip", config.sip.as_ref().map(|sip| sip.http)),
        ("project-control", Some(control.http)),
        ("project-rtp", config.rtp.as_ref().map(|rtp| rtp.http)),
    ];
    for (name, address) in http {
        if let Some(address) = address {
            let _ = writeln!(out, "  {name:<15} http://{address}");
        }
    }
    out.push('\n');
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Program, Settings};

    fn config(args: &[&str]) -> Config {
        let settings = Settings::read(Program::Mediaswitch, args.iter().map(Into::into), |_| None).unwrap();
        Config::read(&settings).unwrap()
    }

    #[test]
    fn fresh_secrets_are_long_unlike_and_told() {
        let mut config = config(&["--pa", "192.0.2.7"]);
        fill_in(&mut config).unwrap();
        let users = config.control.as_ref().unwrap().users.clone();
        assert_eq!(users.len(), USERS.len());
        assert!(users.iter().all(|(_, secret)| secret.len() == 20) && users[0].1 != users[1].1);
        let text = text(&config).unwrap();
        assert!(text.contains("domain    192.0.2.7") && text.contains("192.0.2.7:5060 (UDP and TCP)"), "{text}");
        assert!(users.iter().all(|(user, secret)| text.contains(&format!("{user:<8} {secret}"))), "{text}");
    }

    #[test]
    fn users_and_scripts_that_are_given_stay() {
        let mut given = config(&["--users", "7:seven", "--domain", "phones.example"]);
        fill_in(&mut given).unwrap();
        assert_eq!(given.control.as_ref().unwrap().users, [("7".to_owned(), "seven".to_owned())]);
        let mut script = config(&["--script", "my.js"]);
        fill_in(&mut script).unwrap();
        assert!(script.control.as_ref().unwrap().users.is_empty());
        assert_eq!(text(&script), None);
    }
}
