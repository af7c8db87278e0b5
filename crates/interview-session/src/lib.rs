//! Interview sessions and their state.
