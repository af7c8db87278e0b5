//! Who may do what: the checks before a request comes to its route.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{ConnectInfo, FromRequestParts, Request, State},
    http::{Extensions, HeaderMap, Method, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use sessiondb::{Scope, Store};

use crate::{
    app::App,
    audit,
    front::RequestId,
    problem::{Kind, Problem},
    right::{Right, Rights},
    token::Token,
    tokens::{Caller, Refused},
};

/// Refuses what a browser sends for another site, and names that are not this server's.
pub(crate) fn allowed_from(app: &App, request: &Request) -> Result<(), Problem> {
    let headers = request.headers();
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    // In HTTP/2 the name stands in the address.
    let host = host.or_else(|| request.uri().authority().map(|authority| authority.as_str()));
    let host = host.ok_or_else(|| Problem::new(Kind::WrongHost, "the request names no host"))?;
    if !app.hosts.has(host) {
        let detail = format!("'{}' is not a name of this server", host.escape_debug());
        return Err(
            Problem::new(Kind::WrongHost, detail).hint("start it with --host NAME for each name it has")
        );
    }
    if let Some(origin) = headers.get(header::ORIGIN) {
        let own = origin
            .to_str()
            .ok()
            .and_then(|origin| origin.split_once("://"))
            .is_some_and(|(_, o)| app.hosts.has(o));
        if !own {
            return Err(Problem::new(Kind::CrossSite, "the request comes from a page of another origin"));
        }
    }
    let site = headers.get("sec-fetch-site").and_then(|site| site.to_str().ok());
    if site.is_some_and(|site| site == "cross-site" || site == "same-site")
        && request.method() != Method::OPTIONS
    {
        return Err(Problem::new(Kind::CrossSite, "the request comes from a page of another site"));
    }
    Ok(())
}

/// Finds out who calls, and puts it into the request.
pub(crate) async fn authenticate(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let sender = Sender::of(request.extensions());
    let caller = match &app.tokens {
        None => {
            Ok(Caller { token: "none".into(), rights: Rights::all(), scope: Scope::all(), expires_at: None })
        }
        Some(_) => caller(&app, request.headers(), sender).await,
    };
    let caller = match caller {
        Ok(caller) => caller,
        Err(problem) => return problem.into_response(),
    };
    if let Err(wait) = app.limits.admit(&caller.token) {
        let detail = format!("token {} sends more requests than it may", caller.token);
        return Problem::new(Kind::TooManyRequests, detail).retry_after(wait).into_response();
    }
    request.extensions_mut().insert(caller);
    next.run(request).await
}

async fn caller(app: &App, headers: &HeaderMap, sender: Sender) -> Result<Caller, Problem> {
    let refused = |detail: &str| {
        let hint = "send `Authorization: Bearer TOKEN`; `sessiondb token new` makes one";
        Problem::new(Kind::Unauthenticated, detail).hint(hint)
    };
    let may_try = || {
        sender.address.map_or(Ok(()), |address| app.limits.refuse(address)).map_err(|wait| {
            Problem::new(Kind::TooManyRequests, "too many tokens from this address were refused")
                .retry_after(wait)
        })
    };
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Err(refused("the request has no token"));
    };
    let text = value.to_str().ok().and_then(|value| value.split_once(' '));
    let text = text.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, text)| text.trim());
    let Some(token) = text.and_then(Token::parse) else {
        may_try()?;
        return Err(refused(
            "what the request shows is no token: it is mistyped, cut short, or something else",
        ));
    };
    let Some(tokens) = &app.tokens else { return Err(refused("no token is known here")) };
    match tokens.accept(&token).await? {
        Ok(caller) => Ok(caller),
        Err(why) => {
            let detail = match why {
                Refused::Unknown | Refused::WrongSecret => "the token is not one of this store",
                Refused::Expired => "the token has expired",
                Refused::Revoked => "the token was revoked",
            };
            // Before it is told to wait: otherwise whoever tries many has none of them noted.
            if app.limits.may_note(token.id(), why) {
                audit::note_refused(app, token.id(), why, &sender).await;
            }
            may_try()?;
            tracing::warn!(token = token.id(), ?why, "a token was refused");
            Err(refused(detail))
        }
    }
}

/// Lets pass who has this right.
pub(crate) async fn require(right: Right, request: Request, next: Next) -> Response {
    match request.extensions().get::<Caller>() {
        Some(caller) if caller.rights.has(right) => next.run(request).await,
        _ => lacks(right).into_response(),
    }
}

/// Who sends a name relies on it: where it would be passed over, the request is refused.
pub(crate) async fn takes_its_name(repeatable: bool, request: Request, next: Next) -> Response {
    if !repeatable && request.headers().contains_key("idempotency-key") {
        let detail = format!("{} {} takes no Idempotency-Key", request.method(), request.uri().path());
        return Problem::invalid(detail)
            .hint("in /v1/commits each commit has an id; docs/server.md says what else can be sent again")
            .into_response();
    }
    next.run(request).await
}

pub(crate) fn lacks(right: Right) -> Problem {
    Problem::new(Kind::Forbidden, format!("the token lacks the right '{right}'"))
        .hint("`sessiondb token ls` shows what each token may do")
}

/// Where a request comes from, and its name.
#[derive(Clone)]
pub(crate) struct Sender {
    /// Where no network is, as in tests, nobody has one.
    pub address: Option<IpAddr>,
    pub request: Option<RequestId>,
}

impl Sender {
    fn of(extensions: &Extensions) -> Sender {
        let address = extensions.get::<ConnectInfo<SocketAddr>>();
        Sender {
            address: address.map(|ConnectInfo(address)| address.ip()),
            request: extensions.get::<RequestId>().cloned(),
        }
    }
}

/// The caller of a request, and the part of the store that it may see.
pub(crate) struct Access {
    pub store: Store,
    pub caller: Caller,
    pub sender: Sender,
}

impl Access {
    /// The caller must see the whole store.
    pub fn must_see_all(&self) -> Result<(), Problem> {
        if self.caller.scope == Scope::all() {
            return Ok(());
        }
        let detail = format!("this is about the whole store, and the token sees {}", self.caller.scope);
        Err(Problem::new(Kind::Forbidden, detail))
    }

    /// The caller must have this right too.
    pub fn must(&self, right: Right) -> Result<(), Problem> {
        if self.caller.rights.has(right) { Ok(()) } else { Err(lacks(right)) }
    }
}

impl FromRequestParts<App> for Access {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Access, Problem> {
        let caller = parts.extensions.get::<Caller>().cloned();
        let caller = caller.ok_or_else(|| Problem::new(Kind::Unauthenticated, "nobody knows who calls"))?;
        let sender = Sender::of(&parts.extensions);
        Ok(Access { store: app.store.scoped(caller.scope.clone())?, caller, sender })
    }
}

/// The names under which a server may be asked.
#[derive(Debug, Clone)]
pub(crate) struct Hosts(Arc<[String]>);

impl Hosts {
    /// The loopback's names and these.
    pub fn new(names: impl IntoIterator<Item = String>) -> Hosts {
        let own = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned);
        Hosts(own.into_iter().chain(names.into_iter().map(|name| name.to_ascii_lowercase())).collect())
    }

    /// Whether this is one of them, with or without a port.
    fn has(&self, host: &str) -> bool {
        let end = host.rfind(':').filter(|at| host[at + 1..].bytes().all(|byte| byte.is_ascii_digit()));
        let name = match end {
            Some(at) if !host.ends_with(']') => &host[..at],
            _ => host,
        };
        self.0.iter().any(|own| own.eq_ignore_ascii_case(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_knows_its_names() {
        let hosts = Hosts::new(["Sessions.Example.org".into()]);
        for host in
            ["localhost", "LOCALHOST:7878", "127.0.0.1:1", "[::1]", "[::1]:80", "sessions.example.org:443"]
        {
            assert!(hosts.has(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost:80:80",
            "::1",
            "localhost.",
            "127.0.0.2",
        ] {
            assert!(!hosts.has(host), "{host}");
        }
    }
}
