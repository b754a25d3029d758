//! `doc-check`: the house rules that a compiler does not know. Facts are gathered once (`facts`), the rules are pure
//! functions of them (`rules`), the floors of the house are read from ARCHITECTURE.md (`floors`).

mod facts;
mod floors;
mod rules;

use anyhow::{Result, bail};

use facts::Facts;

/// What a rule has to say.
#[derive(Debug, PartialEq, Eq)]
enum Finding {
    /// Must be put right.
    Wrong(String),
    /// To be answered by whoever changes the place next.
    Question(String),
}

pub(crate) fn run() -> Result<()> {
    let facts = Facts::gather()?;
    let findings = rules::review(&facts);
    let mut wrong = 0;
    for finding in &findings {
        match finding {
            Finding::Wrong(text) => {
                wrong += 1;
                eprintln!("doc-check: {text}");
            }
            Finding::Question(text) => eprintln!("doc-check: question: {text}"),
        }
    }
    if wrong > 0 {
        bail!("{wrong} house rule(s) broken");
    }
    eprintln!("doc-check: {} crates keep the rules", facts.members.len());
    Ok(())
}
