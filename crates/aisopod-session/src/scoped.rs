//! Handles that are confined to one agent, and the one list that is not.

use sessiondb::Scope;

use crate::{Error, Result, SessionFilter, SessionStore, SessionSummary, error::invalid};

impl SessionStore {
    /// A handle of one agent, with the same methods. For a key of another agent each of them answers
    /// [`AccessDenied`](Error::AccessDenied), whether there is such a session or not, and lists have this agent's
    /// sessions alone, whatever the filter says. So does [`sessiondb`](SessionStore::sessiondb) of that handle, in its
    /// own words.
    ///
    /// ```
    /// # use aisopod_session::{SessionKey, SessionStore};
    /// # let store = SessionStore::new_in_memory()?;
    /// let key = SessionKey::new("support", "discord", "bot-1", "dm", "ann");
    /// let error = store.scoped("sales")?.get(&key).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "access denied: agent 'sales' cannot access sessions owned by agent 'support'"
    /// );
    /// # Ok::<(), aisopod_session::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`AccessDenied`](Error::AccessDenied) if this handle is another agent's already.
    pub fn scoped(&self, agent_id: &str) -> Result<SessionStore> {
        match self.agent_id() {
            Some(own) if own != agent_id => {
                Err(Error::AccessDenied { agent_id: own.into(), owner: agent_id.into() })
            }
            _ => Ok(SessionStore { store: self.store.scoped(Scope::agent(agent_id))? }),
        }
    }

    /// The agent that this handle is confined to, if it is.
    pub fn agent_id(&self) -> Option<&str> {
        self.store.scope().parts().first().map(String::as_str)
    }

    /// The sessions of all agents that match, the last changed first. For the administrator: an agent's handle cannot.
    ///
    /// # Errors
    /// [`Invalid`](sessiondb::Error::Invalid) on a handle of one agent; otherwise as [`list`](SessionStore::list).
    pub fn list_all_sessions(&self, filter: &SessionFilter) -> Result<Vec<SessionSummary>> {
        if let Some(agent_id) = self.agent_id() {
            return Err(invalid(format!("access denied: agent '{agent_id}' cannot list all sessions")));
        }
        self.list(filter)
    }
}
