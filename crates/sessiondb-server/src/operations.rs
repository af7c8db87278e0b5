//! Whether the server is well, and how it does.

use std::{
    collections::HashMap,
    sync::{LazyLock, OnceLock},
    time::Duration,
};

use axum::{
    Json,
    extract::State,
    http::{Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use metrics::Histogram;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use parking_lot::RwLock;
use sessiondb::Status;

use crate::{access::Access, app::App, problem::Problem};

/// Whether the server answers at all. It needs no token and says nothing else.
#[utoipa::path(get, path = "/healthz", tag = "operations", security(()),
    responses((status = 200, body = String, content_type = "text/plain")))]
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether the store can be read. It needs no token.
#[utoipa::path(get, path = "/readyz", tag = "operations", security(()),
    responses((status = 200, body = String, content_type = "text/plain")))]
pub(crate) async fn readyz(State(app): State<App>) -> Result<Response, Problem> {
    app.store.changes(None, 1).await?;
    Ok("ready\n".into_response())
}

/// Counters, gauges and histograms in the text form of Prometheus: times of routes, batches and syncs of the writer, its queue, the log,
/// how far index and feed are behind.
#[utoipa::path(get, path = "/metrics", tag = "operations",
    responses((status = 200, body = String, content_type = "text/plain")))]
pub(crate) async fn metrics(State(app): State<App>, access: Access) -> Result<Response, Problem> {
    access.must_see_all()?;
    // A store that is too busy to say how it does is told of by all the rest.
    let Status { database_bytes, log_bytes, waiting, unindexed } =
        app.store.status().await.unwrap_or_default();
    let gauges = [
        ("sessiondb_database_bytes", database_bytes),
        ("sessiondb_wal_bytes", log_bytes),
        ("sessiondb_queue_depth", Some(waiting)),
        ("sessiondb_index_lag_messages", Some(unindexed)),
    ];
    for (name, value) in gauges {
        metrics::gauge!(name).set(value.unwrap_or(0) as f64);
    }
    let text = recorder().map(PrometheusHandle::render).unwrap_or_default();
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}

/// What all that is measured in this process goes to; `None` if the program has another place for it.
pub(crate) fn recorder() -> Option<&'static PrometheusHandle> {
    static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    RECORDER
        .get_or_init(|| {
            let seconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
            let sizes = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];
            PrometheusBuilder::new()
                .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &seconds)
                .and_then(|builder| builder.set_buckets_for_metric(Matcher::Suffix("_size".into()), &sizes))
                .and_then(PrometheusBuilder::install_recorder)
                .inspect_err(|error| tracing::warn!(%error, "nothing is measured"))
                .ok()
        })
        .as_ref()
}

/// Sums up what was measured, which would otherwise be kept one by one until somebody asks.
pub(crate) async fn keep_up() {
    loop {
        tokio::time::sleep(Duration::from_secs(5)).await;
        if let Some(recorder) = recorder() {
            recorder.run_upkeep();
        }
    }
}

/// The histogram of each route, method and status.
type Known = HashMap<(String, Method, StatusCode), Histogram>;

/// Notes how long a route took to answer.
pub(crate) fn measure(route: &str, method: &Method, status: StatusCode, took: Duration) {
    /// Of each route, method and status, where its times go.
    static KNOWN: LazyLock<RwLock<Known>> = LazyLock::new(RwLock::default);
    recorder();
    // Anybody can make up methods, and each would be kept for ever.
    let usual = [
        Method::GET,
        Method::HEAD,
        Method::OPTIONS,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
    ];
    let other = || Method::from_bytes(b"OTHER").unwrap_or_default();
    let method = if usual.contains(method) { method.clone() } else { other() };
    let key = (route.to_owned(), method.clone(), status);
    if let Some(histogram) = KNOWN.read().get(&key) {
        return histogram.record(took);
    }
    let labels =
        [("route", key.0.clone()), ("method", method.to_string()), ("status", status.as_u16().to_string())];
    let histogram = metrics::histogram!("sessiondb_http_request_seconds", &labels);
    histogram.record(took);
    KNOWN.write().insert(key, histogram);
}

/// How the store is described to clients that generate code.
pub(crate) async fn openapi(State(document): State<std::sync::Arc<utoipa::openapi::OpenApi>>) -> Response {
    Json(document.as_ref()).into_response()
}
