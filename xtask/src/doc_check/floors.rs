//! The floors of the house as ARCHITECTURE.md draws them: table rows `| number | `crate` … | …`.

use std::collections::BTreeMap;

/// The floor of each crate; a crate named twice is an error.
pub(super) fn parse(architecture: &str) -> Result<BTreeMap<String, u32>, String> {
    let mut floors = BTreeMap::new();
    for line in architecture.lines() {
        let mut cells = line.trim().strip_prefix('|').unwrap_or_default().split('|').map(str::trim);
        let Some(floor) = cells.next().and_then(|cell| cell.parse().ok()) else { continue };
        for name in code_words(cells.next().unwrap_or_default()) {
            if floors.insert(name.to_owned(), floor).is_some() {
                return Err(format!("ARCHITECTURE.md puts `{name}` on two floors"));
            }
        }
    }
    if floors.is_empty() {
        return Err("ARCHITECTURE.md has no table of floors (rows like \"| 0 | `wire` | … |\")".to_owned());
    }
    Ok(floors)
}

/// The words between backticks.
pub(super) fn code_words(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[cfg(test)]
mod tests {
    use super::parse;

    const TABLE: &str = "# House\n\n| floor | crates | |\n|---|---|---|\n| 0 | `wire` | bytes |\n| 2 | `api` `dataplane`, `ebpf` | touch |\n";

    #[test]
    fn reads_every_crate_of_a_row() {
        let floors = parse(TABLE).expect("a good table");
        assert_eq!(
            floors.into_iter().collect::<Vec<_>>(),
            [("api".to_owned(), 2), ("dataplane".to_owned(), 2), ("ebpf".to_owned(), 2), ("wire".to_owned(), 0)]
        );
    }

    #[test]
    fn a_crate_lives_on_one_floor() {
        let twice = format!("{TABLE}| 3 | `wire` | again |\n");
        assert_eq!(parse(&twice), Err("ARCHITECTURE.md puts `wire` on two floors".to_owned()));
    }

    #[test]
    fn a_page_without_the_table_is_an_error() {
        assert!(parse("# House\n\n| a | b |\n").is_err());
    }
}
