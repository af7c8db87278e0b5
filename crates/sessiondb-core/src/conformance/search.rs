//! Searches: what was said, in whichever session.

use super::examples::{json, key, open, said, say, second, to};
use crate::{Commit, Error, Fork, Hit, HitPage, NewMessage, Scope, Search, SessionKey, Store, Write, limits};

/// The hits of a search, to its end.
async fn all(store: &Store, search: &Search) -> Vec<Hit> {
    let (mut hits, mut search) = (Vec::new(), search.clone());
    loop {
        let HitPage { hits: found, next } = store.search(&search).await.unwrap();
        assert!(found.len() <= search.limit, "more than were asked for");
        hits.extend(found);
        assert!(next.is_none() || next < search.cursor.or(Some(u64::MAX)), "a cursor that does not go on");
        search.cursor = next;
        if search.cursor.is_none() {
            return hits;
        }
    }
}

/// Where this is said: peers and numbers.
async fn places(store: &Store, q: &str) -> Vec<(String, u64)> {
    let hits = all(store, &Search::new(q).unwrap()).await;
    hits.into_iter().map(|hit| (hit.key.peer_id, hit.seq)).collect()
}

fn at(peer: &str, seq: u64) -> (String, u64) {
    (peer.to_owned(), seq)
}

fn marked(hit: &Hit) -> String {
    let mark = |piece: &crate::Piece| match piece.found {
        true => format!("[{}]", piece.text),
        false => piece.text.clone(),
    };
    hit.snippet.iter().map(mark).collect()
}

/// A hit says where, who, when, and what, with the words in their context.
pub async fn words_are_found_in_every_session(store: Store) {
    store.commit_one(open("ann").write(say(&["where is my Order 17?"])).at(second(1))).await.unwrap();
    store.commit_one(open("bob").write(say(&["no", "an order, please"])).at(second(2))).await.unwrap();
    let hits = all(&store, &Search::new("order").unwrap()).await;
    let Hit { key: of, seq, role, created_at, shown, .. } = &hits[0];
    assert_eq!((of, seq, role.as_str(), created_at, shown), (&key("bob"), &2, "user", &second(2), &true));
    let texts: Vec<String> = hits.iter().map(marked).collect();
    assert_eq!(texts, ["an [order], please", "where is my [Order] 17?"]);
    assert_eq!(places(&store, "orde").await, []);
    assert_eq!(places(&store, "ORDE*").await, [at("bob", 2), at("ann", 1)]);
}

/// Whoever was told that a message is stored finds it.
pub async fn what_was_answered_is_found_at_once(store: Store) {
    for n in 1..=40 {
        store.append(&key("ann"), vec![said(&format!("number{n} is told"))]).await.unwrap();
        assert_eq!(places(&store, &format!("number{n}")).await, [at("ann", n)]);
        assert_eq!(places(&store, "told").await.len() as u64, n);
        if n % 10 == 0 {
            store.optimize().await.unwrap();
        }
    }
}

/// In any order, but what is quoted or written together stands together.
pub async fn all_words_must_be_in_one_message(store: Store) {
    let texts = ["cargo test --all", "test the cargo", "cargo", "test", "see src/lib.rs", "lib of rs"];
    store.commit_one(open("ann").write(say(&texts))).await.unwrap();
    assert_eq!(places(&store, "test cargo").await, [at("ann", 2), at("ann", 1)]);
    assert_eq!(places(&store, "\"cargo test\"").await, [at("ann", 1)]);
    assert_eq!(places(&store, "\"cargo te\"*").await, [at("ann", 1)]);
    assert_eq!(places(&store, "lib.rs").await, [at("ann", 5)]);
    assert_eq!(places(&store, "lib rs").await, [at("ann", 6), at("ann", 5)]);
    // What means something in other languages of search is a word here.
    assert_eq!(places(&store, "cargo OR test").await, []);
    assert_eq!(places(&store, "NOT cargo").await, []);
}

/// Of JSON the strings are searched, of tool calls too, and not the names of members.
pub async fn words_of_blocks_and_calls_are_found(store: Store) {
    let blocks =
        json(r#"[{"type":"text","text":"one\ntwo"},{"type":"tool_use","input":{"path":"/etc/hosts"}}]"#);
    let called = NewMessage {
        tool_calls: Some(json(r#"[{"function":{"name":"run","arguments":"{\"command\":\"git\\tlog\"}"}}]"#)),
        ..NewMessage::new("assistant", "three")
    };
    let image = json(format!(r#"{{"data":"{}"}}"#, "abc".repeat(limits::SEARCH_BLOB_BYTES)));
    let messages = vec![NewMessage::new("user", blocks), called, NewMessage::new("user", image)];
    store.append(&key("ann"), messages).await.unwrap();
    for (q, seq) in [("two", 1), ("hosts", 1), ("run git log", 2), ("three", 2)] {
        assert_eq!(places(&store, q).await, [at("ann", seq)], "{q}");
    }
    for q in ["text", "tool_use", "input", "command", "arguments", "abc*"] {
        assert_eq!(places(&store, q).await, [], "{q}");
    }
}

/// Case, accents and width do not count, and a script without spaces is searched letter by letter.
pub async fn words_in_every_script_are_found(store: Store) {
    let texts = [
        "Éclair ｆｕｌｌ",
        "我们的数据库很快",
        "Ёлка и straße",
        "한국어 검색",
        "ที่นี่",
        "नमस्ते दुनिया",
        "カタカナ",
    ];
    store.commit_one(open("ann").write(say(&texts))).await.unwrap();
    for _ in 0..2 {
        for (seq, queries) in [
            (1, &["eclair", "ÉCLAIR", "full"][..]),
            (2, &["数据库", "数据", "快"]),
            (3, &["елка", "STRAßE"]),
            (4, &["검색", "한국*"]),
            (5, &["ที่", "นี่"]),
            (6, &["दुनिया"]),
            (7, &["タカ", "ｶﾀｶﾅ"]),
        ] {
            for q in queries {
                assert_eq!(places(&store, q).await, [at("ann", seq)], "{q}");
            }
        }
        assert_eq!(places(&store, "据数").await, []);
        store.optimize().await.unwrap();
    }
}

/// Whatever their own times say, and while more is stored.
pub async fn the_last_stored_is_found_first_page_by_page(store: Store) {
    for n in 0..30_i64 {
        let commit = open(&format!("p{}", n % 4)).write(say(&[&format!("word {n}")])).at(second(100 - n));
        store.commit_one(commit).await.unwrap();
        if n == 11 {
            store.optimize().await.unwrap();
        }
    }
    let of = |hits: &[Hit]| hits.iter().map(marked).collect::<Vec<_>>();
    let wanted: Vec<String> = (0..30).rev().map(|n| format!("[word] {n}")).collect();
    for limit in [1, 7, 29, 30, 1_000] {
        let search = Search { limit, ..Search::new("word").unwrap() };
        assert_eq!(of(&all(&store, &search).await), wanted, "in pages of {limit}");
    }
    let first = store.search(&Search { limit: 10, ..Search::new("word").unwrap() }).await.unwrap();
    store.append(&key("new"), vec![said("word new")]).await.unwrap();
    let rest = Search { cursor: first.next, ..Search::new("word").unwrap() };
    assert_eq!(of(&all(&store, &rest).await), wanted[10..]);
}

/// A handle finds nothing outside its scope, and a search nothing outside the one that it names.
pub async fn a_search_stays_inside_its_scope(store: Store) {
    let keys = [
        "support:slack:T1:dm:ann",
        "support:slack:T2:dm:ann",
        "support:email::dm:ann",
        "sales:slack:T1:dm:ann",
    ];
    for text in keys {
        let key: SessionKey = text.parse().unwrap();
        store.append(&key, vec![said("the secret word")]).await.unwrap();
    }
    for _ in 0..2 {
        for (scope, count) in [
            ("*", 4),
            ("support:*", 3),
            ("support:slack:*", 2),
            ("support:slack:T1:*", 1),
            ("support:slack:T1:dm:ann", 1),
            ("sales:*", 1),
            ("nobody:*", 0),
            ("support:slack:T1:dm:nobody", 0),
        ] {
            let scope: Scope = scope.parse().unwrap();
            let search = Search { scope: scope.clone(), ..Search::new("secret").unwrap() };
            let hits = all(&store, &search).await;
            assert_eq!(hits.len(), count, "{scope}");
            assert!(hits.iter().all(|hit| scope.contains(&hit.key)), "{hits:?}");
            let scoped = store.scoped(scope.clone()).unwrap();
            assert_eq!(all(&scoped, &Search::new("secret").unwrap()).await, hits, "{scope}");
            let sales = Search { scope: Scope::agent("sales"), ..Search::new("secret").unwrap() };
            let expected = usize::from(count == 4 || scope == Scope::agent("sales"));
            assert_eq!(all(&scoped, &sales).await.len(), expected, "sales within {scope}");
        }
        store.optimize().await.unwrap();
    }
}

/// By who said it and when; the bounds are not included.
pub async fn a_search_can_be_narrowed(store: Store) {
    for n in 1..=4 {
        let role = if n % 2 == 0 { "assistant" } else { "user" };
        let message = NewMessage::new(role, "word");
        store.commit_one(open("ann").write(Write::Append(vec![message])).at(second(n))).await.unwrap();
    }
    for _ in 0..2 {
        let word = || Search::new("word").unwrap();
        for (search, seqs) in [
            (Search { roles: vec!["user".into()], ..word() }, &[3, 1][..]),
            (Search { roles: vec!["user".into(), "assistant".into()], ..word() }, &[4, 3, 2, 1]),
            (Search { roles: vec!["tool".into()], ..word() }, &[]),
            (Search { after: Some(second(2)), ..word() }, &[4, 3]),
            (Search { before: Some(second(3)), ..word() }, &[2, 1]),
            (Search { after: Some(second(1)), before: Some(second(4)), limit: 1, ..word() }, &[3, 2]),
        ] {
            let found: Vec<u64> = all(&store, &search).await.iter().map(|hit| hit.seq).collect();
            assert_eq!(found, seqs, "{search:?}");
        }
        store.optimize().await.unwrap();
    }
}

/// A compaction hides its messages from a model, not from people who look for them.
pub async fn what_a_view_hides_is_found_and_marked(store: Store) {
    store.commit_one(open("ann").write(say(&["word a", "word b", "word c"]))).await.unwrap();
    store.compact(&key("ann"), 1, Some(said("a word of summary"))).await.unwrap();
    let shown = |hits: Vec<Hit>| hits.into_iter().map(|hit| (hit.seq, hit.shown)).collect::<Vec<_>>();
    let hits = all(&store, &Search::new("word").unwrap()).await;
    assert_eq!(shown(hits), [(4, true), (3, true), (2, false), (1, false)]);
    store.rewind(&key("ann"), 4).await.unwrap();
    let hits = all(&store, &Search::new("word").unwrap()).await;
    assert_eq!(shown(hits), [(4, true), (3, false), (2, false), (1, false)]);
}

/// A message is told once: under its own session, or, where that is gone or out of sight, under a fork that has it.
pub async fn what_a_fork_inherited_is_found_once(store: Store) {
    store.commit_one(open("ann").write(say(&["word one", "word two"]))).await.unwrap();
    store.optimize().await.unwrap();
    let fork = |peer: &str, at| {
        let fork = Fork { parent: key("ann"), at, status: None, metadata: None };
        to(peer).write(Write::Fork(fork))
    };
    store.commit_one(fork("bob", Some(1))).await.unwrap();
    store.commit_one(fork("cid", None)).await.unwrap();
    store.append(&key("bob"), vec![said("word three")]).await.unwrap();
    let foreign = SessionKey::new("other", "cli", "", "dm", "dan");
    let parent = Fork { parent: key("ann"), at: None, status: None, metadata: None };
    store.commit_one(Commit::new(foreign.clone()).write(Write::Fork(parent))).await.unwrap();
    for _ in 0..2 {
        assert_eq!(places(&store, "word").await, [at("bob", 2), at("ann", 2), at("ann", 1)]);
        // In one session all that it may show is found.
        let within = async |scope: Scope| {
            let hits = all(&store, &Search { scope, ..Search::new("word").unwrap() }).await;
            hits.into_iter().map(|hit| (hit.key.peer_id, hit.seq)).collect::<Vec<_>>()
        };
        let one = |key: &SessionKey| key.parts().into_iter().fold(Scope::all(), Scope::narrow);
        assert_eq!(within(one(&key("bob"))).await, [at("bob", 2), at("bob", 1)]);
        assert_eq!(within(one(&key("cid"))).await, [at("cid", 2), at("cid", 1)]);
        assert_eq!(within(Scope::agent("other")).await, [at("dan", 2), at("dan", 1)]);
        store.optimize().await.unwrap();
    }
    store.session_delete(&key("ann")).await.unwrap();
    for _ in 0..2 {
        assert_eq!(places(&store, "word").await, [at("bob", 2), at("cid", 2), at("bob", 1)]);
        let other = Search { scope: Scope::agent("other"), ..Search::new("word").unwrap() };
        assert_eq!(all(&store, &other).await.len(), 2);
        store.optimize().await.unwrap();
    }
    store.session_delete(&key("bob")).await.unwrap();
    assert_eq!(places(&store, "word").await, [at("cid", 2), at("cid", 1)]);
}

/// At once, whether it was in an index or not.
pub async fn what_is_deleted_is_not_found(store: Store) {
    for peer in ["ann", "bob"] {
        store.commit_one(open(peer).write(say(&["word one", "word two"]))).await.unwrap();
    }
    store.optimize().await.unwrap();
    store.append(&key("ann"), vec![said("word three")]).await.unwrap();
    store.session_delete(&key("ann")).await.unwrap();
    assert_eq!(places(&store, "word").await, [at("bob", 2), at("bob", 1)]);
    store.optimize().await.unwrap();
    assert_eq!(places(&store, "word").await, [at("bob", 2), at("bob", 1)]);
    store.append(&key("ann"), vec![said("word anew")]).await.unwrap();
    assert_eq!(places(&store, "word").await, [at("ann", 1), at("bob", 2), at("bob", 1)]);
    assert_eq!(places(&store, "three").await, []);
}

/// What cannot be asked is refused, and any other text is a search.
pub async fn a_search_that_cannot_be_is_refused(store: Store) {
    for limit in [0, limits::PAGE_MAX + 1] {
        let search = Search { limit, ..Search::new("word").unwrap() };
        assert!(matches!(store.search(&search).await, Err(Error::Invalid(_))));
    }
    for text in ["", "  ", "\"\"", "&&", "*"] {
        assert!(matches!(Search::new(text), Err(Error::Invalid(_))), "{text}");
    }
    store
        .append(
            &key("ann"),
            vec![said("it's 100% \"quoted\" (in) {every} [way]: col:x -y ^z a*b NEAR/2 \\ ; --")],
        )
        .await
        .unwrap();
    for _ in 0..2 {
        for q in [
            "it's",
            "100%",
            "\"quoted",
            "(in)",
            "{every} [way]",
            "col:x",
            "-y",
            "^z",
            "a*b",
            "NEAR/2",
            "; --",
            "'",
            "\\",
        ] {
            let Ok(search) = Search::new(q) else { continue };
            assert_eq!(all(&store, &search).await.len(), 1, "{q}");
        }
        store.optimize().await.unwrap();
    }
}

/// Wherever the index has come to, all is found: here it has come to each place once.
pub async fn the_index_finds_what_a_look_at_everything_finds(store: Store) {
    let words = ["ant", "bee", "cat", "dog", "eel"];
    for round in 0..6_usize {
        for n in 0..20_usize {
            let text =
                format!("{} {} {}", words[n % 5], words[(n / 5 + round) % 5], words[(n * 7 + round) % 5]);
            store.append(&key(&format!("p{}", n % 3)), vec![said(&text)]).await.unwrap();
        }
        if round % 2 == 0 {
            store.optimize().await.unwrap();
        }
        if round == 3 {
            store.session_delete(&key("p1")).await.unwrap();
        }
    }
    for q in
        ["ant", "bee cat", "\"cat dog\"", "e*", "\"eel a\"*", "ant bee cat", "a* b*", "ant d*", "do*", "dog*"]
    {
        let search = Search::new(q).unwrap();
        let mut expected = 0;
        for peer in ["p0", "p1", "p2"] {
            let page = store.message_window(&key(peer), crate::Window::last(1_000)).await.unwrap();
            let mut words = crate::search::Words::default();
            expected +=
                page.messages.iter().filter(|message| search.find(message, &mut words).is_some()).count();
        }
        assert_eq!((all(&store, &search).await.len(), expected > 0), (expected, true), "{q}");
    }
}
