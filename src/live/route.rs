//! Which route of the scenario a request is for.

use farebox_engine::model::Route;

/// The routes of a scenario, longest path first: the most specific one that a request's path begins with wins.
#[derive(Debug)]
pub(crate) struct Routes(Vec<(Box<str>, u16)>);

impl Routes {
    pub(crate) fn new(routes: &[Route]) -> Self {
        let path = |(index, route): (usize, &Route)| (route.path.trim_end_matches('/').into(), index as u16);
        let mut routes: Vec<(Box<str>, u16)> = routes.iter().enumerate().map(path).collect();
        routes.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
        Self(routes)
    }

    /// The route of a path: the same, or one with more segments behind it.
    pub(crate) fn find(&self, path: &str) -> Option<u16> {
        let is_in = |(route, _): &&(Box<str>, u16)| {
            path.strip_prefix(&**route).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.0.iter().find(is_in).map(|(_, index)| *index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_route_that_a_path_begins_with_wins() {
        let routes = ["/v1", "/v1/chat/completions", "/v1/chat"];
        let routes = routes.map(|path| Route { path: path.to_owned(), attributes: Vec::new() });
        let routes = Routes::new(&routes);
        let found =
            ["/v1/chat/completions", "/v1/chat/x", "/v1/chats", "/v1/", "/v2", "/"].map(|path| routes.find(path));
        assert_eq!(found, [Some(1), Some(2), Some(0), Some(0), None, None]);
        let only = Routes::new(&[Route { path: "/".to_owned(), attributes: Vec::new() }]);
        assert_eq!(["/", "/any/thing"].map(|path| only.find(path)), [Some(0); 2]);
    }
}
