//! The folder that a command writes its results to, all of them or none.
//!
//! Results gather in a hidden sibling of the folder and take its place when they are complete, so a reader never meets
//! half a report, and a run that fails leaves the earlier one as it was. A folder is replaced only when every file in
//! it was written by an earlier run: a list of them lies in it (`.farebox`), and anything else is somebody's.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::exit::{Exit, Failure};

/// The file that makes a folder ours: the other files' names, one a line.
const LIST: &str = ".farebox";

/// Why results cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum OutError {
    /// There is something that no run of ours has written.
    #[error("`{}` is not Farebox's to replace: it holds `{}`", folder.display(), found.display())]
    Foreign {
        /// The folder that was asked for.
        folder: PathBuf,
        /// What was found in it, relative to it.
        found: PathBuf,
    },
    /// There is a file where the folder should be.
    #[error("`{}` is a file, and results need a folder", .0.display())]
    File(PathBuf),
    /// The file system refused.
    #[error("cannot {doing} `{}`", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

impl From<OutError> for Failure {
    fn from(error: OutError) -> Self {
        let hint = match &error {
            OutError::Foreign { .. } => "choose another folder with `--out`, or move what is yours out of it",
            OutError::File(_) => "choose a folder with `--out`",
            OutError::Io { .. } => "`--out DIR` writes the results elsewhere",
        };
        let failure = Self::new(Exit::Environment, error.to_string()).hint(hint);
        match error {
            OutError::Io { source, .. } => failure.because(source),
            OutError::Foreign { .. } | OutError::File(_) => failure,
        }
    }
}

/// Puts a file in its place, whole: a reader meets the old one or the new one.
pub fn put(path: &Path, text: &str) -> io::Result<()> {
    // What is no file, such as `/dev/stdout`, has no place to be put in.
    if fs::metadata(path).is_ok_and(|it| !it.is_file()) {
        return fs::write(path, text);
    }
    let beside = sibling(path, "partial");
    let put = fs::write(&beside, text).and_then(|()| fs::rename(&beside, path));
    if put.is_err() {
        fs::remove_file(&beside).unwrap_or_default();
    }
    put
}

/// A folder of results that is being written. Dropped without [`OutDir::commit`] it leaves everything as it was.
#[derive(Debug)]
pub struct OutDir {
    folder: PathBuf,
    /// Where the results gather; a sibling, so that taking the folder's place is a rename within one file system.
    gathering: PathBuf,
    written: BTreeSet<PathBuf>,
}

impl OutDir {
    /// Where the results of a scenario go unless `--out` says otherwise.
    pub fn default_for(scenario: &str) -> PathBuf {
        // A name that is no plain file name must not lead out of `reports/`.
        let plain = |c: char| if c.is_alphanumeric() || c == '-' { c } else { '_' };
        Path::new("reports").join(scenario.chars().map(plain).collect::<String>())
    }

    /// Takes the folder for the results of this run, before the run starts: what stands in the way is found out now.
    pub fn claim(folder: &Path) -> Result<Self, OutError> {
        let asked = folder;
        let folder = resolve(asked)?;
        check_ours(&folder)?;
        let gathering = sibling(&folder, "partial");
        // Messages name what was asked for; where the results gather is nobody's concern.
        fs::create_dir_all(&gathering).map_err(failed("create", asked))?;
        Ok(Self { folder, gathering, written: BTreeSet::new() })
    }

    /// The folder, as messages name it.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Adds a result; `name` may contain folders, as in `charts/latency.svg`.
    ///
    /// # Panics
    /// When the name leads out of the folder, or is the list's own.
    pub fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), OutError> {
        let name = Path::new(name);
        let inside = name.components().all(|part| matches!(part, Component::Normal(_)));
        assert!(inside && name != Path::new(LIST), "the names of results are fixed in the code and stay in the folder");
        let path = self.gathering.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(failed("write", &self.folder.join(name)))?;
        }
        fs::write(&path, bytes).map_err(failed("write", &self.folder.join(name)))?;
        self.written.insert(name.to_owned());
        Ok(())
    }

    /// Puts the results in place of those of the earlier run. A reader sees the old folder or the new one, and for the
    /// instant between two renames none, but never a mixture.
    pub fn commit(self) -> Result<(), OutError> {
        let list: Vec<String> = self.written.iter().map(|name| name.display().to_string()).collect();
        let path = self.gathering.join(LIST);
        fs::write(&path, list.join("\n")).map_err(failed("write", &self.folder.join(LIST)))?;
        // A long run has passed since the folder was claimed.
        check_ours(&self.folder)?;
        let earlier = sibling(&self.folder, "earlier");
        let replaces = self.folder.exists();
        if replaces {
            fs::rename(&self.folder, &earlier).map_err(failed("replace", &self.folder))?;
        }
        if let Err(error) = fs::rename(&self.gathering, &self.folder) {
            if replaces {
                fs::rename(&earlier, &self.folder).map_err(failed("restore", &self.folder))?;
            }
            return Err(failed("replace", &self.folder)(error));
        }
        if replaces {
            fs::remove_dir_all(&earlier).map_err(failed("remove", &earlier))?;
        }
        Ok(())
    }
}

impl Drop for OutDir {
    fn drop(&mut self) {
        // After a commit there is nothing left; otherwise the failure that brought us here is the one to be told.
        fs::remove_dir_all(&self.gathering).unwrap_or_default();
    }
}

/// The folder's true and absolute path: a link to a folder stays, and what it points to is replaced.
fn resolve(folder: &Path) -> Result<PathBuf, OutError> {
    match fs::canonicalize(folder) {
        Ok(path) if path.is_dir() => Ok(path),
        Ok(_) => Err(OutError::File(folder.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let absolute = std::path::absolute(folder).map_err(failed("find", folder))?;
            // A link that leads nowhere is not found, and yet there.
            let free = absolute.file_name().is_some() && fs::symlink_metadata(&absolute).is_err();
            if free { Ok(absolute) } else { Err(failed("create", folder)(error)) }
        }
        Err(error) => Err(failed("open", folder)(error)),
    }
}

/// Refuses a folder that holds anything that is not on its list; one that is empty, or not there, is free.
fn check_ours(folder: &Path) -> Result<(), OutError> {
    let list = folder.join(LIST);
    let ours = match fs::read_to_string(&list) {
        Ok(names) => names.lines().map(PathBuf::from).chain([PathBuf::from(LIST)]).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeSet::new(),
        Err(error) => return Err(failed("read", &list)(error)),
    };
    match files_in(folder, folder)?.into_iter().find(|file| !ours.contains(file)) {
        Some(found) => Err(OutError::Foreign { folder: folder.to_owned(), found }),
        None => Ok(()),
    }
}

/// Every file below `folder`, relative to `root`, in order; links are not followed. A folder that is not there has none.
fn files_in(folder: &Path, root: &Path) -> Result<Vec<PathBuf>, OutError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed("read", folder))?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed("read", folder))?;
        let path = entry.path();
        if entry.file_type().map_err(failed("read", &path))?.is_dir() {
            files.extend(files_in(&path, root)?);
        } else {
            files.extend(path.strip_prefix(root).map(Path::to_owned));
        }
    }
    files.sort();
    Ok(files)
}

/// A hidden name beside `folder` that no other run uses.
fn sibling(folder: &Path, what: &str) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = folder.file_name().expect("a resolved folder has a name").to_string_lossy();
    let (process, nth) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    folder.with_file_name(format!(".{name}.{process}-{nth}.{what}"))
}

fn failed<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> OutError + 'a {
    move |source| OutError::Io { doing, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An empty folder of its own for each test, gone with it.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(test: &str) -> Self {
            let path = std::env::temp_dir().join(format!("farebox-out-{test}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn everything(&self) -> Vec<String> {
            files_in(&self.0, &self.0).unwrap().iter().map(|file| file.display().to_string()).collect()
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    fn publish(folder: &Path, results: &[(&str, &str)]) -> Result<(), OutError> {
        let mut out = OutDir::claim(folder)?;
        for (name, text) in results {
            out.write(name, text.as_bytes())?;
        }
        out.commit()
    }

    #[test]
    fn a_later_run_replaces_an_earlier_one_whole() {
        let scratch = Scratch::new("replace");
        let folder = scratch.0.join("reports/quickstart");
        publish(&folder, &[("outcome.json", "1"), ("charts/latency.svg", "<svg/>")]).unwrap();
        publish(&folder, &[("outcome.json", "2"), ("summary.md", "two")]).unwrap();
        assert_eq!(fs::read_to_string(folder.join("outcome.json")).unwrap(), "2");
        let left = ["reports/quickstart/.farebox", "reports/quickstart/outcome.json", "reports/quickstart/summary.md"];
        assert_eq!(scratch.everything(), left);
    }

    #[test]
    fn an_unfinished_run_leaves_the_earlier_results() {
        let scratch = Scratch::new("unfinished");
        let folder = scratch.0.join("quickstart");
        publish(&folder, &[("outcome.json", "1")]).unwrap();
        let mut out = OutDir::claim(&folder).unwrap();
        out.write("outcome.json", b"half").unwrap();
        assert_eq!(fs::read_to_string(folder.join("outcome.json")).unwrap(), "1");
        drop(out);
        assert_eq!(fs::read_to_string(folder.join("outcome.json")).unwrap(), "1");
        assert_eq!(scratch.everything(), ["quickstart/.farebox", "quickstart/outcome.json"]);
    }

    /// `--out .` in somebody's project must not cost them the project.
    #[test]
    fn what_somebody_else_wrote_is_never_replaced() {
        let scratch = Scratch::new("foreign");
        fs::write(scratch.0.join("thesis.tex"), "ten years").unwrap();
        let refused = OutDir::claim(&scratch.0).unwrap_err();
        assert!(matches!(&refused, OutError::Foreign { found, .. } if found == Path::new("thesis.tex")), "{refused}");
        let file = scratch.0.join("thesis.tex");
        assert!(matches!(OutDir::claim(&file), Err(OutError::File(_))));
        assert_eq!(scratch.everything(), ["thesis.tex"]);
    }

    /// Also when it was added to one of our own folders, and even while the run was on.
    #[test]
    fn a_note_that_somebody_added_to_our_results_is_kept() {
        let scratch = Scratch::new("note");
        let folder = scratch.0.join("quickstart");
        publish(&folder, &[("outcome.json", "1")]).unwrap();
        let out = OutDir::claim(&folder).unwrap();
        fs::write(folder.join("notes.md"), "ask finance").unwrap();
        assert!(matches!(out.commit(), Err(OutError::Foreign { .. })));
        assert!(matches!(OutDir::claim(&folder), Err(OutError::Foreign { .. })));
        assert_eq!(scratch.everything(), ["quickstart/.farebox", "quickstart/notes.md", "quickstart/outcome.json"]);
    }

    /// Found out before the run, not when its results are to be put in place.
    #[test]
    fn a_link_that_leads_nowhere_is_refused() {
        let scratch = Scratch::new("nowhere");
        let link = scratch.0.join("link");
        std::os::unix::fs::symlink("nowhere", &link).unwrap();
        assert!(matches!(OutDir::claim(&link), Err(OutError::Io { .. })));
    }

    #[test]
    fn two_runs_into_one_folder_do_not_mix() {
        let scratch = Scratch::new("two");
        let folder = scratch.0.join("quickstart");
        let (mut first, mut second) = (OutDir::claim(&folder).unwrap(), OutDir::claim(&folder).unwrap());
        first.write("outcome.json", b"first").unwrap();
        second.write("summary.md", b"second").unwrap();
        first.commit().unwrap();
        second.commit().unwrap();
        assert_eq!(scratch.everything(), ["quickstart/.farebox", "quickstart/summary.md"]);
    }

    #[test]
    fn a_scenarios_name_cannot_lead_out_of_the_reports() {
        assert_eq!(OutDir::default_for("quota-cut"), Path::new("reports/quota-cut"));
        assert_eq!(OutDir::default_for("../../etc"), Path::new("reports/______etc"));
        assert_eq!(OutDir::default_for("."), Path::new("reports/_"));
    }
}
