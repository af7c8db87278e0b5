//! All routes, each with the right that it asks for.

use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    http::{Method, StatusCode},
    middleware::{from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
};
use serde_json::json;
use sessiondb::{Result, Store};
use tower_http::{catch_panic::CatchPanicLayer, compression::CompressionLayer};
use utoipa::{
    OpenApi,
    openapi::{
        RefOr, Response as Described,
        content::Content,
        extensions::Extensions,
        response::ResponseBuilder,
        schema::Ref,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};
use utoipa_axum::{
    router::{OpenApiRouter, UtoipaMethodRouter},
    routes,
};

use crate::{
    access, admin,
    app::{App, Options},
    archive, audit, changes, commits, documents, front, interview, messages, operations, parts,
    problem::{Details, Kind, Problem},
    reference,
    right::Right,
    search, sessions, state, usage, views, worktree,
};

#[derive(OpenApi)]
#[openapi(
    info(title = "SessionDB", description = "The session store for AI agents: who talked to whom, what was said, which tools ran, what state it reached. An answer to a write means that it is durable."),
    components(schemas(Details)),
    tags((name = "sessions"), (name = "messages"), (name = "documents"), (name = "state"), (name = "views"), (name = "commits"),
         (name = "changes"), (name = "archive"), (name = "interview"), (name = "worktree"), (name = "admin"), (name = "operations")),
    security(("token" = []))
)]
struct Description;

/// Routes, none of which stands here without the right that it asks for.
struct Routes(OpenApiRouter<App>);

impl Routes {
    /// A route for those who have this right.
    fn add(self, right: Right, (schemas, mut paths, methods): UtoipaMethodRouter<App>) -> Routes {
        describe(&mut paths, json!(right.name()));
        let repeatable = repeatable(&paths);
        let guarded = methods
            .route_layer(from_fn(move |request, next| access::require(right, request, next)))
            .route_layer(from_fn(move |request, next| access::takes_its_name(repeatable, request, next)));
        Routes(self.0.routes((schemas, paths, guarded)))
    }

    /// A route that looks by itself what its request asks for.
    fn add_by_content(self, (schemas, mut paths, methods): UtoipaMethodRouter<App>) -> Routes {
        describe(&mut paths, json!("as the body says"));
        let repeatable = repeatable(&paths);
        let guarded = methods
            .route_layer(from_fn(move |request, next| access::takes_its_name(repeatable, request, next)));
        Routes(self.0.routes((schemas, paths, guarded)))
    }
}

/// Whether the route takes an `Idempotency-Key`, as its description says.
fn repeatable(paths: &utoipa::openapi::path::Paths) -> bool {
    paths.paths.values().any(|item| {
        let operations = [&item.put, &item.post, &item.delete, &item.patch];
        let mut parameters =
            operations.into_iter().flatten().flat_map(|operation| operation.parameters.iter().flatten());
        parameters.any(|parameter| matches!(parameter, RefOr::T(known) if known.name == "Idempotency-Key"))
    })
}

/// Notes the right, and that every route may answer with a problem.
fn describe(paths: &mut utoipa::openapi::path::Paths, right: serde_json::Value) {
    for (path, item) in &mut paths.paths {
        let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch];
        for operation in operations.into_iter().flatten() {
            let extensions = Extensions::builder().add("x-right", right.clone()).build();
            operation.extensions.get_or_insert_default().merge(extensions);
            operation.responses.responses.insert("default".into(), RefOr::T(problem_response(path)));
        }
    }
}

fn problem_response(path: &str) -> Described {
    let content = Content::new(Some(RefOr::<utoipa::openapi::Schema>::Ref(Ref::from_schema_name("Problem"))));
    let described =
        ResponseBuilder::new().description("it did not succeed").content("application/problem+json", content);
    // The interviews' own routes have a form of their own.
    match path.contains("/interview/") {
        true => described.content("application/json", Content::default()).build(),
        false => described.build(),
    }
}

fn api() -> OpenApiRouter<App> {
    use Right::{Admin, Append, Delete, Export, Import, Read, State};
    let routes = Routes(OpenApiRouter::with_openapi(Description::openapi()))
        .add(Read, routes!(sessions::list))
        .add(Append, routes!(sessions::open))
        .add(Read, routes!(usage::get))
        .add(Read, routes!(sessions::get))
        .add(State, routes!(sessions::patch))
        .add(Delete, routes!(sessions::delete))
        .add(Read, routes!(parts::read))
        .add(Read, routes!(parts::find))
        .add(Read, routes!(messages::list))
        .add(Append, routes!(messages::append))
        .add(Read, routes!(messages::get))
        .add(Read, routes!(search::find))
        .add(Read, routes!(documents::list))
        .add(Read, routes!(documents::get))
        .add(State, routes!(documents::put))
        .add(State, routes!(documents::patch))
        .add(State, routes!(documents::remove))
        .add(Read, routes!(state::list))
        .add(Read, routes!(state::get))
        .add(State, routes!(state::put))
        .add(State, routes!(state::patch))
        .add(State, routes!(state::remove))
        .add(State, routes!(views::compact))
        .add(State, routes!(views::uncompact))
        .add(State, routes!(views::reset))
        .add(State, routes!(views::rewind))
        .add(State, routes!(views::pop))
        .add(State, routes!(views::undo))
        .add(State, routes!(views::repair))
        .add(State, routes!(views::replace_suffix))
        .add(State, routes!(views::fork))
        .add(State, routes!(views::set))
        .add(Read, routes!(views::lineage))
        .add(Read, routes!(views::changes))
        .add(Read, routes!(changes::all))
        .add(Read, routes!(changes::of_session))
        .add_by_content(routes!(commits::commit))
        .add(Append, routes!(interview::create))
        .add(Read, routes!(interview::list))
        .add(Read, routes!(interview::get))
        .add(Delete, routes!(interview::delete))
        .add(Append, routes!(worktree::create))
        .add(Read, routes!(worktree::list))
        .add(Read, routes!(worktree::get))
        .add(State, routes!(worktree::update))
        .add(Delete, routes!(worktree::delete))
        .add(Append, routes!(worktree::say))
        .add(State, routes!(worktree::set_status))
        .add(State, routes!(worktree::select_winner))
        .add(Export, routes!(archive::get))
        .add(Import, routes!(archive::post))
        .add(Read, routes!(admin::status))
        .add(Admin, routes!(admin::check))
        .add(Admin, routes!(admin::optimize))
        .add(Admin, routes!(admin::create))
        .add(Admin, routes!(admin::list))
        .add(Admin, routes!(admin::revoke))
        .add(Admin, routes!(audit::list))
        .add(Admin, routes!(operations::metrics));
    routes.0
}

/// The routes that need no token: they say nothing of what is stored.
fn open_api() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(operations::healthz)).routes(routes!(operations::readyz))
}

/// What the routes are, in OpenAPI 3.1.
pub fn description() -> utoipa::openapi::OpenApi {
    let (_, mut document) = api().merge(open_api()).split_for_parts();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("token", SecurityScheme::Http(bearer));
    document
}

/// The routes over this store.
///
/// # Errors
/// [`Error::Invalid`](sessiondb::Error::Invalid) for a scoped store: a server's tokens say what each may see.
pub fn routes(
    store: Store,
    options: &Options,
) -> Result<(Router, impl Future<Output = ()> + Send + 'static)> {
    let app = App::new(store, options)?;
    let run = app.feed.clone().run();
    let feed = async move {
        tokio::join!(run, operations::keep_up());
    };
    let (guarded, _) = api().split_for_parts();
    let (open, _) = open_api().split_for_parts();
    let described = Router::new()
        .route("/docs", axum::routing::get(reference::page))
        .route("/openapi.json", axum::routing::get(operations::openapi))
        .with_state(Arc::new(description()));
    let guarded: Router<App> =
        if options.interview_at_root { guarded.merge(interview::at_root()) } else { guarded };
    let router = guarded
        .fallback(no_such_route)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(app.clone(), access::authenticate))
        .merge(open)
        .with_state(app.clone())
        .merge(described)
        .layer(CompressionLayer::new())
        .layer(CatchPanicLayer::custom(panicked))
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn_with_state(app, front::front));
    Ok((router, feed))
}

async fn no_such_route(request: Request) -> Problem {
    let detail = format!("there is nothing at {}", request.uri().path());
    Problem::new(Kind::NoSuchRoute, detail).hint("/openapi.json has all routes, and /docs shows them")
}

/// The header `Allow` is added by the router.
async fn method_not_allowed(request: Request) -> Response {
    if request.method() == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    let detail = format!("{} is not for {}", request.method(), request.uri().path());
    Problem::new(Kind::MethodNotAllowed, detail).hint("the header Allow has the methods").into_response()
}

fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    tracing::error!("a request panicked");
    Problem::new(Kind::Internal, "the server's log says why").into_response()
}
