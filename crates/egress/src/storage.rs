//! Where files are uploaded to: settings without secrets, and the secrets apart from them.
//!
//! A [`Storage`] may stand in the journal, in a profile and in a log; a [`StorageSecret`] only in the
//! keyring and in memory. Both come from LiveKit's requests ([`Asked`]) or from what the operator has saved
//! ([`StorageProfile`]), and pass the same [`check`](Storage::check): what it lets through can be put into
//! an address, a header or a signature without further care.

mod asked;
mod rules;
mod secret;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

pub use asked::{Asked, StorageChoice, choose};
pub use secret::{ProxyLogin, StorageKeys, StorageSecret};

use crate::validate::RequestError;

/// LiveKit's default for S3: players and browsers show the object instead of saving it.
pub const DEFAULT_CONTENT_DISPOSITION: &str = "inline";
/// Longest name of an object that S3, Google Cloud Storage and Azure all take, bytes.
pub const MAX_KEY_BYTES: usize = 1024;

/// Where objects go to. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Storage {
    /// Amazon S3, and everything that speaks its protocol.
    S3(S3),
    /// Google Cloud Storage.
    Gcp(Gcp),
    /// Azure Blob Storage.
    Azure(Azure),
    /// Alibaba Cloud OSS.
    AliOss(AliOss),
    /// A folder: another disk, a network share.
    Local(LocalFolder),
}

/// A bucket of S3, or of a store that speaks its protocol.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(default)]
pub struct S3 {
    /// Name of the bucket.
    pub bucket: String,
    /// Empty: asked of AWS, or `us-east-1` where there is an endpoint.
    pub region: String,
    /// Empty: AWS. With or without a scheme; without one it is `https`.
    pub endpoint: String,
    /// The bucket goes into the path of the address instead of its host.
    pub force_path_style: bool,
    /// ARN of a role to assume with the keys. Empty: none.
    pub assume_role_arn: String,
    /// Kept with each object.
    pub metadata: BTreeMap<String, String>,
    /// Tags of each object, URL-encoded: `key=value&key2=value2`.
    pub tagging: String,
    /// Empty: [`DEFAULT_CONTENT_DISPOSITION`].
    pub content_disposition: String,
    /// Address of an HTTP proxy, without its login. Empty: none of its own.
    pub proxy_url: String,
    /// Without keys: whoever the computer that uploads is to the cloud, by its environment, its files or the
    /// instance it runs on.
    pub machine_identity: bool,
}

/// A bucket of Google Cloud Storage.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(default)]
pub struct Gcp {
    /// Name of the bucket.
    pub bucket: String,
    /// Address of an HTTP proxy, without its login. Empty: none of its own.
    pub proxy_url: String,
    /// Without keys: whoever the computer that uploads is to the cloud, by its environment, its files or the
    /// instance it runs on.
    pub machine_identity: bool,
}

/// A container of Azure Blob Storage.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(default)]
pub struct Azure {
    /// Name of the storage account.
    pub account_name: String,
    /// Name of the container.
    pub container_name: String,
    /// Address of the service, account included. Empty: Azure's own.
    pub endpoint: String,
    /// Without keys: whoever the computer that uploads is to the cloud, by its environment, its files or the
    /// instance it runs on.
    pub machine_identity: bool,
}

/// A bucket of Alibaba Cloud OSS.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(default)]
pub struct AliOss {
    /// Name of the bucket.
    pub bucket: String,
    /// Kept as it was given. The endpoint says where the bucket is.
    pub region: String,
    /// `oss-cn-hangzhou.aliyuncs.com` and the like.
    pub endpoint: String,
}

/// A folder of this computer, or one that is mounted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(default)]
pub struct LocalFolder {
    /// Absolute path.
    #[ts(type = "string")]
    pub folder: PathBuf,
}

/// What the operator, or a worker's configuration, has saved under a name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
pub struct StorageProfile {
    /// Where objects go to.
    pub storage: Storage,
    /// What the names of all objects begin with, for instance `shows/2026`. May be empty.
    #[serde(default)]
    pub prefix: String,
}

impl Storage {
    /// Checks the settings and brings them into their final form: spaces at the ends gone, schemes added.
    ///
    /// # Errors
    /// A field is missing or cannot be put into an address or a header.
    pub fn check(mut self) -> Result<Self, RequestError> {
        match &mut self {
            Self::S3(s3) => {
                rules::bucket(&mut s3.bucket)?;
                rules::region(&mut s3.region)?;
                rules::endpoint(&mut s3.endpoint)?;
                rules::role(&mut s3.assume_role_arn)?;
                rules::metadata(&mut s3.metadata)?;
                rules::tagging(&s3.tagging)?;
                rules::content_disposition(&mut s3.content_disposition)?;
                rules::proxy(&mut s3.proxy_url)?;
            }
            Self::Gcp(gcp) => {
                rules::bucket(&mut gcp.bucket)?;
                rules::proxy(&mut gcp.proxy_url)?;
            }
            Self::Azure(azure) => {
                rules::account(&mut azure.account_name)?;
                rules::container(&mut azure.container_name)?;
                rules::endpoint(&mut azure.endpoint)?;
            }
            Self::AliOss(oss) => {
                rules::bucket(&mut oss.bucket)?;
                rules::region(&mut oss.region)?;
                rules::endpoint(&mut oss.endpoint)?;
                if oss.endpoint.is_empty() {
                    return Err(RequestError::field(
                        "endpoint",
                        "Alibaba OSS needs the address of the region that the bucket is in.",
                        "Give an endpoint such as oss-cn-hangzhou.aliyuncs.com.",
                    ));
                }
            }
            Self::Local(local) => rules::folder(&local.folder)?,
        }
        Ok(self)
    }

    /// What it is called in messages: `the bucket "shows"`.
    pub fn described(&self) -> String {
        match self {
            Self::S3(S3 { bucket, .. })
            | Self::Gcp(Gcp { bucket, .. })
            | Self::AliOss(AliOss { bucket, .. }) => {
                format!("the bucket \"{bucket}\"")
            }
            Self::Azure(azure) => format!("the container \"{}\"", azure.container_name),
            Self::Local(local) => format!("the folder {}", local.folder.display()),
        }
    }

    /// Whether the computer's own identity takes the place of keys.
    pub fn machine_identity(&self) -> bool {
        match self {
            Self::S3(s3) => s3.machine_identity,
            Self::Gcp(gcp) => gcp.machine_identity,
            Self::Azure(azure) => azure.machine_identity,
            Self::AliOss(_) | Self::Local(_) => false,
        }
    }

    /// Whether an object of one name is the same object in both, whatever else the settings say.
    pub fn same_place(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::S3(a), Self::S3(b)) => (&a.bucket, &a.endpoint) == (&b.bucket, &b.endpoint),
            (Self::Gcp(a), Self::Gcp(b)) => a.bucket == b.bucket,
            (Self::Azure(a), Self::Azure(b)) => {
                (&a.account_name, &a.container_name, &a.endpoint)
                    == (&b.account_name, &b.container_name, &b.endpoint)
            }
            (Self::AliOss(a), Self::AliOss(b)) => (&a.bucket, &a.endpoint) == (&b.bucket, &b.endpoint),
            (Self::Local(a), Self::Local(b)) => a.folder == b.folder,
            _ => false,
        }
    }

    /// Whether nothing leaves this computer's file systems.
    pub fn is_local(&self) -> bool {
        matches!(self, Self::Local(_))
    }
}

/// The pairs of an S3 tagging string.
///
/// # Errors
/// It is not `key=value&…`, or more or longer than S3 takes.
pub fn tags(tagging: &str) -> Result<Vec<(String, String)>, RequestError> {
    rules::tagging(tagging)
}

/// No store can list a name with one.
const CONTROL: &str = "The name of an uploaded file must not hold control characters.";

/// Whether what a template of names says itself can be in the name of an object.
///
/// # Errors
/// It holds control characters. They are fine in a file that stays here.
pub fn check_template(field: &'static str, template: &str) -> Result<(), RequestError> {
    if template.chars().any(|c| c.is_ascii_control()) {
        return Err(RequestError::field(field, CONTROL, "Choose another name for the file."));
    }
    Ok(())
}

/// The name of an object: `prefix` and `name`, character by character as they are. Only empty segments and slashes at
/// the ends are dropped, as S3 drops the one at the beginning.
///
/// # Errors
/// Nothing is left, it is too long, it would lead out of its folder, or it holds control characters.
pub fn object_key(prefix: &str, name: &str) -> Result<String, RequestError> {
    let segments: Vec<&str> = [prefix, name]
        .iter()
        .flat_map(|part| part.split('/'))
        .filter(|segment| !segment.is_empty())
        .collect();
    let refuse = |message: &str| {
        Err(RequestError::field("filepath", message, "Choose another name for the file, or another prefix."))
    };
    if name.trim_matches('/').is_empty() {
        return refuse("An uploaded file needs a name.");
    }
    if segments.iter().any(|segment| matches!(*segment, "." | "..")) {
        return refuse("The name of an uploaded file must not hold \".\" or \"..\" as a folder.");
    }
    let key = segments.join("/");
    if key.chars().any(|c| c.is_ascii_control()) {
        return refuse(CONTROL);
    }
    if key.len() > MAX_KEY_BYTES {
        return refuse("The name of an uploaded file is longer than 1024 bytes, which no store takes.");
    }
    Ok(key)
}
