//! Rule: a crate depends only on the crates that the list allows.

use super::Finding;
use super::edges_list::{DEV, DEV_ANYWHERE, NORMAL};
use crate::workspace::{Kind, Package};

const LIST: &str = "xtask/src/tidy/edges_list.rs";

/// Every edge between our crates that the list does not allow.
pub(super) fn check(packages: &[Package]) -> Vec<Finding> {
    let ours = |name: &str| packages.iter().any(|package| package.name == name);
    let mut findings = Vec::new();
    for package in packages {
        let manifest = format!("{}/Cargo.toml", package.folder);
        if listed(NORMAL, &package.name).is_none() {
            let what = format!("crate `{}` is not on the list of crates", package.name);
            let advice = format!("add it to {LIST} with the crates it may depend on");
            findings.push(Finding::new(&manifest, 1, what, advice));
            continue;
        }
        for (dependency, kind) in &package.dependencies {
            if ours(dependency) && !allowed(&package.name, dependency, *kind) {
                let tests = if *kind == Kind::Dev {
                    "the tests of "
                } else {
                    ""
                };
                let what = format!(
                    "{tests}`{}` must not depend on `{dependency}`",
                    package.name
                );
                let advice = format!(
                    "move the code to where the dependency is allowed, or, if the design changes, \
                     add the edge to {LIST} and say why"
                );
                findings.push(Finding::new(&manifest, 1, what, advice));
            }
        }
    }
    findings
}

fn allowed(from: &str, to: &str, kind: Kind) -> bool {
    let in_list = |list| listed(list, from).is_some_and(|names| names.contains(&to));
    match kind {
        Kind::Normal => in_list(NORMAL),
        Kind::Dev => in_list(NORMAL) || in_list(DEV) || DEV_ANYWHERE.contains(&to) || from == to,
    }
}

fn listed(list: &'static [(&str, &[&str])], name: &str) -> Option<&'static [&'static str]> {
    list.iter()
        .find(|(from, _)| *from == name)
        .map(|(_, to)| *to)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, dependencies: &[(&str, Kind)]) -> Package {
        let dependencies = dependencies
            .iter()
            .map(|(n, k)| ((*n).to_owned(), *k))
            .collect();
        Package {
            name: name.to_owned(),
            folder: name.to_owned(),
            library: true,
            dependencies,
        }
    }

    fn found(from: &str, to: &str, kind: Kind) -> Vec<Finding> {
        check(&[
            package(from, &[(to, kind), ("serde", Kind::Normal)]),
            package(to, &[]),
        ])
    }

    #[test]
    fn the_bootloader_must_not_know_the_network() {
        assert!(found("otaru-bootloader", "otaru-record", Kind::Normal).is_empty());
        for forbidden in ["otaru-ddi", "otaru-runtime-agent"] {
            let findings = found("otaru-bootloader", forbidden, Kind::Normal);
            assert_eq!(findings.len(), 1, "{findings:?}");
            assert!(findings[0].what.contains(forbidden));
        }
    }

    #[test]
    fn the_simulated_world_is_for_tests_only() {
        assert!(found("otaru-bootloader", "otaru-sim", Kind::Dev).is_empty());
        assert_eq!(
            found("otaru-bootloader", "otaru-sim", Kind::Normal).len(),
            1
        );
    }

    #[test]
    fn a_crate_that_is_not_listed_is_reported() {
        let findings = check(&[package("otaru-new", &[])]);
        assert!(findings[0].what.contains("otaru-new"));
    }

    #[test]
    fn normal_edges_have_no_cycle() {
        fn visit(name: &str, path: &mut Vec<String>) {
            assert!(
                !path.iter().any(|seen| seen == name),
                "cycle: {path:?} -> {name}"
            );
            path.push(name.to_owned());
            for to in listed(NORMAL, name).unwrap_or_default() {
                visit(to, path);
            }
            path.pop();
        }
        for (name, _) in NORMAL {
            visit(name, &mut Vec::new());
        }
    }
}
