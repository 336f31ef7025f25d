//! From the name in `require(name)` to the file that is meant.
//!
//! ```text
//!   projectcontrol ──► lib:/index.js        projectqueue ──► lib:/queue/index.js        ./x within lib:/ ──► lib:/x.js
//!   ./x ../x /x    ──► x, x.js, x.json, x/index.js       other ──► node_modules/other, here and above
//! ```
//! Shape:  names are absolute, with forward slashes; a file is at most [`SOURCE_MAX`] bytes.
//! Errors: a sentence for the script's exception.
//! Blocks: files are read at once, as `require` must; that happens while a script starts.
//! Source: Node's resolution of CommonJS modules, without its built-in ones.

use std::path::{Component, Path, PathBuf};

use crate::library;

/// The file meant by `name`, asked for by a module in `directory`.
///
/// # Errors
/// Nothing of that name is to be found.
pub fn resolve(directory: &str, name: &str) -> Result<String, String> {
    let missing = || format!("cannot find module '{name}' from {directory}");
    if name == "projectcontrol" {
        return Ok(library::PROJECTCONTROL.into());
    }
    if name == "projectqueue" {
        return Ok(library::PROJECTQUEUE.into());
    }
    let relative = name.starts_with("./") || name.starts_with("../") || name == "." || name == "..";
    if let Some(inside) = directory.strip_prefix("lib:") {
        let path = normal(&Path::new(if inside.is_empty() { "/" } else { inside }).join(name));
        let path = format!("lib:{}", path.display());
        return [path.clone(), format!("{path}.js"), format!("{path}/index.js")]
            .into_iter()
            .find(|path| library::source(path).is_some())
            .ok_or_else(missing);
    }
    if relative || name.starts_with('/') {
        return file(&normal(&Path::new(directory).join(name))).ok_or_else(missing);
    }
    let above = Path::new(directory).ancestors();
    above.map(|folder| folder.join("node_modules").join(name)).find_map(|path| package(&path)).ok_or_else(|| {
        let builtin = name.starts_with("node:") || NODE_ONLY.contains(&name);
        let hint = if builtin { "; it is part of Node: run the script with node to use it" } else { "" };
        format!("{}{hint}", missing())
    })
}

/// Text of a file that [`resolve`] named.
///
/// # Errors
/// It cannot be read, is not UTF-8, or too large.
pub fn source(name: &str) -> Result<String, String> {
    if let Some(text) = library::source(name) {
        return Ok(text.to_owned());
    }
    let size = std::fs::metadata(name).map_err(|error| format!("cannot read {name}: {error}"))?.len();
    if size > SOURCE_MAX {
        return Err(format!("{name} has {size} bytes, {SOURCE_MAX} are allowed"));
    }
    std::fs::read_to_string(name).map_err(|error| format!("cannot read {name}: {error}"))
}

fn package(path: &Path) -> Option<String> {
    // The one field that matters, found without a JSON parser: scripts may bring packages, they seldom do.
    let main = std::fs::read_to_string(path.join("package.json")).ok().and_then(|text| {
        let (_, rest) = text.split_once("\"main\"")?;
        rest.split('"').nth(1).map(str::to_owned)
    });
    main.and_then(|main| file(&normal(&path.join(main)))).or_else(|| file(path))
}

fn file(path: &Path) -> Option<String> {
    let text = path.to_str()?;
    let tries = [text.to_owned(), format!("{text}.js"), format!("{text}.json"), format!("{text}/index.js")];
    tries.into_iter().find(|path| Path::new(path).is_file())
}

/// Without `.` and `..`, by the text alone.
fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

const SOURCE_MAX: u64 = 4 << 20;
const NODE_ONLY: &[&str] = &["fs", "http", "https", "net", "os", "path", "crypto", "url", "util", "events", "child_process", "stream"];

#[cfg(test)]
mod tests {
    use super::resolve;

    #[test]
    fn the_library_is_found_by_its_name_and_within_itself() {
        assert_eq!(resolve("/anywhere", "projectcontrol").unwrap(), "lib:/index.js");
        assert_eq!(resolve("/anywhere", "projectqueue").unwrap(), "lib:/queue/index.js");
        assert_eq!(resolve("lib:/", "./call.js").unwrap(), "lib:/call.js");
        assert_eq!(resolve("lib:/", "./codecs").unwrap(), "lib:/codecs.js");
        assert_eq!(resolve("lib:/host", "./embedded.js").unwrap(), "lib:/host/embedded.js");
        assert!(resolve("lib:/", "../../../etc/passwd").is_err());
    }

    #[test]
    fn scripts_find_their_own_files_and_are_told_what_only_node_has() {
        let here = env!("CARGO_MANIFEST_DIR");
        assert_eq!(resolve(here, "../sdp").unwrap(), std::path::Path::new(here).with_file_name("sdp.js").to_str().unwrap());
        assert!(resolve(here, "./nothing").unwrap_err().contains("./nothing"));
        assert!(resolve(here, "fs").unwrap_err().contains("part of Node"));
    }
}
