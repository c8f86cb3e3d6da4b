//! Secrets taken out of requests and addresses before they are stored, logged or shown.

use livekit_protocol as proto;
use proto::{
    direct_file_output, encoded_file_output, image_output, output, room_composite_egress_request,
    segmented_file_output, storage_config, track_composite_egress_request, track_egress_request,
    web_egress_request,
};

use crate::validate::EgressRequest;

/// Takes the secrets out of a request. Every output of it: LiveKit's own redaction stops at the first
/// request with two outputs of a kind, and keeps all their secrets.
pub fn redact(request: &mut EgressRequest) {
    match request {
        EgressRequest::Egress(request) => unified(&mut request.outputs, &mut request.storage),
        EgressRequest::Replay(request) => unified(&mut request.outputs, &mut request.storage),
        #[allow(deprecated)] // the fields are, what they hold is no less secret
        EgressRequest::RoomComposite(request) => {
            address(&mut request.custom_base_url);
            match &mut request.output {
                Some(room_composite_egress_request::Output::File(file)) => encoded_file(file),
                Some(room_composite_egress_request::Output::Stream(output)) => stream(output),
                Some(room_composite_egress_request::Output::Segments(output)) => segments(output),
                None => {}
            }
            request.file_outputs.iter_mut().for_each(encoded_file);
            request.stream_outputs.iter_mut().for_each(stream);
            request.segment_outputs.iter_mut().for_each(segments);
            request.image_outputs.iter_mut().for_each(images);
        }
        #[allow(deprecated)]
        EgressRequest::Web(request) => {
            address(&mut request.url);
            match &mut request.output {
                Some(web_egress_request::Output::File(file)) => encoded_file(file),
                Some(web_egress_request::Output::Stream(output)) => stream(output),
                Some(web_egress_request::Output::Segments(output)) => segments(output),
                None => {}
            }
            request.file_outputs.iter_mut().for_each(encoded_file);
            request.stream_outputs.iter_mut().for_each(stream);
            request.segment_outputs.iter_mut().for_each(segments);
            request.image_outputs.iter_mut().for_each(images);
        }
        EgressRequest::Participant(request) => {
            request.file_outputs.iter_mut().for_each(encoded_file);
            request.stream_outputs.iter_mut().for_each(stream);
            request.segment_outputs.iter_mut().for_each(segments);
            request.image_outputs.iter_mut().for_each(images);
        }
        #[allow(deprecated)]
        EgressRequest::TrackComposite(request) => {
            match &mut request.output {
                Some(track_composite_egress_request::Output::File(file)) => encoded_file(file),
                Some(track_composite_egress_request::Output::Stream(output)) => stream(output),
                Some(track_composite_egress_request::Output::Segments(output)) => segments(output),
                None => {}
            }
            request.file_outputs.iter_mut().for_each(encoded_file);
            request.stream_outputs.iter_mut().for_each(stream);
            request.segment_outputs.iter_mut().for_each(segments);
            request.image_outputs.iter_mut().for_each(images);
        }
        EgressRequest::Track(request) => match &mut request.output {
            Some(track_egress_request::Output::File(file)) => match &mut file.output {
                Some(direct_file_output::Output::S3(upload)) => s3(upload),
                Some(direct_file_output::Output::Gcp(upload)) => gcp(upload),
                Some(direct_file_output::Output::Azure(upload)) => azure(upload),
                Some(direct_file_output::Output::AliOss(upload)) => ali_oss(upload),
                None => {}
            },
            Some(track_egress_request::Output::WebsocketUrl(url)) => *url = redact_url(url),
            None => {}
        },
    }
}

fn unified(outputs: &mut [proto::Output], request_storage: &mut Option<proto::StorageConfig>) {
    storage(request_storage);
    for output in outputs {
        storage(&mut output.storage);
        match &mut output.config {
            Some(output::Config::Stream(output)) => stream(output),
            Some(output::Config::Segments(output)) => segments(output),
            Some(output::Config::Images(output)) => images(output),
            Some(output::Config::File(_)) | None => {}
        }
    }
}

fn storage(storage: &mut Option<proto::StorageConfig>) {
    match storage.as_mut().and_then(|storage| storage.provider.as_mut()) {
        Some(storage_config::Provider::S3(upload)) => s3(upload),
        Some(storage_config::Provider::Gcp(upload)) => gcp(upload),
        Some(storage_config::Provider::Azure(upload)) => azure(upload),
        Some(storage_config::Provider::AliOss(upload)) => ali_oss(upload),
        None => {}
    }
}

fn encoded_file(file: &mut proto::EncodedFileOutput) {
    match &mut file.output {
        Some(encoded_file_output::Output::S3(upload)) => s3(upload),
        Some(encoded_file_output::Output::Gcp(upload)) => gcp(upload),
        Some(encoded_file_output::Output::Azure(upload)) => azure(upload),
        Some(encoded_file_output::Output::AliOss(upload)) => ali_oss(upload),
        None => {}
    }
}

fn segments(output: &mut proto::SegmentedFileOutput) {
    match &mut output.output {
        Some(segmented_file_output::Output::S3(upload)) => s3(upload),
        Some(segmented_file_output::Output::Gcp(upload)) => gcp(upload),
        Some(segmented_file_output::Output::Azure(upload)) => azure(upload),
        Some(segmented_file_output::Output::AliOss(upload)) => ali_oss(upload),
        None => {}
    }
}

fn images(output: &mut proto::ImageOutput) {
    match &mut output.output {
        Some(image_output::Output::S3(upload)) => s3(upload),
        Some(image_output::Output::Gcp(upload)) => gcp(upload),
        Some(image_output::Output::Azure(upload)) => azure(upload),
        Some(image_output::Output::AliOss(upload)) => ali_oss(upload),
        None => {}
    }
}

fn stream(output: &mut proto::StreamOutput) {
    for url in &mut output.urls {
        *url = redact_url(url);
    }
}

fn s3(upload: &mut proto::S3Upload) {
    hide(&mut upload.access_key, "{access_key}");
    hide(&mut upload.secret, "{secret}");
    hide(&mut upload.session_token, "{session_token}");
    hide(&mut upload.assume_role_external_id, "{external_id}");
    address(&mut upload.endpoint);
    proxy(&mut upload.proxy);
}

fn gcp(upload: &mut proto::GcpUpload) {
    hide(&mut upload.credentials, "{credentials}");
    proxy(&mut upload.proxy);
}

fn azure(upload: &mut proto::AzureBlobUpload) {
    hide(&mut upload.account_name, "{account_name}");
    hide(&mut upload.account_key, "{account_key}");
}

fn ali_oss(upload: &mut proto::AliOssUpload) {
    hide(&mut upload.access_key, "{access_key}");
    hide(&mut upload.secret, "{secret}");
    address(&mut upload.endpoint);
}

fn proxy(proxy: &mut Option<proto::ProxyConfig>) {
    if let Some(proxy) = proxy {
        address(&mut proxy.url);
        hide(&mut proxy.username, "{username}");
        hide(&mut proxy.password, "{password}");
    }
}

fn hide(secret: &mut String, name: &str) {
    if !secret.is_empty() {
        *secret = name.to_owned();
    }
}

/// Takes user name and password out of an address that is otherwise shown.
fn address(url: &mut String) {
    *url = without_user(url);
}

/// An output's address as it may be shown.
///
/// Of `rtmp(s)://…`, `mux://` and `twitch://` the stream key keeps at most three characters at either end
/// (`{str...key}`), so that a caller still knows which it is, and so does the stream id of an SRT address. Of every
/// other address the values of the query are hidden (an SRT passphrase, a token). User name and password are hidden in
/// all of them.
///
/// What was redacted before stays as it is.
pub fn redact_url(url: &str) -> String {
    let url = url.trim();
    let Some((scheme, rest)) = url.split_once("://").filter(|(scheme, _)| is_scheme(scheme)) else {
        // Not an address: nobody can tell what in it is secret.
        return if url.is_empty() { String::new() } else { abbreviate(url) };
    };
    match scheme.to_ascii_lowercase().as_str() {
        "mux" | "twitch" => format!("{scheme}://{}", abbreviate(rest)),
        "rtmp" | "rtmps" => {
            let url = without_user(url);
            let rest = url.split_once("://").map_or("", |(_, rest)| rest);
            let (location, options) = match rest.split_once(' ') {
                Some((location, "live=1")) => (location, " live=1"),
                Some((location, _)) => (location, " {...}"),
                None => (rest, ""),
            };
            // A key may hold slashes behind a question mark, but not before.
            let path = location.split_once('?').map_or(location, |(path, _)| path);
            match path.rfind('/') {
                Some(at) => {
                    let key = &location[at + 1..];
                    let key = if key.is_empty() { String::new() } else { abbreviate(key) };
                    format!("{scheme}://{}/{key}{options}", &location[..at])
                }
                None => format!("{scheme}://{}{options}", hide_query(location)),
            }
        }
        _ => hide_query(&without_user(url)),
    }
}

/// A text of somebody else's without these secrets. A text from which they cannot be taken out is not told at all.
pub(crate) fn scrub(text: &str, mut secrets: Vec<&str>) -> String {
    secrets.retain(|secret| !secret.is_empty());
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    let mut scrubbed = text.to_owned();
    for secret in secrets {
        if secret.len() < 4 && scrubbed.contains(secret) {
            return String::new();
        }
        scrubbed = scrubbed.replace(secret, "{...}");
    }
    scrubbed
}

/// Characters of a secret that are shown at either end, at most.
const SHOWN_CHARS: usize = 3;

/// `{abc...xyz}`: at most a third of it at either end, at most three characters. What has a meaning in an address, or
/// in this form itself, is not among them, so that the result is read as one piece ever after.
fn abbreviate(secret: &str) -> String {
    if is_abbreviated(secret) {
        return secret.to_owned();
    }
    let chars: Vec<char> = secret.chars().collect();
    let keep = (chars.len() / 3).min(SHOWN_CHARS);
    let plain = |c: &char| if is_plain(*c) { *c } else { '_' };
    let first: String = chars[..keep].iter().map(plain).collect();
    let last: String = chars[chars.len() - keep..].iter().map(plain).collect();
    format!("{{{first}...{last}}}")
}

fn is_scheme(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

fn is_plain(c: char) -> bool {
    !matches!(c, '/' | '\\' | '?' | '#' | '&' | '=' | '@' | ':' | '.' | '{' | '}')
        && !c.is_whitespace()
        && !c.is_control()
}

/// Whether this is what [`abbreviate`] makes.
fn is_abbreviated(text: &str) -> bool {
    let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    let Some((first, last)) = inner.and_then(|inner| inner.split_once("...")) else { return false };
    let kept = first.chars().count();
    kept <= SHOWN_CHARS && kept == last.chars().count() && first.chars().chain(last.chars()).all(is_plain)
}

/// Every value of the query becomes `{...}`, but for the id of an SRT stream, which tells it from others of the same
/// receiver.
fn hide_query(url: &str) -> String {
    let Some((base, query)) = url.split_once('?') else { return url.to_owned() };
    let srt = base.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("srt://"));
    let hidden: Vec<String> = query
        .split('&')
        .map(|parameter| match parameter.split_once('=') {
            Some((name, value)) if !value.is_empty() && srt && name == "streamid" => {
                format!("{name}={}", abbreviate(value))
            }
            Some((name, value)) if !value.is_empty() => format!("{name}={{...}}"),
            Some(_) => parameter.to_owned(),
            // A bare word may be the token itself.
            None if parameter.is_empty() => String::new(),
            None => "{...}".to_owned(),
        })
        .collect();
    format!("{base}?{}", hidden.join("&"))
}

/// `scheme://user:password@host` becomes `scheme://{...}@host`.
fn without_user(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://").filter(|(scheme, _)| is_scheme(scheme)) else {
        return url.to_owned();
    };
    let authority_end = rest.find(['/', '?', '#', ' ']).unwrap_or(rest.len());
    match rest[..authority_end].rfind('@') {
        Some(at) => format!("{scheme}://{{...}}@{}", &rest[at + 1..]),
        None => url.to_owned(),
    }
}
