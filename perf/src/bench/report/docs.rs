//! The figures of the documentation, written from the reports of `perf/run.sh`: tables between two marks of a page, plots beside it.
//!
//! ```text
//!   DIR/NAME/report.json … ─▶ [renew] ─┬▶ docs/performance.md: all tables         ├▶ docs/figures/*.svg
//!                                      └▶ README.md: one table and the overview   ┘
//! ```
//! Shape:  what stands between [`BEGIN`] and [`END`] is replaced, the rest of a page stays; plots of before are removed.
//! Units:  in the heads of the tables.
//! Errors: text: no reports, a page without its marks, or a report that no page may quote (a debug build, `--quick`).
//! Rule:   "at least" wherever the report has no capacity.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::markdown::{line, text};
use super::plots;
use super::tables::{Named, cores, kernels, overview, packets, results, short, signalling};

/// Begins what is written here.
pub const BEGIN: &str = "<!-- figures: written by perf/renew-docs, not by hand -->";
/// Ends it.
pub const END: &str = "<!-- end of figures -->";

/// Directories of `perf/run.sh`, in the order of the page; others follow.
const ORDER: [&str; 18] = [
    "relay",
    "relay-channels",
    "transcode-pcma",
    "transcode-g722",
    "transcode-ilbc",
    "transcode-l16",
    "mix-3",
    "mix-10",
    "scaling",
    "codecs",
    "register",
    "re-register",
    "calls",
    "calls-rtp",
    "direct-calls",
    "sip-calls",
    "http",
    "channels",
];

/// A section of the page: its head, its table, and its plots, by the directories that may have it (the first that does) and the end of
/// the plot's name.
type Section = (&'static str, fn(&[Named]) -> String, &'static [(&'static [&'static str], &'static str)]);

const SECTIONS: [Section; 4] = [
    (
        "Packets",
        packets,
        &[(&["relay-channels", "relay"], "cost"), (&["relay", "relay-channels"], "lateness"), (&["relay", "relay-channels"], "delay")],
    ),
    ("Registrations and calls", signalling, &[(&["register"], "cost"), (&["calls"], "cost")]),
    ("Codecs alone", kernels, &[(&["codecs"], "levels")]),
    ("Two cores", cores, &[(&["scaling"], "cost")]),
];

/// Writes tables and plots into the tree at `root`; the files written. `anyway` takes reports that no page should quote.
///
/// # Errors
/// See the head of this file.
pub fn renew(reports: &Path, root: &Path, anyway: bool) -> Result<Vec<String>, String> {
    let reports = read(reports, anyway)?;
    let mut written = Vec::new();
    let figures = root.join("docs/figures");
    fs::create_dir_all(&figures).map_err(|error| format!("{}: {error}", figures.display()))?;
    for old in fs::read_dir(&figures).into_iter().flatten().flatten().map(|entry| entry.path()) {
        if old.extension().is_some_and(|end| end == "svg") {
            fs::remove_file(&old).map_err(|error| format!("{}: {error}", old.display()))?;
        }
    }
    let mut draw = |name: &str, svg: &str| {
        let path = figures.join(name);
        written.push(format!("docs/figures/{name}"));
        fs::write(&path, svg).map_err(|error| format!("{}: {error}", path.display()))
    };
    let groups = overview(&reports);
    let overview = if groups.is_empty() { "" } else { "overview.svg" };
    if !groups.is_empty() {
        draw(overview, &plots::overview(&groups)?)?;
    }
    let image = |title: &str, directory: &str, name: &str| format!("![{title}]({directory}/{name})");
    let mut sections = String::new();
    for (head, table, wanted) in SECTIONS {
        let (mut section, mut images) = (table(&reports), String::new());
        if head == "Packets" && !overview.is_empty() {
            line(&mut images, &image("CPU per packet, ours and others", "figures", overview));
        }
        for (directories, kind) in wanted {
            if let Some((name, title, svg)) = drawn(&reports, directories, kind)? {
                draw(&name, &svg)?;
                line(&mut images, &image(&title, "figures", &name));
            }
        }
        if !section.is_empty() {
            section.push('\n');
        }
        if !(section.is_empty() && images.is_empty()) {
            sections.push_str(&format!("\n### {head}\n{section}{images}"));
        }
    }
    let host = host(&reports);
    let overview = if overview.is_empty() { String::new() } else { image("CPU per packet, ours and others", "docs/figures", overview) };
    for (page, figures) in
        [("docs/performance.md", format!("{host}{sections}")), ("README.md", format!("{host}\n{}\n{overview}\n", short(&reports)))]
    {
        let path = root.join(page);
        let before = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let after = between(&before, &figures).ok_or_else(|| format!("{page}: there are no two lines `{BEGIN}` and `{END}`"))?;
        fs::write(&path, after).map_err(|error| format!("{}: {error}", path.display()))?;
        written.push(page.to_owned());
    }
    Ok(written)
}

fn read(directory: &Path, anyway: bool) -> Result<Vec<Named>, String> {
    let entries = fs::read_dir(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let mut reports = Vec::new();
    for path in entries.flatten().map(|entry| entry.path()) {
        let file = path.join("report.json");
        if !file.is_file() {
            continue;
        }
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let json = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let report: Value = serde_json::from_str(&json).map_err(|error| format!("{}: {error}", file.display()))?;
        if !anyway && (report["quick"] == true || report["host"]["debug_build"] == true) {
            return Err(format!("{}: of --quick or a debug build: not to be quoted", file.display()));
        }
        reports.push((name, report));
    }
    let place = |name: &str| ORDER.iter().position(|known| *known == name).unwrap_or(ORDER.len());
    reports.sort_by(|a, b| (place(&a.0), &a.0).cmp(&(place(&b.0), &b.0)));
    if reports.is_empty() {
        Err(format!("{}: no DIRECTORY/report.json in it: perf/run.sh makes them", directory.display()))
    } else {
        Ok(reports)
    }
}

fn between(page: &str, figures: &str) -> Option<String> {
    let (head, rest) = page.split_once(BEGIN)?;
    let (_, tail) = rest.split_once(END)?;
    Some(format!("{head}{BEGIN}\n{}\n{END}{tail}", figures.trim_end()))
}

/// The plot that ends so, of the first of these directories that has it, named after the directory.
fn drawn(reports: &[Named], directories: &[&str], kind: &str) -> Result<Option<plots::Plot>, String> {
    for directory in directories {
        for (_, report) in reports.iter().filter(|(name, _)| name == directory) {
            let plot = plots::all(report)?.into_iter().find(|(file, ..)| file.ends_with(&format!("-{kind}.svg")));
            if let Some((_, title, svg)) = plot {
                return Ok(Some((format!("{directory}-{kind}.svg"), title, svg)));
            }
        }
    }
    Ok(None)
}

fn host(reports: &[Named]) -> String {
    let Some((_, report)) = reports.first() else { return String::new() };
    let host = &report["host"];
    let day = date(report["unix_time"].as_u64().unwrap_or(0));
    let kind = if host["virtual"] == true { "a virtual machine" } else { "bare metal" };
    let cpus = host["cpus"].as_array().map_or(0, Vec::len);
    let mut out = format!(
        "`perf/run.sh` of {day}, commit {}: {}, {cpus} CPUs of {kind}, Linux {}, {} s each.",
        text(&host["commit"]),
        text(&host["cpu"]),
        text(&host["kernel"]),
        text(&report["seconds_each"])
    );
    let sum = |key: &str| -> u64 {
        reports.iter().flat_map(|(_, report)| results(report)).filter_map(|result| result["attempts"][key].as_u64()).sum()
    };
    let (all, by_load, by_host) = (sum("all"), sum("generator_was_limit"), sum("stalled_by_host"));
    out.push_str(&format!(" Of {all} loads played, {by_load} have no verdict because the load generator was the limit, and {by_host} because the host stalled them.\n"));
    out
}

/// Day of a time of Unix, as `2026-11-23`; the Gregorian calendar counted from 0000-03-01, whose eras have 146 097 days.
fn date(unix: u64) -> String {
    let days = unix / 86_400 + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    format!("{}-{month:02}-{day:02}", era * 400 + year_of_era + u64::from(month <= 2))
}

#[cfg(test)]
mod tests {
    use super::super::tests::example;
    use super::*;

    fn tree(name: &str) -> std::path::PathBuf {
        let root = std::env::temp_dir().join(format!("bench-docs-{}-{name}", std::process::id()));
        for (file, words) in [("docs/performance.md", "# Head\n"), ("README.md", "# Top\n")] {
            let file = root.join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, format!("{words}{BEGIN}\nold\n{END}\nfoot\n")).unwrap();
        }
        for run in ["relay-channels", "relay"] {
            fs::create_dir_all(root.join("out").join(run)).unwrap();
            fs::write(root.join("out").join(run).join("report.json"), example().to_string()).unwrap();
        }
        root
    }

    #[test]
    fn tables_and_plots_stand_between_the_marks_and_twice_is_as_once() {
        let root = tree("good");
        let written = renew(&root.join("out"), &root, true).unwrap();
        let page = || fs::read_to_string(root.join("docs/performance.md")).unwrap();
        let first = page();
        assert!(first.starts_with("# Head\n") && first.ends_with("\nfoot\n") && !first.contains("\nold\n"), "{first}");
        for wanted in [
            "| relay pcmu | **1200** | 7.8 | 1.10 (1.00 to 1.20), at 600 |",
            "- relay pcmu: no more, since 2400 channels: 3 packets lost of 480000",
            "packet on two media cores costs **1.10 (1.00 to 1.20)**",
            "### Codecs alone\n| codec",
            "| g722 | avx2 |",
            "| register with digest | **9000** |",
            "Kamailio 1.10 (1.00 to 1.20)",
            "| http GET /status | at least 10000 |",
            "4 because the host stalled them",
            "(figures/relay-channels-cost.svg)",
        ] {
            assert!(first.contains(wanted), "{wanted} is not in\n{first}");
        }
        let readme = fs::read_to_string(root.join("README.md")).unwrap();
        assert!(
            readme.contains("| calls with media | **400** a second | 900 a call |") && readme.contains("docs/figures/overview.svg"),
            "{readme}"
        );
        for file in &written {
            assert!(root.join(file).is_file(), "{file}");
        }
        fs::write(root.join("docs/figures/gone.svg"), "").unwrap();
        assert_eq!(renew(&root.join("out"), &root, true).unwrap(), written);
        assert!(page() == first && !root.join("docs/figures/gone.svg").exists());
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn what_no_page_may_quote_and_a_page_without_marks_are_refused() {
        let root = tree("bad");
        assert!(renew(&root.join("docs"), &root, true).is_err_and(|why| why.contains("perf/run.sh")));
        let mut quick = example();
        quick["quick"] = Value::Bool(true);
        fs::write(root.join("out/relay/report.json"), quick.to_string()).unwrap();
        assert!(renew(&root.join("out"), &root, false).is_err_and(|why| why.contains("not to be quoted")));
        fs::write(root.join("README.md"), "# Top\n").unwrap();
        assert!(renew(&root.join("out"), &root, true).is_err_and(|why| why.contains("README.md")));
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        assert_eq!([0, 951_782_400, 1_795_392_000].map(date), ["1970-01-01", "2000-02-29", "2026-11-23"]);
    }

    #[test]
    fn the_pages_of_this_tree_have_their_marks() {
        for page in [include_str!("../../../../docs/performance.md"), include_str!("../../../../README.md")] {
            assert!(between(page, "x").is_some_and(|page| page.contains("not by hand -->\nx\n<!-- end")));
        }
    }
}
