//! How a session is to be led.

use interview_session::{Config, Error, SessionRepository, SessionStatus};
use serde_json::{Value, json};

use crate::{File, both, run, session};

fn config(value: Value) -> Config {
    match value {
        Value::Object(config) => config,
        value => panic!("{value} is no object"),
    }
}

/// Upstream took a config and answered `{}`, always.
#[test]
fn defect_12_a_config_is_kept_and_answered() {
    let file = File::new();
    run(async {
        let given = config(
            json!({"mode": "coverage", "depth": {"max": 4, "note": null}, "weights": [0.1, 1e-300, null]}),
        );
        let created = file.repository().create_with_config(session("s1"), given.clone()).await.unwrap();
        assert_eq!(created.config, given);
        let reopened = file.repository();
        assert_eq!(reopened.config("s1").await.unwrap(), given);
        assert_eq!(reopened.get_record("s1").await.unwrap(), Some(created));
        let listed = reopened.list(&Default::default()).await.unwrap();
        assert_eq!(listed.sessions[0].config, given);
    });
}

#[test]
fn a_patch_is_merged_by_rfc_7396() {
    both(async |repository| {
        repository.create(session("s1")).await.unwrap();
        assert_eq!(repository.config("s1").await.unwrap(), Config::new());
        let first = config(json!({"mode": "coverage", "depth": {"max": 4, "min": 1}, "tags": ["a"]}));
        assert_eq!(repository.merge_config("s1", &first).await.unwrap(), first);
        let second = config(json!({"mode": null, "depth": {"max": 5}, "tags": ["b"], "new": true}));
        let merged = config(json!({"depth": {"max": 5, "min": 1}, "tags": ["b"], "new": true}));
        assert_eq!(repository.merge_config("s1", &second).await.unwrap(), merged);
        let before = repository.get_record("s1").await.unwrap();
        assert_eq!(repository.merge_config("s1", &Config::new()).await.unwrap(), merged);
        assert_eq!(repository.get_record("s1").await.unwrap(), before, "an empty patch changes nothing");
        repository.set_status("s1", SessionStatus::Completed).await.unwrap();
        let done = repository.merge_config("s1", &config(json!({"reviewed": true}))).await.unwrap();
        assert_eq!(done["reviewed"], true, "whatever the status");
        assert_eq!(repository.get("s1").await.unwrap().unwrap().status, SessionStatus::Completed);
    });
}

/// Upstream read the config, changed it and wrote it back: of two at the same time one was lost.
#[test]
fn defect_12_patches_at_the_same_time_are_all_merged() {
    async fn all_merge(repositories: [SessionRepository; 2]) {
        repositories[0].create(session("s1")).await.unwrap();
        let tasks = (0..8).map(|task| {
            let repository = repositories[task % 2].clone();
            tokio::spawn(async move {
                for round in 0..5 {
                    let name = format!("{task}-{round}");
                    let patch = config(json!({ "shared": { name.clone(): true } }));
                    let merged = repository.merge_config("s1", &patch).await.unwrap();
                    assert_eq!(merged["shared"][&name], true);
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        let merged = repositories[1].config("s1").await.unwrap();
        assert_eq!(merged["shared"].as_object().unwrap().len(), 40);
    }
    let memory = SessionRepository::new(":memory:");
    run(all_merge([memory.clone(), memory]));
    let file = File::new();
    run(all_merge([file.repository(), file.repository()]));
}

#[test]
fn a_config_and_a_state_at_the_same_time_are_both_kept() {
    both(async |repository| {
        repository.create(session("s1")).await.unwrap();
        let merging = {
            let repository = repository.clone();
            tokio::spawn(async move {
                for round in 0..20 {
                    let patch = config(json!({ format!("k{round}"): round }));
                    repository.merge_config("s1", &patch).await.unwrap();
                }
            })
        };
        for turn in 1..=20 {
            repository.update_state("s1", crate::state(turn, 0.1)).await.unwrap();
        }
        merging.await.unwrap();
        let record = repository.get_record("s1").await.unwrap().unwrap();
        assert_eq!((record.config.len(), record.session.state.turn_count), (20, 20));
    });
}

#[test]
fn a_config_that_is_too_large_is_refused_and_the_old_one_stays() {
    both(async |repository| {
        repository.create(session("s1")).await.unwrap();
        let small = config(json!({"a": 1}));
        repository.merge_config("s1", &small).await.unwrap();
        let large = config(json!({"b": "x".repeat(17 << 20)}));
        let error = repository.merge_config("s1", &large).await.unwrap_err();
        assert!(matches!(&error, Error::Store(interview_session::sessiondb::Error::Invalid(_))), "{error:?}");
        assert_eq!(repository.config("s1").await.unwrap(), small);
    });
}
