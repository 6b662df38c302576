//! Which route of the scenario a request is for.

use farebox_engine::model::Route;

/// The routes of a scenario, longest path first: the one that a request's path is, else the most specific one that it
/// begins with.
#[derive(Debug)]
pub(crate) struct Routes(Vec<Known>);

#[derive(Debug)]
struct Known {
    path: Box<str>,
    /// Its path without the slash at the end: `/v1` and `/v1/` begin the same paths, and are two routes all the same.
    stem: Box<str>,
    index: u16,
}

impl Routes {
    pub(crate) fn new(routes: &[Route]) -> Self {
        let known = |(index, route): (usize, &Route)| Known {
            path: route.path.as_str().into(),
            stem: route.path.trim_end_matches('/').into(),
            index: index as u16,
        };
        let mut routes: Vec<Known> = routes.iter().enumerate().map(known).collect();
        routes.sort_by_key(|route| std::cmp::Reverse(route.path.len()));
        Self(routes)
    }

    /// The route of a path: the same, or one with more segments behind it.
    pub(crate) fn find(&self, path: &str) -> Option<u16> {
        let is_in = |route: &&Known| {
            path.strip_prefix(&*route.stem).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let same = self.0.iter().find(|route| *route.path == *path);
        same.or_else(|| self.0.iter().find(is_in)).map(|route| route.index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_route_that_a_path_begins_with_wins() {
        let routes = ["/v1", "/v1/chat/completions", "/v1/chat"];
        let routes = routes.map(|path| Route { path: path.to_owned(), upstream: 0, attributes: Vec::new() });
        let routes = Routes::new(&routes);
        let found =
            ["/v1/chat/completions", "/v1/chat/x", "/v1/chats", "/v1/", "/v2", "/"].map(|path| routes.find(path));
        assert_eq!(found, [Some(1), Some(2), Some(0), Some(0), None, None]);
        let twice = ["/v1", "/v1/"].map(|path| Route { path: path.to_owned(), upstream: 0, attributes: Vec::new() });
        let twice = Routes::new(&twice);
        assert_eq!(["/v1", "/v1/", "/v1/x"].map(|path| twice.find(path)), [Some(0), Some(1), Some(1)]);
        let only = Routes::new(&[Route { path: "/".to_owned(), upstream: 0, attributes: Vec::new() }]);
        assert_eq!(["/", "/any/thing"].map(|path| only.find(path)), [Some(0); 2]);
    }
}
