//! How much there is, and how many tokens it took.

use std::collections::BTreeMap;

use axum::Json;
use serde::Serialize;
use sessiondb::{SessionFilter, limits::PAGE_MAX};
use utoipa::ToSchema;

use crate::{access::Access, problem::Problem, request::Query};

/// What the sessions that match have together.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct Usage {
    /// How many sessions.
    sessions: u64,
    /// How many messages they show.
    messages: u64,
    /// How many messages are in their own logs, shown or hidden.
    stored: u64,
    /// Tokens used, as their writers counted.
    token_usage: u64,
}

/// The sum, and what each family and status has of it.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct UsageReport {
    total: Usage,
    groups: Vec<Group>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Group {
    family: String,
    status: String,
    #[serde(flatten)]
    usage: Usage,
}

impl Usage {
    fn add(&mut self, session: &sessiondb::Session) {
        self.sessions += 1;
        self.messages = self.messages.saturating_add(session.message_count);
        self.stored = self.stored.saturating_add(session.log_count);
        self.token_usage = self.token_usage.saturating_add(session.token_usage);
    }
}

/// How many sessions match, with how many messages, and how many tokens were used in them. It looks at each of them; `limit`
/// and `cursor` mean nothing here.
#[utoipa::path(get, path = "/v1/usage", tag = "sessions", params(SessionFilter), responses((status = 200, body = UsageReport)))]
pub(crate) async fn get(
    access: Access,
    Query(filter): Query<SessionFilter>,
) -> Result<Json<UsageReport>, Problem> {
    if !(1..=PAGE_MAX).contains(&filter.limit) {
        return Err(Problem::invalid(format!("limit is 1 to {PAGE_MAX}, though it means nothing here")));
    }
    // What never changes in a session, so that none is met twice while others are changed.
    let order = sessiondb::SessionOrder::CreatedOldest;
    let mut filter = SessionFilter { limit: PAGE_MAX, after: None, order, ..filter };
    let (mut total, mut groups) = (Usage::default(), BTreeMap::<(String, String), Usage>::new());
    loop {
        let page = access.store.session_list(&filter).await?;
        for session in &page.sessions {
            total.add(session);
            groups.entry((session.family.clone(), session.status.clone())).or_default().add(session);
        }
        filter.after = page.next;
        if filter.after.is_none() {
            break;
        }
    }
    let groups =
        groups.into_iter().map(|((family, status), usage)| Group { family, status, usage }).collect();
    Ok(Json(UsageReport { total, groups }))
}
