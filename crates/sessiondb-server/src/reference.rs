//! The routes to read: a page made of their description, without scripts and without anything from elsewhere.

use std::{fmt::Write, sync::LazyLock};

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use serde_json::Value;

use crate::router::description;

/// What the page may load: nothing but its own style.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c1c1c;background:#fff}\
code,pre{font:14px/1.4 ui-monospace,monospace}pre{background:#f3f3f0;padding:.7rem;overflow-x:auto}\
h2{margin-top:2.5rem;border-bottom:1px solid #ccc}h3{margin:2rem 0 .3rem}h3 b{color:#7a3e00}small{color:#666}\
td,th{text-align:left;vertical-align:top;padding:.15rem .8rem .15rem 0}\
@media(prefers-color-scheme:dark){body{background:#16181b;color:#e6e6e3}pre{background:#22252a}h3 b{color:#f0b060}small{color:#aaa}}";

/// The page.
pub(crate) async fn page() -> Response {
    static PAGE: LazyLock<String> = LazyLock::new(|| {
        serde_json::to_value(description()).map(|document| html(&document)).unwrap_or_default()
    });
    let headers =
        [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CONTENT_SECURITY_POLICY, POLICY)];
    (headers, PAGE.as_str()).into_response()
}

fn html(document: &Value) -> String {
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>SessionDB: the routes</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style><h1>SessionDB: the routes</h1>\
         <p>{}</p><p>For programs: <a href=\"/openapi.json\">/openapi.json</a>.</p>",
        escape(document["info"]["description"].as_str().unwrap_or(""))
    );
    let operations = operations(document);
    for tag in document["tags"].as_array().into_iter().flatten().filter_map(|tag| tag["name"].as_str()) {
        // Writing to a String does not fail.
        let _ = write!(page, "<h2>{}</h2>", escape(tag));
        for (method, path, operation) in
            operations.iter().filter(|(.., operation)| operation["tags"][0] == tag)
        {
            show(&mut page, method, path, operation);
        }
    }
    page
}

/// Each operation with its method and path.
fn operations(document: &Value) -> Vec<(String, &str, &Value)> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths
        .flat_map(|(path, item)| {
            item.as_object()
                .into_iter()
                .flatten()
                .map(move |(method, operation)| (method.to_uppercase(), path.as_str(), operation))
        })
        .collect()
}

fn show(page: &mut String, method: &str, path: &str, operation: &Value) {
    let _ = write!(page, "<h3><b>{method}</b> <code>{}</code></h3>", escape(path));
    for text in ["summary", "description"] {
        if let Some(text) = operation[text].as_str() {
            let _ = write!(page, "<p>{}</p>", escape(text));
        }
    }
    if let Some(right) = operation["x-right"].as_str() {
        let _ = write!(page, "<p><small>needs the right <code>{}</code></small></p>", escape(right));
    }
    let parameters: Vec<&Value> = operation["parameters"].as_array().into_iter().flatten().collect();
    if !parameters.is_empty() {
        page.push_str("<table>");
        for parameter in parameters {
            let cell = |name: &str| escape(parameter[name].as_str().unwrap_or(""));
            let _ = write!(
                page,
                "<tr><td><code>{}</code><td><small>{}</small><td>{}",
                cell("name"),
                cell("in"),
                cell("description")
            );
        }
        page.push_str("</table>");
    }
    let example = &operation["requestBody"]["content"]["application/json"]["example"];
    if !example.is_null() {
        let text = serde_json::to_string_pretty(example).unwrap_or_default();
        let _ = write!(page, "<pre>{}</pre>", escape(&text));
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
