//! The routes of interview sessions as a server of their own.
//!
//! With an address it serves until Ctrl-C: `cargo run -p interview-session --features http --example server --
//! 127.0.0.1:8000 interviews.db`. Without one it starts on a free port, asks itself, and ends.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;

use interview_session::{SessionRepository, routes};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next();
    let database = arguments.next().unwrap_or_else(|| "memory:".into());
    let repository = SessionRepository::open(database).await?;
    // They can stand in another router too: `Router::new().nest("/interviews", routes(repository))`.
    let router = routes(repository);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:0")).await?;
    let server = axum::serve(listener, router);
    println!("serving http://{}/sessions", server.local_addr()?);
    let own = server.local_addr()?.to_string();
    let end = async move {
        match address {
            Some(_) => tokio::signal::ctrl_c().await.map_err(Box::<dyn Error + Send + Sync>::from),
            None => ask(&own).await,
        }
    };
    tokio::select! {
        ended = server.into_future() => ended?,
        ended = end => ended.map_err(|error| error as Box<dyn Error>)?,
    }
    Ok(())
}

/// Creates, reads, lists and deletes a session, over HTTP.
async fn ask(address: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
    let body = r#"{"methodology": "mec", "concept_id": "oat-milk", "concept_name": "Oat milk", "config": {"depth": 4}}"#;
    let created = request(address, "POST", "/sessions", body).await?;
    let location = created.lines().find_map(|line| line.strip_prefix("location: "));
    let location = location.ok_or("the answer does not say where the session is")?;
    request(address, "GET", location, "").await?;
    request(address, "GET", "/sessions?status=active", "").await?;
    request(address, "DELETE", location, "").await?;
    request(address, "GET", location, "").await?;
    Ok(())
}

async fn request(
    address: &str,
    method: &str,
    path: &str,
    body: &str,
) -> Result<String, Box<dyn Error + Send + Sync>> {
    println!("\n> {method} {path} {body}");
    let mut stream = TcpStream::connect(address).await?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    println!("{answer}");
    Ok(answer)
}
