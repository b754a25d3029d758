//! What a configuration changes, for people.

use api::Plan;
use model::Fate;

/// `xlvs plan`
pub(crate) fn plan(plan: &Plan, against: &str) -> String {
    let end = match plan.changes.len() {
        0 => format!("nothing would change (against {against})"),
        _ => format!("{} (against {against})", counted(plan)),
    };
    lines(plan) + &end + "\n"
}

/// `xlvs apply`
pub(crate) fn applied(plan: &Plan, confirm_within: Option<u32>) -> String {
    let generation = plan.generation;
    let end = match (plan.changes.len(), confirm_within) {
        (0, None) => format!("nothing to change, generation {generation}"),
        (_, None) => format!("{}, generation {generation}", counted(plan)),
        (_, Some(seconds)) => {
            let counted = counted(plan);
            format!("{counted}, generation {generation}; rolled back in {seconds} s unless you say: xlvs confirm")
        }
    };
    lines(plan) + &end + "\n"
}

/// `xlvs confirm`
pub(crate) fn confirmed(interfaces: &[String], configuration: bool) -> String {
    let configuration = if configuration { "the configuration stays\n" } else { "" };
    if interfaces.is_empty() {
        return configuration.to_owned();
    }
    format!("{configuration}{} stays attached\n", interfaces.join(" "))
}

fn lines(plan: &Plan) -> String {
    let changes = plan.changes.iter().map(|change| format!("{change}\n"));
    changes.chain(plan.notes.iter().map(|note| format!("note: {note}\n"))).collect()
}

/// `3 changes: 1 added, 2 changed`
fn counted(plan: &Plan) -> String {
    let kinds = [(Fate::Added, "added"), (Fate::Changed, "changed"), (Fate::Removed, "removed")];
    let each = kinds.into_iter().filter_map(|(fate, word)| {
        let count = plan.changes.iter().filter(|change| change.fate == fate).count();
        (count > 0).then(|| format!("{count} {word}"))
    });
    let each = each.collect::<Vec<_>>().join(", ");
    format!("{}: {each}", super::count(plan.changes.len(), "change"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Config;

    #[test]
    fn plans_are_counted() {
        let config = "[[service]]\nlisten = \"tcp 192.0.2.1:80\"\nmethod = \"nat\"\nservers = [\"10.0.0.1:80\"]\n";
        let config = Config::parse_toml(config, "xlvs.toml").unwrap();
        let changes = model::differences(&Config::default(), &config);
        let full = Plan { generation: 8, changes, notes: vec!["mind the gap".to_owned()] };
        let body = "+ tcp 192.0.2.1:80 wlc\n+ tcp 192.0.2.1:80 -> 10.0.0.1:80 nat weight 1\nnote: mind the gap\n";
        assert_eq!(plan(&full, "nothing"), format!("{body}2 changes: 2 added (against nothing)\n"));
        assert_eq!(applied(&full, None), format!("{body}2 changes: 2 added, generation 8\n"));
        let end = "2 changes: 2 added, generation 8; rolled back in 60 s unless you say: xlvs confirm\n";
        assert_eq!(applied(&full, Some(60)), format!("{body}{end}"));
        let empty = Plan { generation: 8, ..Plan::default() };
        assert_eq!(plan(&empty, "k.conf"), "nothing would change (against k.conf)\n");
        assert_eq!(applied(&empty, None), "nothing to change, generation 8\n");
    }

    #[test]
    fn what_is_confirmed() {
        assert_eq!(confirmed(&["eth0".to_owned()], false), "eth0 stays attached\n");
        assert_eq!(confirmed(&[], true), "the configuration stays\n");
        assert_eq!(confirmed(&["eth0".to_owned()], true), "the configuration stays\neth0 stays attached\n");
    }
}
