//! Whether the server is well, and how it does.

use std::time::Instant;

use axum::{
    Json,
    extract::{MatchedPath, Request, State},
    http::header,
    middleware::Next,
    response::{IntoResponse, Response},
};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::sync::OnceLock;

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

/// Counters and histograms in the text form of Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "operations",
    responses((status = 200, body = String, content_type = "text/plain")))]
pub(crate) async fn metrics(access: Access) -> Result<Response, Problem> {
    access.must_see_all()?;
    let text = recorder().map(PrometheusHandle::render).unwrap_or_default();
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}

/// What all that is measured in this process goes to; `None` if the program has another place for it.
fn recorder() -> Option<&'static PrometheusHandle> {
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

/// Measures how long each route takes to answer.
pub(crate) async fn measure(request: Request, next: Next) -> Response {
    recorder();
    let route =
        request.extensions().get::<MatchedPath>().map_or("none".into(), |path| path.as_str().to_owned());
    let method = request.method().to_string();
    let begun = Instant::now();
    let response = next.run(request).await;
    let labels = [("route", route), ("method", method), ("status", response.status().as_u16().to_string())];
    metrics::histogram!("sessiondb_http_request_seconds", &labels).record(begun.elapsed());
    response
}

/// How the store is described to clients that generate code.
pub(crate) async fn openapi(State(document): State<std::sync::Arc<utoipa::openapi::OpenApi>>) -> Response {
    Json(document.as_ref()).into_response()
}
