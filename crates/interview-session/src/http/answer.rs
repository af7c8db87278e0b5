//! What is answered when it did not succeed.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::request::Problem;
use crate::Error;

/// `{"detail": "…"}`.
pub(super) fn detail(status: StatusCode, text: impl Into<String>) -> Response {
    (status, Json(json!({ "detail": text.into() }))).into_response()
}

/// `{"detail": [{"loc": […], "msg": "…", "type": "…"}]}`.
pub(super) fn problems(problems: Vec<Problem>) -> Response {
    (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({ "detail": problems }))).into_response()
}

impl IntoResponse for Error {
    /// The answer that tells a client of HTTP: 404, 409, 400 where the session's status does not allow what was asked for,
    /// 422 for a value that is not legal, 503 or 500 for what the store says. What is behind a 500 goes to [`tracing`] and
    /// not to the client.
    fn into_response(self) -> Response {
        match &self {
            Error::NotFound(_) => detail(StatusCode::NOT_FOUND, self.to_string()),
            Error::AlreadyExists(_)
            | Error::Conflict { .. }
            | Error::Said { .. }
            | Error::TurnPassed { .. } => detail(StatusCode::CONFLICT, self.to_string()),
            Error::NotActive { .. } | Error::Transition { .. } => {
                detail(StatusCode::BAD_REQUEST, self.to_string())
            }
            Error::Invalid { field, .. } => {
                let loc = std::iter::once("body").chain(field.split('.')).map(Value::from).collect();
                problems(vec![Problem { loc, msg: self.to_string(), r#type: "value_error" }])
            }
            Error::Store(error) => of_store(error),
        }
    }
}

fn of_store(error: &sessiondb::Error) -> Response {
    use sessiondb::Error as Store;
    let not_available = |text: &str| {
        tracing::warn!(%error, "a request for an interview session was refused");
        detail(StatusCode::SERVICE_UNAVAILABLE, text)
    };
    match error {
        // To who may not see it, it does not exist.
        Store::OutOfScope { key, .. } => Error::NotFound(key.peer_id.clone()).into_response(),
        Store::Invalid(reason) => problems(vec![Problem::new(["body"], "value_error", reason.as_str())]),
        Store::Busy(_) => not_available("The store is busy; try again"),
        Store::Full(_) => not_available("The store is full; try again later"),
        Store::CannotOpen { .. } | Store::Stopped(_) | Store::Closed => {
            not_available("The store is not available; try again later")
        }
        // Which session it is helps whoever has to mend it, and is no secret.
        Store::Undecodable { row, .. } => {
            tracing::error!(%error, "an interview session cannot be read");
            detail(StatusCode::INTERNAL_SERVER_ERROR, format!("{row} cannot be read"))
        }
        _ => {
            tracing::error!(%error, "a request for an interview session failed");
            detail(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SessionStatus;

    #[test]
    fn every_error_has_a_status_of_http() {
        let id = || "s1".to_owned();
        let secret = || "/var/lib/secret.db".to_owned();
        use sessiondb::Error as Store;
        let cases = [
            (Error::NotFound(id()), 404),
            (Error::AlreadyExists(id()), 409),
            (Error::Conflict { id: id(), expected: 1, current: 2 }, 409),
            (Error::Said { id: id(), turn_number: 1, speaker: "user".into() }, 409),
            (Error::TurnPassed { id: id(), turn_number: 1, current: 2 }, 409),
            (Error::NotActive { id: id(), status: SessionStatus::Completed, refused: "record_turn" }, 400),
            (Error::Transition { id: id(), from: SessionStatus::Completed, to: SessionStatus::Active }, 400),
            (Error::invalid("state.turn_count", "is -1"), 422),
            (Store::Invalid("too large".into()).into(), 422),
            (Store::Busy(secret()).into(), 503),
            (Store::Full(secret()).into(), 503),
            (Store::Stopped(secret()).into(), 503),
            (Store::Closed.into(), 503),
            (Store::CannotOpen { location: secret(), reason: "gone".into() }.into(), 503),
            (Store::Unknown(secret()).into(), 500),
            (Store::Storage(secret()).into(), 500),
            (Store::Undecodable { row: secret(), reason: "torn".into() }.into(), 500),
        ];
        for (error, status) in cases {
            assert_eq!(error.clone().into_response().status().as_u16(), status, "{error:?}");
        }
    }
}
