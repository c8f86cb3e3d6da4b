//! Pictures for the page, over a URI scheme of their own. The page asks for the newest picture after
//! the one it has and waits: a slow page gets fewer pictures, and none pile up.
//!
//! `frame://localhost/track/<track id>?after=<number>`: a JPEG with its number in `x-seq`, or 204 when
//! there was no new one for a while. `frame://localhost/still/<egress id>/<output id>`: a JPEG, or 404.

use std::time::Duration;

use egress::error::ApiError;
use egress::id::{EgressId, OutputId, TrackId};
use percent_encoding::percent_decode_str;
use tauri::http::{Request, Response, StatusCode, header};

use crate::opened::Opened;

/// The name of the scheme.
pub const SCHEME: &str = "frame";
/// How long a request for a track's picture waits for a new one.
const WAIT: Duration = Duration::from_secs(10);
/// The number of a track's picture.
const SEQ_HEADER: &str = "x-seq";

/// What a request is for.
#[derive(Debug, PartialEq)]
enum Wanted {
    /// The newest picture of a track, newer than this number.
    Track(TrackId, u64),
    /// The still of a recording.
    Still(EgressId, OutputId),
}

/// A picture and, for a track, its number.
struct Picture {
    jpeg: Vec<u8>,
    seq: Option<u64>,
}

/// Answers a request of the page.
pub async fn answer(opened: &Opened, request: &Request<Vec<u8>>) -> Response<Vec<u8>> {
    let uri = request.uri();
    let Some(wanted) = parse(uri.path(), uri.query()) else {
        return respond(StatusCode::BAD_REQUEST, None);
    };
    match picture(opened, wanted).await {
        Ok(Some(picture)) => respond(StatusCode::OK, Some(picture)),
        Ok(None) => respond(StatusCode::NO_CONTENT, None),
        Err(error) => {
            tracing::debug!(%error, "no picture");
            respond(StatusCode::NOT_FOUND, None)
        }
    }
}

async fn picture(opened: &Opened, wanted: Wanted) -> Result<Option<Picture>, ApiError> {
    let studio = opened.studio().await?;
    match wanted {
        Wanted::Track(track, after) => {
            let frame = studio.frame(track, after, WAIT).await?;
            Ok(frame.map(|frame| Picture { jpeg: frame.jpeg.to_vec(), seq: Some(frame.seq) }))
        }
        Wanted::Still(egress, output) => {
            let path = studio.history_still(egress, output).await?.ok_or_else(no_still)?;
            let jpeg = tokio::fs::read(path).await.map_err(|error| no_still().with_detail(error))?;
            Ok(Some(Picture { jpeg, seq: None }))
        }
    }
}

fn no_still() -> ApiError {
    use egress::error::{ErrorCode, Fault};
    ApiError::new(ErrorCode::NotFound, Fault::Environment, "There is no still of this recording", "")
}

fn parse(path: &str, query: Option<&str>) -> Option<Wanted> {
    let mut parts = path.strip_prefix('/')?.split('/').map(|part| percent_decode_str(part).decode_utf8());
    let mut next = || parts.next()?.ok().map(|part| part.into_owned()).filter(|part| !part.is_empty());
    let wanted = match next()?.as_str() {
        "track" => Wanted::Track(TrackId(next()?), after(query)?),
        "still" => Wanted::Still(EgressId(next()?), OutputId(next()?)),
        _ => return None,
    };
    parts.next().is_none().then_some(wanted)
}

fn after(query: Option<&str>) -> Option<u64> {
    let pair = query.unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix("after="));
    pair.map_or(Some(0), |number| number.parse().ok())
}

fn respond(status: StatusCode, picture: Option<Picture>) -> Response<Vec<u8>> {
    // The page and its pictures are of different origins; nothing but our page can ask here at all.
    let mut response = Response::builder()
        .status(status)
        .header(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")
        .header(header::ACCESS_CONTROL_EXPOSE_HEADERS, SEQ_HEADER)
        .header(header::CACHE_CONTROL, "no-store");
    let mut body = Vec::new();
    if let Some(Picture { jpeg, seq }) = picture {
        response = response.header(header::CONTENT_TYPE, "image/jpeg");
        if let Some(seq) = seq {
            response = response.header(SEQ_HEADER, seq);
        }
        body = jpeg;
    }
    response.body(body).expect("every header above is valid")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        assert_eq!(parse("/track/TR_abc", Some("after=7")), Some(Wanted::Track("TR_abc".into(), 7)));
        assert_eq!(parse("/track/TR_abc", None), Some(Wanted::Track("TR_abc".into(), 0)));
        assert_eq!(parse("/still/EG_a/file%201", None), Some(Wanted::Still("EG_a".into(), "file 1".into())));
    }

    #[test]
    fn other_addresses_are_refused() {
        for path in [
            "",
            "/",
            "/track",
            "/track/",
            "/still/EG_a",
            "/still//x",
            "/file/etc",
            "/track/a/b",
            "/track/%ff",
        ] {
            assert_eq!(parse(path, None), None, "{path}");
        }
        assert_eq!(parse("/track/TR_abc", Some("after=x")), None);
        assert_eq!(parse("/track/TR_abc", Some("after=-1")), None);
    }

    #[test]
    fn a_picture_carries_its_number_and_may_be_read_by_the_page() {
        let response = respond(StatusCode::OK, Some(Picture { jpeg: vec![1, 2], seq: Some(9) }));
        assert_eq!(response.headers()[SEQ_HEADER], "9");
        assert_eq!(response.headers()[header::ACCESS_CONTROL_EXPOSE_HEADERS], SEQ_HEADER);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "image/jpeg");
        assert_eq!(response.body(), &[1, 2]);
    }
}
