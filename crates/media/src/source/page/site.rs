//! Where the template that comes with the program is to be had: a server on this computer's loopback, for the
//! life of one job.

use std::net::Ipv4Addr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use egress::layout::Layout;
use rust_embed::RustEmbed;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use url::Url;

/// The built template.
#[derive(RustEmbed)]
#[folder = "../../layouts/template/dist"]
#[allow_missing = true]
struct Template;

/// The template being served. Dropping it ends that.
#[derive(Debug)]
pub struct Site {
    address: Url,
    server: JoinHandle<()>,
}

impl Site {
    /// Serves the template, and beside it `layout`, where that is none of the stock ones.
    ///
    /// # Errors
    /// If no port can be had, or this program was built without the template.
    pub async fn start(layout: Option<&Layout>) -> std::io::Result<Self> {
        if Template::get("index.html").is_none() {
            return Err(std::io::Error::other("this program was built without the layouts' template"));
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = format!("http://127.0.0.1:{}/", listener.local_addr()?.port());
        let address = Url::parse(&address).map_err(std::io::Error::other)?;
        let own = layout.map(|layout| {
            let text = serde_json::to_vec(layout).unwrap_or_default();
            (format!("layouts/{}.json", layout.name.0), text)
        });
        let router = Router::new()
            .route("/", get(|own| file(own, "index.html".to_owned())))
            .route("/{*path}", get(|own, Path(path): Path<String>| file(own, path)))
            .with_state(Arc::new(own));
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::warn!(%error, "the template is not served any more");
            }
        });
        Ok(Self { address, server })
    }

    /// Where it is.
    pub fn address(&self) -> &Url {
        &self.address
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.server.abort();
    }
}

type Own = Arc<Option<(String, Vec<u8>)>>;

async fn file(State(own): State<Own>, path: String) -> Response {
    if let Some((name, text)) = &*own
        && *name == path
    {
        return ([(header::CONTENT_TYPE, "application/json")], text.clone()).into_response();
    }
    match Template::get(&path) {
        Some(file) => {
            let kind = file.metadata.mimetype().to_owned();
            ([(header::CONTENT_TYPE, kind)], file.data).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
