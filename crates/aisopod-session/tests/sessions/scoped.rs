//! Handles of one agent.

use aisopod_session::{
    CompactionStrategy, Error, HistoryQuery, SessionFilter, SessionPatch, SessionStatus, SessionStore,
    sessiondb,
};

use crate::{both, key, said, texts};

/// Defect g of the upstream store: sessions could be read without naming an agent, a filter by channel dropped the one
/// by agent, and the command line, as an agent "admin", could see nothing at all.
#[test]
fn defect_g_an_agent_sees_its_own_sessions_and_the_administrator_all() {
    both(|store| {
        let (mine, theirs, free) =
            (key("a", "discord", "1"), key("b", "discord", "2"), key("b", "slack", "3"));
        store.get_or_create(&mine).unwrap();
        store.get_or_create(&theirs).unwrap();
        store.append_messages(&theirs, &[said("secret")]).unwrap();
        let agent = store.scoped("a").unwrap();
        let patch = SessionPatch { status: Some(SessionStatus::Idle), ..SessionPatch::default() };
        let strategy = CompactionStrategy::HardClear { keep_recent: 0 };
        for key in [&theirs, &free] {
            let errors = [
                agent.get(key).unwrap_err(),
                agent.get_or_create(key).unwrap_err(),
                agent.patch(key, &patch).unwrap_err(),
                agent.patch(key, &SessionPatch::default()).unwrap_err(),
                agent.add_token_usage(key, 1).unwrap_err(),
                agent.append_messages(key, &[said("x")]).unwrap_err(),
                agent.append_messages(key, &[]).unwrap_err(),
                agent.get_history(key, &HistoryQuery::default()).unwrap_err(),
                agent.get_history(key, &HistoryQuery::newest(0)).unwrap_err(),
                agent.compact(key, &strategy, None).unwrap_err(),
                agent.compact(key, &CompactionStrategy::Summarize { keep_recent: 0 }, None).unwrap_err(),
                agent.compact_as_of(key, 1, &strategy, None).unwrap_err(),
                agent.uncompact(key).unwrap_err(),
                agent.get_compaction_record(key).unwrap_err(),
                agent.delete(key).unwrap_err(),
                agent.sessiondb().session(key).unwrap_err().into(),
                agent.sessiondb().fork(key, &mine, None).unwrap_err().into(),
            ];
            for error in errors {
                // The same words whether there is such a session or not.
                assert_eq!(
                    error.to_string(),
                    "access denied: agent 'a' cannot access sessions owned by agent 'b'"
                );
                assert!(matches!(error, Error::AccessDenied { .. }));
            }
        }
        assert_eq!(store.get(&free).unwrap(), None, "nothing was created");
        assert_eq!(texts(store, &theirs, None), ["secret"]);

        let listed = |store: &SessionStore, filter| -> Vec<String> {
            store.list(&filter).unwrap().into_iter().map(|summary| summary.key.peer_id).collect()
        };
        let all = SessionFilter::default;
        assert_eq!(listed(&agent, all()), ["1"]);
        assert_eq!(listed(&agent, SessionFilter { channel: Some("discord".into()), ..all() }), ["1"]);
        assert_eq!(listed(&agent, SessionFilter { agent_id: Some("b".into()), ..all() }), [""; 0]);
        let everything = store.list_all_sessions(&all()).unwrap();
        assert_eq!(everything.iter().map(|s| s.key.agent_id.as_str()).collect::<Vec<_>>(), ["b", "a"]);
        let of_b = SessionFilter { agent_id: Some("b".into()), ..all() };
        assert_eq!(store.list_all_sessions(&of_b).unwrap().len(), 1);
        let error = agent.list_all_sessions(&all()).unwrap_err();
        assert_eq!(error.to_string(), "access denied: agent 'a' cannot list all sessions");
    });
}

#[test]
fn an_agents_handle_does_its_own_work_and_cannot_be_widened() {
    both(|store| {
        let agent = store.scoped("a").unwrap();
        let key = key("a", "discord", "1");
        agent.get_or_create(&key).unwrap();
        agent.append_messages(&key, &[said("one"), said("two")]).unwrap();
        agent.compact(&key, &CompactionStrategy::HardClear { keep_recent: 1 }, None).unwrap();
        assert_eq!(texts(&agent, &key, None), ["two"]);
        assert_eq!((store.agent_id(), agent.agent_id()), (None, Some("a")));
        assert_eq!(agent.scoped("a").unwrap().list(&SessionFilter::default()).unwrap().len(), 1);
        let wider = agent.scoped("b").err().unwrap();
        assert_eq!(wider.to_string(), "access denied: agent 'a' cannot access sessions owned by agent 'b'");
        assert!(agent.sessiondb().scoped(sessiondb::Scope::all()).is_err());
        assert!(agent.delete(&key).unwrap());
    });
}
