//! JSON given as an option.

use sessiondb::Json;

use crate::exit::Failure;

/// The JSON text given for `option`.
///
/// # Errors
/// Bad input, naming the option.
pub fn parse(option: &str, text: &str) -> Result<Json, Failure> {
    Json::parse(text).map_err(|error| Failure::from(error).at(option))
}
