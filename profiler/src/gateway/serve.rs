//! HTTP: a handful of pages, read only, on one thread. What waits for the collector waits on another.

use std::{
    convert::Infallible,
    fs, io,
    os::unix::fs::{FileTypeExt as _, PermissionsExt as _},
    path::Path,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{ACCEPT, ALLOW, CONTENT_TYPE},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use sd_notify::NotifyState;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
    sync::Semaphore,
};

use super::{
    config::{Config, Listen},
    metrics::{self, Format},
    own::Own,
};
use crate::daemon::{
    client, confine,
    messages::{Answer, Request as Question},
    status::Status,
    transfers::Transfer,
};

/// Connections at one time: others wait until one of them ends.
const CONNECTIONS: usize = 64;

/// Who connects has this long for his request's head, and to take the answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the collector may take: less than a scrape may.
const COLLECTOR_PATIENCE: Duration = Duration::from_secs(3);

const STOP_INTERVAL: Duration = Duration::from_millis(200);

/// Serves until `stop`.
pub fn until(config: &Config, stop: &AtomicBool) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(8)
        .build()
        .context("start the runtime")?;
    runtime.block_on(async {
        let pages = Arc::new(Pages { collector: config.collector.clone(), own: Own::default() });
        let stopped = async {
            while !stop.load(Ordering::Acquire) {
                tokio::time::sleep(STOP_INTERVAL).await;
                let _ = sd_notify::notify(&[NotifyState::Watchdog]);
            }
        };
        let serving = listen(&config.listen, pages);
        match futures_util::future::select(pin!(serving), pin!(stopped)).await {
            futures_util::future::Either::Left((ended, _)) => ended,
            futures_util::future::Either::Right(_) => Ok(()),
        }
    })
}

async fn listen(listen: &Listen, pages: Arc<Pages>) -> Result<()> {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    match listen {
        Listen::Loopback(address) => {
            let listener =
                TcpListener::bind(address).await.with_context(|| format!("listen at {address}"))?;
            ready(&listener.local_addr()?.to_string())?;
            loop {
                let slot = Arc::clone(&slots).acquire_owned().await?;
                match listener.accept().await {
                    Ok((stream, _)) => answer(stream, slot, &pages),
                    Err(error) => not_accepted(&error).await,
                }
            }
        }
        Listen::Unix(path) => {
            let listener = bind(path)?;
            ready(&path.display().to_string())?;
            loop {
                let slot = Arc::clone(&slots).acquire_owned().await?;
                match listener.accept().await {
                    Ok((stream, _)) => answer(stream, slot, &pages),
                    Err(error) => not_accepted(&error).await,
                }
            }
        }
    }
}

/// Nothing was read that anybody wrote.
fn ready(place: &str) -> Result<()> {
    let landlock = confine::gateway()?;
    tracing::info!("listening at {place}, {landlock} confined by Landlock");
    let _ = sd_notify::notify(&[NotifyState::Ready]);
    Ok(())
}

/// Out of descriptors, as a rule: at once it would be the same.
async fn not_accepted(error: &io::Error) {
    tracing::warn!("accept a connection: {error}");
    tokio::time::sleep(Duration::from_millis(100)).await;
}

/// A socket that an earlier gateway has left behind is removed; another file is not, nor one that is answered at.
fn bind(path: &Path) -> Result<UnixListener> {
    let shown = path.display();
    if fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        match std::os::unix::net::UnixStream::connect(path) {
            Ok(_) => bail!("somebody listens at {shown} already"),
            Err(_) => fs::remove_file(path).with_context(|| format!("remove what is left of {shown}"))?,
        }
    }
    let listener = UnixListener::bind(path).with_context(|| format!("listen at {shown}"))?;
    // Its folder decides who may come.
    fs::set_permissions(path, fs::Permissions::from_mode(0o666))
        .with_context(|| format!("open up {shown}"))?;
    Ok(listener)
}

fn answer(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    slot: tokio::sync::OwnedSemaphorePermit,
    pages: &Arc<Pages>,
) {
    let pages = Arc::clone(pages);
    tokio::spawn(async move {
        let service = service_fn(move |request| page(Arc::clone(&pages), request));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(PATIENCE)
            .max_buf_size(16 << 10)
            .keep_alive(false)
            .serve_connection(TokioIo::new(stream), service);
        // Who goes away in between is no error of ours.
        let _ = tokio::time::timeout(2 * PATIENCE, connection).await;
        drop(slot);
    });
}

/// What the pages are made of.
struct Pages {
    collector: std::path::PathBuf,
    own: Own,
}

type Page = Response<Full<Bytes>>;

async fn page(pages: Arc<Pages>, request: Request<Incoming>) -> Result<Page, Infallible> {
    let accept = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let format = format(accept);
    let is_read = [Method::GET, Method::HEAD].contains(request.method());
    Ok(match request.uri().path() {
        _ if !is_read => {
            let mut page = text(StatusCode::METHOD_NOT_ALLOWED, "GET and HEAD only\n");
            page.headers_mut().insert(ALLOW, hyper::header::HeaderValue::from_static("GET, HEAD"));
            page
        }
        "/metrics" => scrape(&pages, format).await,
        "/api/v1/status" => json(status(&pages).await),
        "/api/v1/targets" => json(status(&pages).await.map(|status| status.targets)),
        "/api/v1/transfers" => json(transfers(&pages).await),
        "/-/healthy" => text(StatusCode::OK, "the gateway runs\n"),
        "/" => {
            text(StatusCode::OK, "/metrics\n/api/v1/status\n/api/v1/targets\n/api/v1/transfers\n/-/healthy\n")
        }
        _ => text(StatusCode::NOT_FOUND, "there is no such page: / lists all\n"),
    })
}

/// A collector that is down is no failed scrape: it is what the scrape says.
async fn scrape(pages: &Arc<Pages>, format: Format) -> Page {
    pages.own.scrapes.fetch_add(1, Ordering::Relaxed);
    let status = status(pages).await.ok();
    match metrics::render(status.as_ref(), pages.own.taken(), format) {
        Ok(metrics) => with_type(StatusCode::OK, format.content_type(), metrics),
        Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be written\n"),
    }
}

async fn status(pages: &Arc<Pages>) -> Result<Status> {
    match ask(pages, Question::Status {}).await? {
        Answer::Status(status) => Ok(*status),
        _ => bail!(OTHER),
    }
}

async fn transfers(pages: &Arc<Pages>) -> Result<Vec<Transfer>> {
    match ask(pages, Question::Transfers {}).await? {
        Answer::Transfers(transfers) => Ok(transfers),
        _ => bail!(OTHER),
    }
}

/// Of a collector that is of another version.
const OTHER: &str = "the collector answers something else than it was asked";

async fn ask(pages: &Arc<Pages>, question: Question) -> Result<Answer> {
    let collector = pages.collector.clone();
    let asked = tokio::task::spawn_blocking(move || client::ask(&collector, &question, COLLECTOR_PATIENCE));
    let answer = asked.await.context("ask the collector")?;
    answer.inspect_err(|error| {
        pages.own.failures.fetch_add(1, Ordering::Relaxed);
        tracing::warn!("{error:#}");
    })
}

/// What a client asks for: OpenMetrics only where it says so.
fn format(accept: &str) -> Format {
    match accept.contains("application/openmetrics-text") {
        true => Format::OpenMetrics,
        false => Format::Prometheus,
    }
}

fn json(value: Result<impl serde::Serialize>) -> Page {
    let (status, body) = match value {
        Ok(value) => (StatusCode::OK, serde_json::to_string(&value)),
        Err(why) => {
            let error = serde_json::json!({ "error": format!("{why:#}") });
            (StatusCode::SERVICE_UNAVAILABLE, serde_json::to_string(&error))
        }
    };
    match body {
        Ok(body) => with_type(status, "application/json", body + "\n"),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, &format!("{error}\n")),
    }
}

fn text(status: StatusCode, body: &str) -> Page {
    with_type(status, "text/plain; charset=utf-8", body.to_owned())
}

fn with_type(status: StatusCode, content_type: &'static str, body: String) -> Page {
    let mut page = Response::new(Full::new(Bytes::from(body)));
    *page.status_mut() = status;
    page.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(content_type));
    page
}
