//! What is broken off at any of its commits, before or after it happened, is brought in line by doing it again.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use ait42_session::{
    DualWrite, RepositoryError, SessionRepository as _, SqliteSessionRepository, WorktreeSession,
    migration::{Authority, OnConflict, cut_over, import, rollback},
    sessiondb::MemoryBackend,
};

use crate::{
    engine::{Engine, Then, repository},
    support::{Place, message, session, sessions},
};

type Done<'a> = Pin<Box<dyn Future<Output = std::result::Result<(), RepositoryError>> + 'a>>;

/// Breaks this off at each of its commits, on a place that was made ready by `ready`, and then looks whether `again`
/// brings both sides in line. Answers at how many commits it was broken off.
async fn broken_off_everywhere(
    ready: impl AsyncFn(&Place),
    act: impl for<'a> Fn(SqliteSessionRepository, &'a Place) -> Done<'a>,
    again: impl AsyncFn(&Place),
) -> usize {
    for commits in 0.. {
        let mut was_gone = false;
        for last_happens in [false, true] {
            let inner = MemoryBackend::new();
            let place = Place::with(repository(Arc::new(inner.clone())));
            ready(&place).await;
            let gone = Arc::new(AtomicBool::new(false));
            let (done, dead) = (AtomicUsize::new(0), Arc::clone(&gone));
            let mut dying = Engine::new(inner);
            dying.on_commit = Box::new(move || {
                if done.fetch_add(1, Ordering::SeqCst) < commits {
                    return Then::GoOn;
                }
                dead.store(true, Ordering::SeqCst);
                if last_happens { Then::DieAfter } else { Then::DieBefore }
            });
            // Whether it was answered or not: it is in both sides or in none.
            let _ = act(repository(Arc::new(dying)), &place).await;
            again(&place).await;
            let what = format!("after {commits} commits, the next {last_happens}");
            assert_eq!(place.differences().await, [""; 0], "{what}");
            assert_eq!(place.dual().await.status().await.unwrap(), [], "{what}");
            was_gone |= gone.load(Ordering::SeqCst);
        }
        if !was_gone {
            return commits;
        }
    }
    0
}

async fn ready(place: &Place, authority: Authority) {
    place.put("abc", &sessions(0..4));
    place.import().await;
    if authority == Authority::Store {
        assert!(cut_over(&place.store, place.dir()).await.unwrap().changed);
    }
}

async fn replay(place: &Place) {
    // What comes next finds nothing that it takes for somebody else's.
    let dual = place.dual().await;
    dual.add_chat_message_in("abc", "comp-0", message("next", "")).await.unwrap();
    assert_eq!(dual.replay().await.unwrap(), []);
}

#[tokio::test]
async fn a_change_that_is_broken_off_anywhere_is_on_both_sides_or_on_none() {
    type Act = fn(DualWrite) -> Done<'static>;
    let acts: [Act; 4] = [
        |dual| Box::pin(async move { dual.add_chat_message("comp-3", message("m", "")).await }),
        |dual| Box::pin(async move { dual.delete_session("abc", "comp-2").await }),
        |dual| Box::pin(async move { dual.select_winner("abc", "comp-1", 1, None).await.map(drop) }),
        |dual| {
            Box::pin(async move {
                let new = WorktreeSession::new("s1".into(), "new".into(), "debate".into(), "task".into());
                dual.create_session(new).await.map(drop)
            })
        },
    ];
    for authority in [Authority::Json, Authority::Store] {
        for act in acts {
            let commits = broken_off_everywhere(
                async |place| ready(place, authority).await,
                |store, place| {
                    let dir = place.dir();
                    Box::pin(async move { act(DualWrite::open(store, dir).await?).await })
                },
                replay,
            )
            .await;
            // With the store: the change, what is about to be written, and that it was.
            assert_eq!(commits, if authority == Authority::Store { 3 } else { 1 });
        }
    }
}

#[tokio::test]
async fn an_import_that_is_broken_off_goes_on() {
    let commits = broken_off_everywhere(
        async |place| {
            ready(place, Authority::Json).await;
            place.put("abc", &sessions(2..6));
            place.put("def", &[session(1)]);
        },
        |store, place| {
            Box::pin(async move {
                let progress = &mut |_| {};
                import(&store, place.dir(), OnConflict::Keep, progress).await.map(drop)
            })
        },
        async |place| assert!(place.import().await.is_clean()),
    )
    .await;
    assert_eq!(commits, 2, "one a file");
}

#[tokio::test]
async fn the_authority_moves_wholly_or_not_at_all() {
    let there = broken_off_everywhere(
        async |place| {
            ready(place, Authority::Json).await;
            place.put("def", &[session(1)]);
        },
        |store, place| Box::pin(async move { cut_over(&store, place.dir()).await.map(drop) }),
        async |place| {
            cut_over(&place.store, place.dir()).await.unwrap();
            replay(place).await;
        },
    )
    .await;
    assert_eq!(there, 2, "what is new is imported, then the authority moves");
    let back = broken_off_everywhere(
        async |place| {
            ready(place, Authority::Store).await;
            place.store.delete_session("abc", "comp-1").await.unwrap();
        },
        |store, place| Box::pin(async move { rollback(&store, place.dir()).await.map(drop) }),
        async |place| {
            rollback(&place.store, place.dir()).await.unwrap();
            replay(place).await;
        },
    )
    .await;
    assert!(back >= 3, "{back}");
}
