//! One target, named by `XLVS_FUZZ_TARGET`, under libFuzzer; in an ordinary build, a replay of the files named, or a list.
#![cfg_attr(fuzzing, no_main)]

/// Names the target.
const VARIABLE: &str = "XLVS_FUZZ_TARGET";

fn chosen() -> &'static fuzz::Target {
    let name = std::env::var(VARIABLE).unwrap_or_default();
    fuzz::target(&name).unwrap_or_else(|| {
        let names: Vec<&str> = fuzz::TARGETS.iter().map(|target| target.name).collect();
        panic!("{VARIABLE} is to be one of {}", names.join(", "))
    })
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    static TARGET: std::sync::OnceLock<&'static fuzz::Target> = std::sync::OnceLock::new();
    (TARGET.get_or_init(chosen).run)(data);
});

/// Without a target, the list of them: name, right, law.
#[cfg(not(fuzzing))]
#[expect(clippy::print_stdout, reason = "the list is what is asked for")]
fn main() -> std::io::Result<()> {
    if std::env::var_os(VARIABLE).is_none() {
        for target in fuzz::TARGETS {
            println!("{}\t{}\t{}", target.name, if target.needs_root { "root" } else { "user" }, target.law);
        }
        return Ok(());
    }
    let target = chosen();
    for file in std::env::args_os().skip(1) {
        eprintln!("{}: {}", target.name, std::path::Path::new(&file).display());
        (target.run)(&std::fs::read(&file)?);
    }
    Ok(())
}
