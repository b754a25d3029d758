//! The binary; what it does stands in the library of the same name, where a fuzzer can reach it.

fn main() -> std::process::ExitCode {
    xlvs::main()
}
