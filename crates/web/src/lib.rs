//! Pages over HTTPS for people who hold a link: today the one that releases a letter from quarantine.
//!
//! Sockets, TLS and limits of connections are `net`'s; what a link may do is `guard`'s; here are HTTP and words. HTTP/1.1
//! alone, one request a connection: a page needs no second one, and no connection lies idle. Invariants: opening a page
//! changes nothing (GET and HEAD, whoever sends them: people, previews, link scanners); every page forbids scripts,
//! frames, copies and referrers; what is no page of ours is answered alike, whatever it is.

mod limit;
mod page;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Extension, Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use congvu_guard::Guard;
use congvu_guard::quarantine::{Error, Opened, Released};
use congvu_net::{Network, Shutdown};
use congvu_store::Timestamp;
use congvu_wire::Peer;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::{debug, error};

use limit::Limit;

/// Octets of a form: its one field has some thirty.
const BODY_MOST: usize = 4 * 1024;
/// Time for a request's header; a line that is slower than this shows no page either.
const HEADER_TIME: Duration = Duration::from_secs(10);
/// Time for a whole connection: header, form, and the answer on its way back.
const CONNECTION_TIME: Duration = Duration::from_secs(30);
/// Octets of a request's header: our links are short, and browsers send one to two thousand.
const HEADER_MOST: usize = 16 * 1024;

/// The pages of one server. Cheap to clone.
#[derive(Clone)]
pub struct Pages {
    router: Router,
}

struct Shared {
    guard: Guard,
    /// Sources that are not counted: proxies, monitoring.
    unlimited: Vec<Network>,
    limit: Limit,
}

type Shop = State<Arc<Shared>>;

impl Pages {
    /// For one server. Wrong links of `unlimited` sources are not counted.
    pub fn new(guard: Guard, unlimited: Vec<Network>) -> Self {
        let shared = Arc::new(Shared {
            guard,
            unlimited,
            limit: Limit::default(),
        });
        let router = Router::new()
            .route("/q/{link}", get(show).post(release))
            .fallback(nothing)
            .method_not_allowed_fallback(nothing)
            .layer(DefaultBodyLimit::max(BODY_MOST))
            .with_state(shared);
        Self { router }
    }

    /// Serves one connection to its end; ends soon when the server stops.
    pub async fn serve<S>(&self, peer: Peer, stream: S, mut shutdown: Shutdown)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let router = self
            .router
            .clone()
            .layer(Extension(Source(peer.remote.ip().to_canonical())));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIME)
            .keep_alive(false)
            .max_buf_size(HEADER_MOST)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
        let mut connection = std::pin::pin!(tokio::time::timeout(CONNECTION_TIME, connection));
        let ended = tokio::select! {
            ended = &mut connection => ended,
            () = shutdown.stopping() => connection.await,
        };
        let remote = peer.remote;
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(error)) => debug!(%remote, %error, "page not served"),
            Err(_) => debug!(%remote, "page not served in time"),
        }
    }
}

impl std::fmt::Debug for Pages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pages(…)")
    }
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
struct Source(IpAddr);

/// Shows what a link leads to.
async fn show(
    State(shared): Shop,
    Extension(source): Extension<Source>,
    Path(link): Path<String>,
) -> Response {
    if shared.is_over(source) {
        return answer(StatusCode::TOO_MANY_REQUESTS, page::too_many());
    }
    let opened = shared.guard.open_link(&link, Timestamp::now()).await;
    match opened {
        Ok(opened) => shared.opened(source, &opened, None),
        Err(error) => failed(&error),
    }
}

/// Releases the letter of a link.
async fn release(
    State(shared): Shop,
    Extension(source): Extension<Source>,
    Path(link): Path<String>,
    body: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Response {
    if shared.is_over(source) {
        return answer(StatusCode::TOO_MANY_REQUESTS, page::too_many());
    }
    let Ok(body) = body else {
        return nothing().await;
    };
    let form = field(&body, "form");
    let now = Timestamp::now();
    match shared.guard.release_by_link(&link, form, now).await {
        Ok(Released::Now(letter)) => answer(StatusCode::OK, page::released(&letter)),
        Ok(Released::Again) => match shared.guard.open_link(&link, now).await {
            Ok(opened) => shared.opened(source, &opened, Some(page::AGAIN)),
            Err(error) => failed(&error),
        },
        Ok(Released::Full) => answer(StatusCode::CONFLICT, page::full()),
        Ok(Released::No(opened)) => shared.opened(source, &opened, None),
        Err(error) => failed(&error),
    }
}

impl Shared {
    fn is_limited(&self, source: Source) -> bool {
        !self
            .unlimited
            .iter()
            .any(|network| network.contains(source.0))
    }

    fn is_over(&self, source: Source) -> bool {
        self.is_limited(source) && self.limit.is_over(source.0, Instant::now())
    }

    fn opened(&self, source: Source, opened: &Opened, note: Option<[&str; 2]>) -> Response {
        let zone = self.guard.settings().zone;
        match opened {
            Opened::Letter(letter, form) => {
                answer(StatusCode::OK, page::confirm(letter, form, zone, note))
            }
            Opened::Ended(end) => answer(StatusCode::GONE, page::ended(*end)),
            Opened::Over => answer(StatusCode::GONE, page::over()),
            Opened::Unknown => {
                if self.is_limited(source) {
                    self.limit.note(source.0, Instant::now());
                }
                answer(StatusCode::NOT_FOUND, page::nothing())
            }
        }
    }
}

/// Everything that is no page.
async fn nothing() -> Response {
    answer(StatusCode::NOT_FOUND, page::nothing())
}

fn failed(error: &Error) -> Response {
    error!(%error, "page of a quarantined letter failed");
    answer(StatusCode::SERVICE_UNAVAILABLE, page::failed())
}

/// The value of a field of a form. Ours are letters, digits, `-` and `_`, which no browser writes otherwise.
fn field<'a>(body: &'a [u8], name: &str) -> &'a str {
    let text = std::str::from_utf8(body).unwrap_or_default();
    text.split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(found, _)| *found == name)
        .map_or("", |(_, value)| value)
}

/// A page with what every page says to browsers.
fn answer(status: StatusCode, html: String) -> Response {
    const FIELDS: [(header::HeaderName, &str); 6] = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
        ),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    let mut response = (status, html).into_response();
    for (name, value) in FIELDS {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    // Not for search engines either: a link that leaked must not be found by it.
    response.headers_mut().insert(
        header::HeaderName::from_static("x-robots-tag"),
        HeaderValue::from_static("noindex, nofollow, noarchive"),
    );
    response
}

#[cfg(test)]
mod tests;
