//! What each field of a storage may hold.

use std::collections::BTreeMap;
use std::path::Path;

use url::Url;

use crate::validate::RequestError;

/// S3 takes 2 KB of metadata with an object, names included.
const MAX_METADATA_BYTES: usize = 2048;
/// S3 takes ten tags with an object.
const MAX_TAGS: usize = 10;
const MAX_TAG_KEY_CHARS: usize = 128;
const MAX_TAG_VALUE_CHARS: usize = 256;
/// Longest value that goes into a header or an address.
const MAX_VALUE_BYTES: usize = 1024;

type Checked = Result<(), RequestError>;

fn refuse<T>(field: &'static str, message: impl Into<String>, remedy: &str) -> Result<T, RequestError> {
    Err(RequestError::field(field, message, remedy))
}

fn trim(text: &mut String) {
    let trimmed = text.trim();
    if trimmed.len() != text.len() {
        *text = trimmed.to_owned();
    }
}

/// Visible ASCII and single spaces within: what every server takes in a header.
fn fits_header(text: &str) -> bool {
    text.len() <= MAX_VALUE_BYTES && text.bytes().all(|b| (0x20..0x7f).contains(&b))
}

/// Older buckets and compatible stores are laxer than AWS is today: anything that needs no encoding in a
/// host or a path.
pub(super) fn bucket(name: &mut String) -> Checked {
    trim(name);
    if name.is_empty() {
        return refuse("bucket", "No bucket is named.", "Name the bucket that files go to.");
    }
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let fits = name.len() <= 255
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        && edge(name.chars().next())
        && edge(name.chars().last())
        && !name.contains("..");
    if !fits {
        return refuse(
            "bucket",
            "The name of the bucket holds what the name of no bucket holds.",
            "Write the name alone: letters, digits, hyphens and dots, without an address.",
        );
    }
    Ok(())
}

pub(super) fn region(region: &mut String) -> Checked {
    trim(region);
    if region.len() > 64 || !region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
        return refuse(
            "region",
            "This is not a region.",
            "Write it as the store does, for instance eu-west-1.",
        );
    }
    Ok(())
}

pub(super) fn endpoint(endpoint: &mut String) -> Checked {
    address(endpoint, "endpoint", "the endpoint", "https://")
}

pub(super) fn proxy(proxy: &mut String) -> Checked {
    address(proxy, "proxy", "the proxy", "http://")
}

/// An address of a server. Empty is one, too: none.
fn address(text: &mut String, field: &'static str, what: &str, scheme: &str) -> Checked {
    const REMEDY: &str = "Write it as https://host or https://host:port.";
    trim(text);
    if text.is_empty() {
        return Ok(());
    }
    if text.len() > MAX_VALUE_BYTES
        || !text.is_ascii()
        || text.chars().any(|c| c.is_ascii_control() || c == ' ')
    {
        return refuse(field, format!("The address of {what} holds characters that no address has."), REMEDY);
    }
    if !text.contains("://") {
        text.insert_str(0, scheme);
    }
    let url = match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => url,
        _ => return refuse(field, format!("The address of {what} is not one of a web server."), REMEDY),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return refuse(
            field,
            format!(
                "The address of {what} holds a user name or a password, and addresses are shown and logged."
            ),
            "Give the login in the fields that are meant for it.",
        );
    }
    if url.query().is_some() || url.fragment().is_some() {
        return refuse(field, format!("The address of {what} holds a question mark or a hash sign."), REMEDY);
    }
    *text = url.as_str().trim_end_matches('/').to_owned();
    Ok(())
}

pub(super) fn role(arn: &mut String) -> Checked {
    trim(arn);
    let fits = arn.is_empty()
        || (arn.starts_with("arn:")
            && arn.len() <= MAX_VALUE_BYTES
            && arn.bytes().all(|b| b.is_ascii_graphic()));
    if !fits {
        return refuse(
            "assume_role_arn",
            "This is not the ARN of a role.",
            "Write it as arn:aws:iam::123456789012:role/name.",
        );
    }
    Ok(())
}

pub(super) fn metadata(metadata: &mut BTreeMap<String, String>) -> Checked {
    let mut length = 0;
    for (key, value) in metadata.iter_mut() {
        trim(value);
        let named = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        if !named {
            return refuse(
                "metadata",
                "A name of the metadata holds more than letters, digits, hyphens, underscores and dots.",
                "Rename it: it becomes the name of an HTTP header.",
            );
        }
        if !fits_header(value) {
            return refuse(
                "metadata",
                format!("The value of \"{key}\" in the metadata cannot be sent as an HTTP header."),
                "Use plain ASCII on one line; encode anything else.",
            );
        }
        length += key.len() + value.len();
    }
    if length > MAX_METADATA_BYTES {
        return refuse("metadata", "The metadata is longer than the 2 KB that S3 takes.", "Shorten it.");
    }
    Ok(())
}

pub(super) fn tagging(tagging: &str) -> Result<Vec<(String, String)>, RequestError> {
    const REMEDY: &str = "Write it as key=value&key2=value2, other characters percent-encoded.";
    let mut tags: Vec<(String, String)> = Vec::new();
    for pair in tagging.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (Some(key), Some(value)) = (decoded(key), decoded(value)) else {
            return refuse("tagging", "The tags are not URL-encoded.", REMEDY);
        };
        let fits = !key.is_empty()
            && key.chars().count() <= MAX_TAG_KEY_CHARS
            && value.chars().count() <= MAX_TAG_VALUE_CHARS
            && !key.chars().chain(value.chars()).any(char::is_control);
        if !fits {
            return refuse("tagging", "A tag is empty, too long, or holds control characters.", REMEDY);
        }
        if tags.iter().any(|(other, _)| *other == key) {
            return refuse("tagging", format!("The tag \"{key}\" is given twice."), REMEDY);
        }
        tags.push((key, value));
    }
    if tags.len() > MAX_TAGS {
        return refuse("tagging", "An object takes ten tags, and there are more.", "Remove some of them.");
    }
    Ok(tags)
}

/// Percent and plus decoded; none if a percent sign begins nothing, or it is not UTF-8.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let (high, low) = (char::from(rest.next()?), char::from(rest.next()?));
                (high.to_digit(16)? * 16 + low.to_digit(16)?) as u8
            }
            b'+' => b' ',
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

pub(super) fn content_disposition(text: &mut String) -> Checked {
    trim(text);
    if !fits_header(text) {
        return refuse(
            "content_disposition",
            "The content disposition cannot be sent as an HTTP header.",
            "Write inline, or attachment; filename=\"name.mp4\", in plain ASCII.",
        );
    }
    Ok(())
}

pub(super) fn account(name: &mut String) -> Checked {
    trim(name);
    let fits =
        (3..=24).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if !fits {
        return refuse(
            "account_name",
            "This is not the name of a storage account: 3 to 24 lower-case letters and digits.",
            "Write the name alone, without the address.",
        );
    }
    Ok(())
}

pub(super) fn container(name: &mut String) -> Checked {
    trim(name);
    let fits = matches!(name.as_str(), "$root" | "$web")
        || ((3..=63).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !name.starts_with('-')
            && !name.ends_with('-')
            && !name.contains("--"));
    if !fits {
        return refuse(
            "container_name",
            "This is not the name of a container: 3 to 63 lower-case letters, digits and single hyphens.",
            "Write the name alone, without the address.",
        );
    }
    Ok(())
}

pub(super) fn folder(folder: &Path) -> Checked {
    if !folder.is_absolute() || folder.to_string_lossy().chars().any(char::is_control) {
        return refuse("folder", "The folder that files go to has no full path.", "Choose the folder again.");
    }
    Ok(())
}
