//! Searching.
use crate::{RepositoryError, SessionFilters};

pub(crate) struct Wanted;
impl Wanted {
    pub(crate) fn new(_: &SessionFilters) -> Result<Wanted, RepositoryError> {
        Ok(Wanted)
    }
}
