//! Settings of a run: flag, then environment, then file, then default.
//!
//! ```text
//!   --sip-port 5070  >  MEDIASWITCH_SIP_PORT=5070  >  sip-port = 5070 (--config)  >  5060
//! ```
//! Shape:  one table ([`table::TABLE`]) names them all; values are text until [`Settings::get`] parses them.
//! Errors: [`SettingsError`] names the setting, where its value came from, and what would be right.

pub mod config;
pub mod table;

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::str::FromStr;

use table::{Setting, TABLE};

/// Settings that are lists with commas.
const LISTS: [&str; 5] = ["public-address", "sip-port", "sip-address", "trusted", "dns"];

/// The four programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Program {
    /// `project-sip`.
    Sip,
    /// `project-rtp`.
    Rtp,
    /// `project-control`.
    Control,
    /// `mediaswitch`: the three in one process.
    Mediaswitch,
}

impl Program {
    /// Name of the binary.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sip => "project-sip",
            Self::Rtp => "project-rtp",
            Self::Control => "project-control",
            Self::Mediaswitch => "mediaswitch",
        }
    }

    const fn about(self) -> &'static str {
        match self {
            Self::Sip => "SIP registrar, directory and call legs, driven over HTTP.",
            Self::Rtp => "RTP channels: transcode, mix, echo, statistics, driven over HTTP.",
            Self::Control => "Call logic: runs a call script in JavaScript against project-sip and project-rtp.",
            Self::Mediaswitch => "The whole switch in one process: project-sip, project-rtp and project-control.",
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Control => "[SCRIPT] ",
            Self::Mediaswitch => "[demo | doctor | bench] ",
            Self::Sip | Self::Rtp => "",
        }
    }
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// No such flag.
    #[error("unknown option {0}; `{1} --help` lists them all")]
    UnknownFlag(String, &'static str),
    /// A flag without its value, or a switch with one.
    #[error("{0}")]
    Usage(#[from] lexopt::Error),
    /// A word that the program does not know.
    #[error("unknown word `{0}`; `{1} --help` shows the usage")]
    UnknownWord(String, &'static str),
    /// The configuration file cannot be read.
    #[error("cannot read the configuration file {path}: {source}")]
    File {
        /// Its name.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The configuration file is not TOML, or has a key that no program knows.
    #[error("configuration file {path}: {detail}")]
    Toml {
        /// Its name.
        path: String,
        /// What is wrong.
        detail: String,
    },
    /// A value that cannot be.
    #[error("{name} = `{value}` (from {origin}): {detail}")]
    Value {
        /// Setting.
        name: &'static str,
        /// What was given.
        value: String,
        /// Flag, environment, file or default.
        origin: &'static str,
        /// What would be right.
        detail: String,
    },
}

#[derive(Debug, Clone)]
struct Given {
    value: String,
    origin: &'static str,
}

/// The settings of one run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Which program runs.
    pub program: Program,
    /// Words that are no flags: `demo`, or the script of project-control.
    pub words: Vec<String>,
    given: HashMap<&'static str, Given>,
}

impl Settings {
    /// Reads flags from `args` (without the program's name), then `env`, then the file that `config` names.
    ///
    /// # Errors
    /// Any [`SettingsError`] but `Value`, which [`Settings::get`] gives.
    pub fn read(
        program: Program,
        args: impl IntoIterator<Item = OsString>,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, SettingsError> {
        let mut settings = Self { program, words: Vec::new(), given: HashMap::new() };
        settings.read_flags(args)?;
        for setting in settings.table() {
            if let Some(value) = env(&env_name(setting.name)) {
                settings.given.entry(setting.name).or_insert(Given { value, origin: "environment" });
            }
        }
        if let Some(path) = settings.text("config") {
            settings.read_file(&path)?;
        }
        Ok(settings)
    }

    /// The value of a setting as text, or its default.
    pub fn text(&self, name: &'static str) -> Option<String> {
        self.given.get(name).map(|given| given.value.clone()).or_else(|| default(name))
    }

    /// The value, parsed.
    ///
    /// # Errors
    /// `Value` when it does not parse.
    pub fn get<T: FromStr<Err: std::fmt::Display>>(&self, name: &'static str) -> Result<Option<T>, SettingsError> {
        self.get_with(name, |text| text.parse().map_err(|error: T::Err| error.to_string()))
    }

    /// The value, parsed by `parse`, whose error says what would be right.
    ///
    /// # Errors
    /// `Value` when it does not parse.
    pub fn get_with<T>(&self, name: &'static str, parse: impl FnOnce(&str) -> Result<T, String>) -> Result<Option<T>, SettingsError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let origin = self.given.get(name).map_or("default", |given| given.origin);
        match parse(&text) {
            Ok(value) => Ok(Some(value)),
            Err(detail) => Err(SettingsError::Value { name, value: text, origin, detail }),
        }
    }

    /// Same for a setting that has a default.
    ///
    /// # Errors
    /// `Value` when it does not parse.
    ///
    /// # Panics
    /// If the table gives it no default.
    pub fn require<T: FromStr<Err: std::fmt::Display>>(&self, name: &'static str) -> Result<T, SettingsError> {
        Ok(self.get(name)?.expect("the table has a default for it"))
    }

    /// Is the switch on?
    pub fn is_set(&self, name: &'static str) -> bool {
        self.given.get(name).is_some_and(|given| given.value != "false")
    }

    /// The text of `--help`.
    pub fn help(program: Program) -> String {
        let mut out = format!("{}\n\nUsage: {} {}[options]\n", program.about(), program.name(), program.words());
        if program == Program::Mediaswitch {
            out.push_str("\n  demo   start the switch, place a call between two built-in phones, check what they hear\n");
            out.push_str("  doctor look at this host: what costs calls, what it costs, and the command that mends it\n");
            out.push_str("  bench  measure what this host carries; `mediaswitch bench --help` says how\n");
        }
        out.push_str("\nOptions (also as MEDIASWITCH_NAME in the environment, and as name = value in --config):\n");
        for setting in TABLE.iter().filter(|setting| setting.of.contains(&program)) {
            let mut flag = format!("--{}", setting.name);
            for (alias, only) in setting.aliases {
                if only.is_none_or(|only| only == program) {
                    let dashes = if alias.len() == 1 { "-" } else { "--" };
                    let _ = write!(flag, ", {dashes}{alias}");
                }
            }
            if let Some(value) = setting.value {
                let _ = write!(flag, " {value}");
            }
            let _ = write!(out, "  {flag}\n        {}", setting.help);
            if let Some(default) = setting.default {
                let _ = write!(out, " [{default}]");
            }
            out.push('\n');
        }
        out
    }

    fn table(&self) -> impl Iterator<Item = &'static Setting> + use<> {
        let program = self.program;
        TABLE.iter().filter(move |setting| setting.of.contains(&program))
    }

    fn find(&self, flag: &str) -> Option<&'static Setting> {
        let program = self.program;
        self.table().find(|setting| {
            setting.name == flag || setting.aliases.iter().any(|(alias, only)| *alias == flag && only.is_none_or(|only| only == program))
        })
    }

    fn read_flags(&mut self, args: impl IntoIterator<Item = OsString>) -> Result<(), SettingsError> {
        let mut parser = lexopt::Parser::from_args(args);
        while let Some(arg) = parser.next()? {
            let (flag, shown) = match arg {
                lexopt::Arg::Long(name) => (name.to_owned(), format!("--{name}")),
                lexopt::Arg::Short(name) => (name.to_string(), format!("-{name}")),
                lexopt::Arg::Value(word) => {
                    self.words.push(word.to_string_lossy().into_owned());
                    continue;
                }
            };
            let Some(setting) = self.find(&flag) else {
                return Err(SettingsError::UnknownFlag(shown, self.program.name()));
            };
            let value = match setting.value {
                Some(_) => parser.value()?.to_string_lossy().into_owned(),
                None => "true".to_owned(),
            };
            // A flag that takes a list may be given once for each.
            let before = self.given.get(setting.name).filter(|_| LISTS.contains(&setting.name)).map(|given| given.value.clone());
            let value = match before {
                Some(before) => format!("{before},{value}"),
                None => value,
            };
            self.given.insert(setting.name, Given { value, origin: "command line" });
        }
        Ok(())
    }

    fn read_file(&mut self, path: &str) -> Result<(), SettingsError> {
        let text = std::fs::read_to_string(PathBuf::from(path)).map_err(|source| SettingsError::File { path: path.to_owned(), source })?;
        let wrong = |detail: String| SettingsError::Toml { path: path.to_owned(), detail };
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| wrong(error.to_string()))?;
        for (key, value) in table {
            // One file may serve all programs: a key of another one is no mistake, a key of none is.
            let setting = TABLE.iter().find(|setting| setting.name == key).ok_or_else(|| wrong(format!("unknown key `{key}`")))?;
            let value = match value {
                toml::Value::String(text) => text,
                toml::Value::Integer(number) => number.to_string(),
                toml::Value::Boolean(on) => on.to_string(),
                other => return Err(wrong(format!("`{key}` must be a string, an integer or a boolean, not {}", other.type_str()))),
            };
            self.given.entry(setting.name).or_insert(Given { value, origin: "configuration file" });
        }
        Ok(())
    }
}

fn default(name: &str) -> Option<String> {
    TABLE.iter().find(|setting| setting.name == name).and_then(|setting| setting.default).map(str::to_owned)
}

fn env_name(name: &str) -> String {
    format!("MEDIASWITCH_{}", name.replace('-', "_").to_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(program: Program, args: &[&str], env: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        Settings::read(program, args.iter().map(Into::into), |name| {
            env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn flag_beats_environment_beats_file_beats_default() {
        let file = std::env::temp_dir().join(format!("mediaswitch-settings-{}.toml", std::process::id()));
        std::fs::write(&file, "sip-port = 5063\nsip-http-port = 9003\nlog-json = true\n").unwrap();
        let config = file.to_str().unwrap();
        let port = |args: &[&str], env: &[(&str, &str)]| read(Program::Sip, args, env).unwrap().require::<u16>("sip-port").unwrap();
        assert_eq!(port(&[], &[]), 5060);
        assert_eq!(port(&["--config", config], &[]), 5063);
        assert_eq!(port(&["--config", config], &[("MEDIASWITCH_SIP_PORT", "5062")]), 5062);
        assert_eq!(port(&["--config", config, "--sp", "5061"], &[("MEDIASWITCH_SIP_PORT", "5062")]), 5061);
        let all = read(Program::Sip, &["--config", config], &[]).unwrap();
        assert!(all.is_set("log-json"));
        assert_eq!(all.require::<u16>("sip-http-port").unwrap(), 9003);
        std::fs::remove_file(file).unwrap();
    }

    #[test]
    fn port_means_the_port_of_the_program_that_is_asked() {
        assert_eq!(read(Program::Rtp, &["--port", "1"], &[]).unwrap().require::<u16>("rtp-http-port").unwrap(), 1);
        assert_eq!(read(Program::Control, &["--port", "2"], &[]).unwrap().require::<u16>("control-port").unwrap(), 2);
        assert!(matches!(read(Program::Mediaswitch, &["--port", "3"], &[]), Err(SettingsError::UnknownFlag(..))));
    }

    #[test]
    fn a_wrong_value_names_the_setting_and_its_origin() {
        let settings = read(Program::Sip, &["--sp=70000"], &[]).unwrap();
        let error = settings.require::<u16>("sip-port").unwrap_err().to_string();
        assert!(error.contains("sip-port = `70000` (from command line)"), "{error}");
    }

    #[test]
    fn an_unknown_key_of_the_file_is_refused() {
        let file = std::env::temp_dir().join(format!("mediaswitch-settings-bad-{}.toml", std::process::id()));
        std::fs::write(&file, "sipport = 5063\n").unwrap();
        let error = read(Program::Sip, &["--config", file.to_str().unwrap()], &[]).unwrap_err().to_string();
        std::fs::remove_file(file).unwrap();
        assert!(error.contains("unknown key `sipport`"), "{error}");
    }

    #[test]
    fn help_names_every_setting_of_the_program_and_no_other() {
        for program in [Program::Sip, Program::Rtp, Program::Control, Program::Mediaswitch] {
            let help = Settings::help(program);
            for setting in TABLE {
                let flag = format!("\n  --{}", setting.name);
                let shown = help.lines().any(|line| line.trim_start().split([',', ' ']).next() == Some(flag.trim()));
                assert_eq!(shown, setting.of.contains(&program), "{} in {}", setting.name, program.name());
            }
        }
    }

    #[test]
    fn the_table_has_no_name_twice_in_one_program() {
        for program in [Program::Sip, Program::Rtp, Program::Control, Program::Mediaswitch] {
            let mut names: Vec<&str> = TABLE
                .iter()
                .filter(|setting| setting.of.contains(&program))
                .flat_map(|setting| {
                    let aliases = setting.aliases.iter().filter(|(_, only)| only.is_none_or(|only| only == program));
                    std::iter::once(setting.name).chain(aliases.map(|(alias, _)| *alias))
                })
                .collect();
            let all = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), all, "{}", program.name());
        }
    }
}
