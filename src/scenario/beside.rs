//! Files that a scenario names: found beside it, never outside of its folder.

use std::io;
use std::path::{Component, Path, PathBuf};

use super::diagnostic::{Diagnostic, Spanned, quote};

/// The file on disk, once it is certain that it is inside the scenario's folder; `noun` is what messages call it.
pub(super) fn locate(folder: &Path, file: Spanned<&str>, noun: &str) -> Result<PathBuf, Diagnostic> {
    let (name, span) = (file.value, file.span);
    let outside = || {
        let problem =
            Diagnostic::error(span, format!("the {noun} {} is outside of the scenario's folder", quote(name)));
        problem.help("put the file beside the scenario, and write its path from there")
    };
    if !Path::new(name).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
        return Err(outside());
    }
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let resolve = |path: &Path| path.canonicalize().map_err(|error| unreadable(file, noun, &error));
    let path = resolve(&folder.join(name))?;
    if !path.starts_with(resolve(folder)?) {
        return Err(outside());
    }
    if !path.is_file() {
        return Err(Diagnostic::error(span, format!("the {noun} {} is not a file", quote(name))));
    }
    Ok(path)
}

/// A file that is there, and cannot be read.
pub(super) fn unreadable(file: Spanned<&str>, noun: &str, error: &io::Error) -> Diagnostic {
    let problem = Diagnostic::error(file.span, format!("cannot read the {noun} {}: {error}", quote(file.value)));
    problem.help(format!("{noun}s are found beside the scenario"))
}
