//! A scenario over a grid: keys that take one value after the other, each with all of the others. Every point is the whole
//! file with other values in some places, read as any other; the files beside it are read once.

use std::path::Path;

use farebox_engine::model::Scenario;

use super::diagnostic::{Diagnostic, Problems, Source, Span, Spanned, quote};
use super::files::Files;
use super::limit;
use super::node::{self, Node};
use super::set::{self, Given, Setting};
use super::{Loaded, Rejected, ScenarioError, lower, overlay, parse_with, text_of};

/// A scenario, and what of it takes several values.
#[derive(Debug)]
pub struct Grid {
    /// The scenario as the file has it.
    pub base: Loaded,
    /// What takes which values; the last one changes with each point.
    pub axes: Vec<Axis>,
    root: Spanned<Node>,
    settings: Vec<Steps>,
    files: Files,
    source: Source,
}

/// One key of a grid.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// The key, as it was asked for: `plans.pro.fee`.
    pub path: String,
    /// What it takes, in order.
    pub values: Vec<AxisValue>,
    /// Which of the values is the file's own, however it is written.
    pub own: Option<usize>,
    /// What the file has there, or what it has by default; `None`: nothing, or no single value.
    pub written: Option<String>,
}

/// One value of a key.
#[derive(Clone, Debug, PartialEq)]
pub struct AxisValue {
    /// As the scenario would have it: `$39/month`.
    pub text: String,
}

/// Where the values of a setting go, and what they are.
#[derive(Debug)]
struct Steps {
    path: Vec<Spanned<String>>,
    values: Vec<Spanned<Node>>,
}

impl Grid {
    /// The grid of a scenario file, or of a variant of it, over these options; each is a path, `=`, and values.
    ///
    /// # Errors
    /// When the file or one of the options is wrong: all that is, but for what only single points of the grid show
    /// ([`Self::check`]).
    pub fn load(path: &Path, variant: Option<&str>, options: &[String]) -> Result<Self, GridError> {
        let (name, text) = (path.display().to_string(), text_of(path)?);
        Self::parse(&name, &text, path.parent().unwrap_or(Path::new("")), variant, options)
    }

    /// As [`Self::load`], from the text of a scenario that has its files in `folder`.
    pub fn parse(
        name: &str,
        text: &str,
        folder: &Path,
        variant: Option<&str>,
        options: &[String],
    ) -> Result<Self, GridError> {
        let files = Files::kept(folder);
        let base = parse_with(name, text, &files, variant).map_err(ScenarioError::Rejected)?;
        let mut problems = Problems::default();
        let root = document(base.source.text(), variant).expect("the file has been found right");
        let mut source = base.source.clone();
        let settings: Vec<Option<Setting>> = options
            .iter()
            .map(|option| {
                let at = source.put_beside(Source::new("--set", option));
                Setting::read(option, at, &mut problems)
            })
            .collect();
        let settings: Vec<Setting> = settings.into_iter().flatten().collect();
        set::check_apart(&settings, &root, &mut problems);
        let currency = Some(base.scenario.currency);
        let places: Vec<_> = settings.iter().map(|it| set::find(it, &root, currency, &mut problems)).collect();
        check_size(&settings, &mut problems);
        if problems.has_errors() {
            return Err(Rejected { source, diagnostics: problems.into_sorted() }.into());
        }
        let (mut axes, mut steps) = (Vec::new(), Vec::new());
        for (setting, place) in settings.into_iter().zip(places.into_iter().flatten()) {
            let given = setting.given(&place, &mut problems);
            let own = given.iter().position(|given| place.is_own(&given.value));
            let values = given.iter().map(|Spanned { value: Given { text, .. }, .. }| AxisValue { text: text.clone() });
            axes.push(Axis { path: setting.name(), values: values.collect(), own, written: place.written() });
            let node_of = |Spanned { span, value }: Spanned<Given>| Spanned { span, value: value.node };
            steps.push(Steps { values: given.into_iter().map(node_of).collect(), path: setting.path });
        }
        if problems.has_errors() {
            return Err(Rejected { source, diagnostics: problems.into_sorted() }.into());
        }
        Ok(Self { base, axes, root, settings: steps, files, source })
    }

    /// How many points it has.
    pub fn points(&self) -> usize {
        self.axes.iter().map(|axis| axis.values.len()).product()
    }

    /// Which value of each axis a point has.
    pub fn at(&self, point: usize) -> Vec<usize> {
        let mut rest = point;
        let mut at: Vec<usize> = self
            .axes
            .iter()
            .rev()
            .map(|axis| {
                let index = rest % axis.values.len();
                rest /= axis.values.len();
                index
            })
            .collect();
        at.reverse();
        at
    }

    /// A point as people name it: `plans.pro.fee=$39/month, plans.pro.includes.requests=50k`.
    pub fn name(&self, point: usize) -> String {
        let named = |(axis, at): (&Axis, usize)| format!("{}={}", axis.path, axis.values[at].text);
        self.axes.iter().zip(self.at(point)).map(named).collect::<Vec<_>>().join(", ")
    }

    /// The scenario at a point. Name, seed and fingerprint are the file's own.
    ///
    /// # Panics
    /// When the point is wrong, which [`Self::check`] says.
    pub fn scenario(&self, point: usize) -> Scenario {
        let found = self.lower(point, &mut Problems::default()).expect("every point is checked before it is played");
        let (name, fingerprint) = (&self.base.scenario.name, &self.base.scenario.fingerprint);
        Scenario { name: name.clone(), fingerprint: fingerprint.clone(), ..found }
    }

    /// What is wrong or odd at a point, and what has no effect in this version; all of it makes the point one that cannot
    /// be played but the warnings.
    pub fn check(&self, point: usize) -> Checked {
        let mut problems = Problems::default();
        self.lower(point, &mut problems);
        let is_right = !problems.has_errors() && problems.unsupported().is_empty();
        Checked { point, is_right, problems }
    }

    /// All that points were found to have: errors as a rejection, else what is odd beside what was odd in the file.
    pub fn said(&self, checked: Vec<Checked>) -> Result<Vec<Diagnostic>, Rejected> {
        let is_right = checked.iter().all(|checked| checked.is_right);
        let mut all = Problems::default();
        // What the file has been told already is not told again.
        self.base.warnings.iter().cloned().for_each(|known| all.push(known));
        for Checked { point, problems, .. } in checked {
            all.absorb(&format!("at {}", quote(&self.name(point))), problems);
        }
        let mut diagnostics = all.into_sorted();
        if !is_right {
            diagnostics.retain(|found| !self.base.warnings.contains(found));
            let as_errors = diagnostics.into_iter().map(Diagnostic::unsupported_as_error);
            return Err(Rejected { source: self.source.clone(), diagnostics: as_errors.collect() });
        }
        diagnostics.retain(|found| !self.base.warnings.contains(found));
        Ok(diagnostics)
    }

    /// What diagnostics of the grid point into: the file, and the options beside it.
    pub fn source(&self) -> &Source {
        &self.source
    }

    fn lower(&self, point: usize, problems: &mut Problems) -> Option<Scenario> {
        let mut root = self.root.clone();
        for (steps, at) in self.settings.iter().zip(self.at(point)) {
            set::put(&mut root, &steps.path, &steps.values[at], problems);
        }
        Some(lower::lower(&root, &self.files, problems)?.scenario)
    }
}

/// What the reading of one point has shown.
#[derive(Debug)]
pub struct Checked {
    point: usize,
    /// Whether it can be played.
    pub is_right: bool,
    problems: Problems,
}

impl Checked {
    /// Whether there is nothing to say of it.
    pub fn is_silent(&self) -> bool {
        self.problems.is_empty()
    }

    /// The number of the point.
    pub fn point(&self) -> usize {
        self.point
    }
}

/// Why there is no grid.
#[derive(Debug, thiserror::Error)]
pub enum GridError {
    /// The file is wrong as it stands, or could not be read.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// The options are.
    #[error(transparent)]
    Options(#[from] Rejected),
}

/// The document of a text, with a variant overlaid.
fn document(text: &str, variant: Option<&str>) -> Option<Spanned<Node>> {
    let mut unheard = Problems::default();
    let root = node::parse(text, &mut unheard)?;
    match variant {
        None => Some(root),
        Some(name) => {
            let variants = overlay::variants(&root, &mut unheard);
            Some(variants.iter().find(|variant| variant.name.value == name)?.of(&root, &mut unheard))
        }
    }
}

/// Refuses a grid with too many points, with their number.
fn check_size(settings: &[Setting], problems: &mut Problems) {
    let points = settings.iter().fold(1_u128, |product, setting| product.saturating_mul(setting.count()));
    let Some(longest) = settings.iter().max_by_key(|setting| setting.count()) else { return };
    if points > limit::POINTS {
        let thousands = farebox_engine::money::thousands;
        let count = if points == u128::MAX { "more than 10³⁸".to_owned() } else { thousands(points) };
        let message = format!("the grid has {count} points, and may have {}", thousands(limit::POINTS));
        let span: Span = longest.values_span();
        problems.push(Diagnostic::error(span, message).help("take larger steps, or fewer values"));
    }
}
