//! The files beside a scenario. Where it is read again and again, as for a grid, each of them is read once and kept.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use farebox_engine::model::Trace;

use super::diagnostic::{Diagnostic, Problems};
use super::trace::{self, Request};

/// Where a scenario's files are, and what has been read of them.
#[derive(Debug)]
pub(super) struct Files {
    folder: PathBuf,
    kept: Option<Kept>,
}

/// What has been read so far.
#[derive(Debug, Default)]
struct Kept {
    traces: Shelf<(Trace, [u8; 32])>,
    measured: Shelf<Measured>,
}

/// The values of a file, in order, and the hash of it.
pub(super) type Measured = (Arc<[f64]>, [u8; 32]);

impl Files {
    /// The files in a folder, of which nothing is kept: a trace may be as large as the memory.
    pub(super) fn of(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), kept: None }
    }

    /// The files in a folder, each read once.
    pub(super) fn kept(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), kept: Some(Kept::default()) }
    }

    /// Where they are.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A trace and the hash of it; `None` once something was wrong with it, which has been noted.
    pub(super) fn trace(&self, request: &Request<'_>, problems: &mut Problems) -> Option<(Trace, [u8; 32])> {
        let Some(Kept { traces, .. }) = &self.kept else { return trace::read(request, problems) };
        // All that says how it is read, but for the places in the scenario.
        let Request { file, time, consumer, route, attributes, meters, routes, .. } = request;
        let columns = (time.value, consumer.map(|it| it.value), route.map(|it| it.value));
        let attributes: Vec<_> = attributes.iter().map(|(name, column)| (name, column.value)).collect();
        let routes: Vec<_> = routes.iter().map(|route| &route.path).collect();
        let Request { consumers, hand_out, repeat, horizon, .. } = request;
        let how = (consumers, hand_out, repeat.value, horizon);
        let key = format!("{:?}", (file.value, columns, attributes, meters, routes, how));
        traces.take(key, problems, |problems| trace::read(request, problems))
    }

    /// The values of a file, as they are read with `scale`; `None` once something was wrong, which has been noted.
    pub(super) fn measured(
        &self,
        file: &str,
        scale: f64,
        problems: &mut Problems,
        read: impl FnOnce(&mut Problems) -> Option<Measured>,
    ) -> Option<Measured> {
        match &self.kept {
            Some(Kept { measured, .. }) => measured.take(format!("{:?}", (file, scale)), problems, read),
            None => read(problems),
        }
    }
}

/// What has been read, by how, with what was said of it then.
#[derive(Debug)]
struct Shelf<T>(Mutex<Vec<Entry<T>>>);

#[derive(Debug)]
struct Entry<T> {
    key: String,
    read: Option<T>,
    said: Vec<Diagnostic>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Shelf<T> {
    /// What this key stands for. It is read by the first who asks, while others wait; what was said of it is said again.
    fn take(&self, key: String, problems: &mut Problems, read: impl FnOnce(&mut Problems) -> Option<T>) -> Option<T> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = entries.iter().position(|entry| entry.key == key);
        let at = known.unwrap_or_else(|| {
            let mut said = Problems::default();
            let read = read(&mut said);
            entries.push(Entry { key, read, said: said.into_sorted() });
            entries.len() - 1
        });
        let Entry { read, said, .. } = &entries[at];
        said.iter().cloned().for_each(|problem| problems.push(problem));
        read.clone()
    }
}
