//! Markdown.

use pollster::block_on;
use sessiondb::{Commit, NewMessage, Write};
use sessiondb_export::{Choice, markdown};

use crate::desk::{json, key, memory, put, second};

#[test]
fn a_session_can_be_read() {
    let store = memory();
    let content = r#"[{"type":"thinking","thinking":"hm"},{"type":"text","text":"I look.\n\n# not a heading"},
        {"type":"tool_use","id":"t","name":"Bash","input":{"command":"ls"}},{"type":"image"},{"type":"novelty"}]"#;
    let result = r#"[{"type":"tool_result","tool_use_id":"t","content":"```\na\n```"}]"#;
    let said = |role: &str, content: &str| NewMessage::new(role, json(content));
    let messages = vec![said("user", "\"old\""), said("assistant", content), said("user", result)];
    let metadata = Write::SetMetadata(json(r#"{"title":"All *about* it"}"#));
    let writes = vec![Write::open(), Write::Append(messages), metadata, put("1", "\"unseen\"", None)];
    block_on(store.commit_one(Commit { writes, ..Commit::new(key("ann")).at(second(1)) })).unwrap();
    let summary = vec![NewMessage::new("system", "It began.")];
    let compact = Commit::new(key("ann")).at(second(2)).write(Write::Compact { through: 1, summary });
    block_on(store.commit_one(compact)).unwrap();
    let fork = sessiondb::Fork { parent: key("ann"), at: Some(2), status: None, metadata: None };
    block_on(store.commit_one(Commit::new(key("bob")).at(second(3)).write(Write::Fork(fork)))).unwrap();

    let mut out = Vec::new();
    let exported = block_on(markdown(&store, &Choice::all(), &mut out, &mut |_, _| {})).unwrap();
    assert_eq!(exported.sessions, 2);
    let expected = r#"# All \*about\* it

- `main:cli::dm:ann`
- chat, active
- opened 2026-11-20T00:00:01.000000Z, changed 2026-11-20T00:00:02.000000Z
- 3 messages, 0 tokens

*(messages 1 to 3 are not shown)*

## 4 system (a summary of older messages)

2026-11-20T00:00:02.000000Z

> It began.

*(message 2, which is older than message 4, follows)*

## 2 assistant

2026-11-20T00:00:01.000000Z

*thinking:*

> hm

> I look.
>
> # not a heading

**call of `Bash`**

```json
{"command":"ls"}
```

*(an image)*

```json
{"type":"novelty"}
```

## 3 user

2026-11-20T00:00:01.000000Z

**result**

````
```
a
```
````

---

# All \*about\* it

- `main:cli::dm:bob`
- chat, active
- opened 2026-11-20T00:00:03.000000Z, changed 2026-11-20T00:00:03.000000Z
- 2 messages, 0 tokens
- forked from `main:cli::dm:ann` after message 2
"#;
    let text = String::from_utf8(out).unwrap();
    assert!(text.starts_with(expected), "{text}");
    assert!(!text.contains("unseen") && !text.contains("old\n"));
}
