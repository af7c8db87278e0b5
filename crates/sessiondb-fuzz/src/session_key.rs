//! Keys of sessions: text that is read can be written, and what is written is read as the same key.

use sessiondb::SessionKey;

/// Any text is a key or an error. The bytes are taken a second time as five parts, one a line.
pub fn holds(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    if let Ok(key) = text.parse::<SessionKey>() {
        assert_round_trip(&key);
    }
    let mut lines = text.splitn(5, '\n');
    let [agent, channel, account, kind, peer] = [(); 5].map(|()| lines.next().unwrap_or_default());
    let key = SessionKey::new(agent, channel, account, kind, peer);
    if key.validate().is_ok() {
        assert_round_trip(&key);
    }
}

fn assert_round_trip(key: &SessionKey) {
    let canonical = key.to_string();
    assert_eq!(canonical.parse().as_ref(), Ok(key), "{canonical:?}");
    assert_eq!(canonical.matches(':').count(), 4, "{canonical:?}");
    let plain = |c: char| !matches!(c, '/' | '%' | '?' | '#' | '\\') && !c.is_control() && !c.is_whitespace();
    assert!(canonical.chars().all(plain), "{canonical:?}");
    let json = serde_json::to_string(key).unwrap();
    assert_eq!(&serde_json::from_str::<SessionKey>(&json).unwrap(), key);
}
