//! A walk along the table, for tests that look at every key.

use super::{SCENARIO, Shape, Table};

/// A place in the table: the path to it, and what stands there.
pub(in crate::scenario) type Visit<'a> = dyn FnMut(&str, &'static Shape, Option<&'static super::Key>) + 'a;

/// Visits everything once for each path that leads to it; `*` is a name of the user's own, `[]` an item of a list. What
/// an overlay is laid over is visited at its own place.
pub(in crate::scenario) fn walk(visit: &mut Visit<'_>) {
    table(&SCENARIO, "", visit);
}

fn table(of: &'static Table, path: &str, visit: &mut Visit<'_>) {
    let behind = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    for key in of.keys {
        place(&behind(key.name), &key.shape, Some(key), visit);
    }
    if let Some(named) = &of.named {
        place(&behind("*"), &named.shape, None, visit);
    }
}

fn place(path: &str, shape: &'static Shape, key: Option<&'static super::Key>, visit: &mut Visit<'_>) {
    visit(path, shape, key);
    match shape {
        Shape::Map(of) | Shape::OneOrMap(_, of) => table(of, path, visit),
        Shape::List(list) => place(&format!("{path}[]"), &list.item, None, visit),
        Shape::One(_) | Shape::Overlay(_) => {}
    }
}
