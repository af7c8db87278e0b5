//! What is asked for: from a body and a query to a session and a filter, or to everything that is wrong with them. Pure.

use serde::Serialize;
use serde_json::{Map, Value};
use sessiondb::{Cursor, SessionOrder, limits};
use uuid::Uuid;

use crate::{Config, Session, SessionFilter, SessionStatus};

/// Something that is wrong with a request, as FastAPI and pydantic say it.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Problem {
    /// Where: `["body", "methodology"]`.
    pub loc: Vec<Value>,
    /// What, for people.
    pub msg: String,
    /// What, for programs, in pydantic's words.
    pub r#type: &'static str,
}

impl Problem {
    pub fn new<const N: usize>(loc: [&str; N], r#type: &'static str, msg: impl Into<String>) -> Problem {
        Problem { loc: loc.map(Value::from).into(), msg: msg.into(), r#type }
    }
}

/// The session to create, and its config.
pub(super) fn create(content_type: Option<&str>, body: &[u8]) -> Result<(Session, Config), Vec<Problem>> {
    let mut members = object(content_type, body).map_err(|problem| vec![problem])?;
    let mut problems = Vec::new();
    let texts = ["methodology", "concept_id", "concept_name"]
        .map(|name| text(&mut members, name).map_err(|problem| problems.push(problem)).unwrap_or_default());
    let config = config(&mut members).map_err(|problem| problems.push(problem)).unwrap_or_default();
    let id = id(&mut members).map_err(|problem| problems.push(problem)).unwrap_or_default();
    let others = members.keys();
    problems.extend(
        others.map(|name| Problem::new(["body", name], "extra_forbidden", "Extra inputs are not permitted")),
    );
    if !problems.is_empty() {
        return Err(problems);
    }
    let [methodology, concept_id, concept_name] = texts;
    let session = Session::new(methodology, concept_id, concept_name);
    let id = id.map_or_else(|| session.id.clone(), |id| id.to_string());
    Ok((Session { id, ..session }, config))
}

fn object(content_type: Option<&str>, body: &[u8]) -> Result<Map<String, Value>, Problem> {
    let media_type = content_type.map(|value| value.split(';').next().unwrap_or(value).trim());
    let is_json = |media_type: &str| {
        let media_type = media_type.to_ascii_lowercase();
        media_type == "application/json"
            || (media_type.starts_with("application/") && media_type.ends_with("+json"))
    };
    // A page of another site can send a form or plain text without being asked; what says that it is JSON it cannot.
    if !media_type.is_some_and(is_json) {
        let found = content_type.map_or("there is none".into(), |value| format!("it is '{value}'"));
        let msg = format!("Input should have the content type application/json, but {found}");
        return Err(Problem::new(["body"], "model_attributes_type", msg));
    }
    if body.is_empty() {
        return Err(Problem::new(["body"], "missing", "Field required"));
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(Problem::new(["body"], "model_attributes_type", "Input should be a JSON object")),
        Err(error) => Err(Problem::new(["body"], "json_invalid", format!("JSON decode error: {error}"))),
    }
}

fn text(members: &mut Map<String, Value>, name: &str) -> Result<String, Problem> {
    match members.remove(name) {
        None => Err(Problem::new(["body", name], "missing", "Field required")),
        Some(Value::String(text)) if text.trim().is_empty() => Err(Problem::new(
            ["body", name],
            "string_too_short",
            "String should have at least 1 character that is no white space",
        )),
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(Problem::new(["body", name], "string_type", "Input should be a valid string")),
    }
}

fn config(members: &mut Map<String, Value>) -> Result<Config, Problem> {
    match members.remove("config") {
        None => Ok(Config::new()),
        Some(Value::Object(config)) => Ok(config),
        Some(_) => Err(Problem::new(["body", "config"], "dict_type", "Input should be a valid dictionary")),
    }
}

fn id(members: &mut Map<String, Value>) -> Result<Option<Uuid>, Problem> {
    match members.remove("id") {
        None => Ok(None),
        // In one form, so that an id is found under the text that was sent.
        Some(id) => match id.as_str().and_then(|text| Some((text, Uuid::try_parse(text).ok()?))) {
            Some((text, id)) if id.to_string() == text => Ok(Some(id)),
            Some((_, id)) => {
                let msg = format!("Input should be a UUID in lower case with hyphens: {id}");
                Err(Problem::new(["body", "id"], "uuid_parsing", msg))
            }
            None => Err(Problem::new(["body", "id"], "uuid_parsing", "Input should be a valid UUID")),
        },
    }
}

/// The sessions to list.
pub(super) fn filter(query: &[(String, String)]) -> Result<SessionFilter, Vec<Problem>> {
    let (mut filter, mut problems, mut once) = (SessionFilter::default(), Vec::new(), Vec::new());
    for (name, value) in query {
        let name = name.as_str();
        if name != "status" && once.contains(&name) {
            problems.push(Problem::new(["query", name], "value_error", "Input should be given once"));
            continue;
        }
        once.push(name);
        let understood = match name {
            "status" => status(value).map(|status| filter.statuses.push(status)),
            "limit" => limit(value).map(|limit| filter.limit = limit),
            "after" => after(value).map(|cursor| filter.after = Some(cursor)),
            _ => Err(Problem::new(["query", name], "extra_forbidden", "Extra inputs are not permitted")),
        };
        problems.extend(understood.err());
    }
    if problems.is_empty() { Ok(filter) } else { Err(problems) }
}

fn status(value: &str) -> Result<SessionStatus, Problem> {
    let msg = "Input should be 'active', 'paused' or 'completed'";
    value.parse().map_err(|_| Problem::new(["query", "status"], "enum", msg))
}

fn limit(value: &str) -> Result<usize, Problem> {
    let problem = |r#type, msg: String| Err(Problem::new(["query", "limit"], r#type, msg));
    match value.parse::<i64>() {
        Err(_) => problem("int_parsing", "Input should be a valid integer".into()),
        Ok(..=0) => problem("greater_than_equal", "Input should be greater than or equal to 1".into()),
        Ok(limit) => match usize::try_from(limit) {
            Ok(limit) if limit <= limits::PAGE_MAX => Ok(limit),
            _ => problem(
                "less_than_equal",
                format!("Input should be less than or equal to {}", limits::PAGE_MAX),
            ),
        },
    }
}

fn after(value: &str) -> Result<Cursor, Problem> {
    let cursor = value.parse::<Cursor>().ok().filter(|cursor| cursor.order == SessionOrder::CreatedNewest);
    let msg = "Input should be the 'next' of the page before";
    cursor.ok_or_else(|| Problem::new(["query", "after"], "value_error", msg))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn body() -> Value {
        json!({"methodology": "mec", "concept_id": "c1", "concept_name": "Oat milk"})
    }

    #[test]
    fn what_says_that_it_is_json_is_json() {
        let body = body().to_string();
        for content_type in
            ["application/json", "Application/JSON; charset=utf-8", "application/vnd.interview+json"]
        {
            assert!(create(Some(content_type), body.as_bytes()).is_ok(), "{content_type}");
        }
        for content_type in [
            None,
            Some(""),
            Some("text/plain"),
            Some("application/x-www-form-urlencoded"),
            Some("image/svg+json"),
        ] {
            let problems = create(content_type, body.as_bytes()).unwrap_err();
            assert_eq!(problems[0].loc, ["body"], "{content_type:?}");
            assert!(problems[0].msg.contains("application/json"), "{problems:?}");
        }
    }

    #[test]
    fn an_id_has_one_form() {
        let mut body = body();
        let id = "67e55044-10b1-426f-9247-bb680e5fe0c8";
        for other in ["{67E55044-10B1-426F-9247-BB680E5FE0C8}", "67E55044-10B1-426F-9247-BB680E5FE0C8"] {
            body["id"] = json!(other);
            let problems = create(Some("application/json"), body.to_string().as_bytes()).unwrap_err();
            assert!(problems[0].msg.contains(id), "{problems:?}");
        }
        body["id"] = json!(id);
        let (session, _) = create(Some("application/json"), body.to_string().as_bytes()).unwrap();
        assert_eq!(session.id, id);
    }

    #[test]
    fn a_query_says_each_thing_once_but_statuses() {
        let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
        };
        let understood =
            filter(&pairs(&[("status", "active"), ("limit", "7"), ("status", "paused")])).unwrap();
        assert_eq!(understood.statuses, [SessionStatus::Active, SessionStatus::Paused]);
        assert_eq!((understood.limit, filter(&[]).unwrap().limit), (7, 100));
        let twice = filter(&pairs(&[("limit", "7"), ("limit", "8")])).unwrap_err();
        assert_eq!(twice[0].msg, "Input should be given once");
    }

    proptest! {
        /// Whatever is sent is understood or refused, and what is understood is legal.
        #[test]
        fn no_body_and_no_query_panics(body in any::<Vec<u8>>(), name in ".*", value in any::<i64>()) {
            let _ = create(Some("application/json"), &body);
            let mut members = serde_json::Map::new();
            members.insert("methodology".into(), name.clone().into());
            members.insert("concept_id".into(), name.clone().into());
            members.insert("concept_name".into(), "Oat milk".into());
            let text = serde_json::to_vec(&members).unwrap();
            if let Ok((session, _)) = create(Some("application/json"), &text) {
                prop_assert_eq!(session.validate(), Ok(()));
            }
            let _ = filter(&[(name, value.to_string())]);
            if let Ok(filter) = filter(&[("limit".into(), value.to_string())]) {
                prop_assert!(filter.validate().is_ok());
            }
        }
    }
}
