//! xlvs.toml of any content.

use model::Config;

const FILE: &str = "xlvs.toml";

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Config::parse_toml(text, FILE) {
        Ok(config) => {
            let json = serde_json::to_string(&config).unwrap_or_else(|error| panic!("{error} in {config:?}"));
            let again: Config = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error} in {json}"));
            assert_eq!(again, config, "through JSON");
        }
        Err(error) => {
            let message = error.to_string();
            assert!(message.starts_with(FILE), "no place: {message}");
            assert!(
                !message.contains(|letter: char| letter.is_control() && letter != '\n'),
                "control letters: {message:?}"
            );
        }
    }
}
