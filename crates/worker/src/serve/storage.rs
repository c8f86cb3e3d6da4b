//! The storages of a configuration. They are put into the words of a request, and pass the same checks.

use std::collections::HashMap;
use std::path::Path;

use egress::error::ApiError;
use egress::storage::{Asked, LocalFolder, Storage, StorageProfile, StorageSecret};
use livekit_protocol as proto;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use studio::{ConfiguredStorage, S3Role};

use crate::args::invalid;

/// `storage` and `backup`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct StorageConfig {
    /// Begins the name of every object. Alone it is a folder.
    pub prefix: String,
    /// Amazon S3 and what is compatible.
    pub s3: Option<S3>,
    /// Azure Blob Storage.
    pub azure: Option<Azure>,
    /// Google Cloud Storage.
    pub gcp: Option<Gcp>,
    /// Alibaba OSS.
    pub alioss: Option<AliOss>,
}

/// `s3`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct S3 {
    access_key: Secret,
    secret: Secret,
    session_token: Secret,
    assume_role_arn: String,
    assume_role_external_id: Secret,
    region: String,
    endpoint: String,
    bucket: String,
    force_path_style: bool,
    proxy_config: Option<Proxy>,
    metadata: HashMap<String, String>,
    tagging: String,
    content_disposition: String,
}

/// `azure`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Azure {
    account_name: String,
    account_key: Secret,
    container_name: String,
}

/// `gcp`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Gcp {
    credentials_json: Secret,
    bucket: String,
    proxy_config: Option<Proxy>,
}

/// `alioss`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct AliOss {
    access_key: Secret,
    secret: Secret,
    region: String,
    endpoint: String,
    bucket: String,
}

/// `proxy_config`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Proxy {
    url: Secret,
    username: Secret,
    password: Secret,
}

/// A secret that may be missing.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct Secret(Option<SecretString>);

impl Secret {
    fn open(&self) -> String {
        self.0.as_ref().map(|secret| secret.expose_secret().trim().to_owned()).unwrap_or_default()
    }

    /// What stands in the file, else in the environment.
    fn or(&self, environment: &impl Fn(&str) -> Option<String>, name: &str) -> String {
        Some(self.open()).filter(|text| !text.is_empty()).or_else(|| environment(name)).unwrap_or_default()
    }
}

impl Proxy {
    fn asked(&self) -> proto::ProxyConfig {
        proto::ProxyConfig {
            url: self.url.open(),
            username: self.username.open(),
            password: self.password.open(),
        }
    }
}

impl StorageConfig {
    /// Whether it names more than a prefix.
    pub fn names_a_store(&self) -> bool {
        self.s3.is_some() || self.azure.is_some() || self.gcp.is_some() || self.alioss.is_some()
    }

    /// The storage that is configured; none if the file names none. A prefix alone is a folder, as LiveKit has it; one
    /// that is no full path lies below `base`.
    ///
    /// # Errors
    /// It names several, or one that cannot be used.
    pub fn configured(
        &self,
        key: &str,
        base: Option<&Path>,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<ConfiguredStorage>, ApiError> {
        let mut found = Vec::new();
        found.extend(self.s3.as_ref().map(|s3| s3.asked(&environment)));
        found.extend(self.azure.as_ref().map(|azure| azure.asked(&environment)));
        found.extend(self.gcp.as_ref().map(|gcp| gcp.asked(&environment)));
        found.extend(self.alioss.as_ref().map(AliOss::asked));
        if found.len() > 1 {
            return Err(invalid(
                format!("{key} names several storages."),
                "Leave one of s3, azure, gcp and alioss.",
            ));
        }
        let asked = match found.pop() {
            Some(asked) => asked,
            None if self.prefix.trim().is_empty() => return Ok(None),
            None => {
                let folder = base.unwrap_or(Path::new("")).join(self.prefix.trim());
                return folder_at(&folder).map(Some);
            }
        };
        let Asked { storage, secret } = asked.map_err(|mut error| {
            error.message = format!("{key} cannot be used. {}", error.message);
            error
        })?;
        let profile = StorageProfile { storage, prefix: self.prefix.clone() };
        Ok(Some(ConfiguredStorage { profile, secret }))
    }
}

/// A folder as a storage.
///
/// # Errors
/// It has no full path.
pub fn folder_at(folder: &Path) -> Result<ConfiguredStorage, ApiError> {
    let storage = Storage::Local(LocalFolder { folder: folder.to_owned() }).check()?;
    let profile = StorageProfile { storage, prefix: String::new() };
    Ok(ConfiguredStorage { profile, secret: StorageSecret::default() })
}

impl S3 {
    fn asked(&self, environment: &impl Fn(&str) -> Option<String>) -> Result<Asked, ApiError> {
        // Half a pair in the file is completed; without any, it is the machine's own identity, which looks into the
        // environment first.
        let any = [&self.access_key, &self.secret].iter().any(|key| !key.open().is_empty());
        let key = |given: &Secret, name| if any { given.or(environment, name) } else { String::new() };
        Ok(Asked::of_s3(&proto::S3Upload {
            access_key: key(&self.access_key, "AWS_ACCESS_KEY_ID"),
            secret: key(&self.secret, "AWS_SECRET_ACCESS_KEY"),
            session_token: key(&self.session_token, "AWS_SESSION_TOKEN"),
            assume_role_arn: self.assume_role_arn.clone(),
            assume_role_external_id: self.assume_role_external_id.open(),
            region: match self.region.as_str() {
                // Amazon itself is asked where the bucket is.
                "" if !self.endpoint.is_empty() => environment("AWS_REGION")
                    .or_else(|| environment("AWS_DEFAULT_REGION"))
                    .unwrap_or_default(),
                region => region.to_owned(),
            },
            endpoint: self.endpoint.clone(),
            bucket: self.bucket.clone(),
            force_path_style: self.force_path_style,
            metadata: self.metadata.clone(),
            tagging: self.tagging.clone(),
            content_disposition: self.content_disposition.clone(),
            proxy: self.proxy_config.as_ref().map(Proxy::asked),
        })?)
    }
}

impl Azure {
    fn asked(&self, environment: &impl Fn(&str) -> Option<String>) -> Result<Asked, ApiError> {
        Ok(Asked::of_azure(&proto::AzureBlobUpload {
            account_name: match self.account_name.as_str() {
                "" => environment("AZURE_STORAGE_ACCOUNT").unwrap_or_default(),
                name => name.to_owned(),
            },
            account_key: self.account_key.open(),
            container_name: self.container_name.clone(),
        })?)
    }
}

impl Gcp {
    fn asked(&self, environment: &impl Fn(&str) -> Option<String>) -> Result<Asked, ApiError> {
        let credentials = self.credentials_json.open();
        // Read when it is needed; that it can be read is better known now.
        if credentials.is_empty()
            && let Some(file) = environment("GOOGLE_APPLICATION_CREDENTIALS").filter(|file| !file.is_empty())
        {
            std::fs::File::open(&file).map_err(|error| {
                invalid(
                    "The file that GOOGLE_APPLICATION_CREDENTIALS names cannot be read.",
                    "Check its name and its rights.",
                )
                .with_detail(error)
            })?;
        }
        Ok(Asked::of_gcp(&proto::GcpUpload {
            credentials,
            bucket: self.bucket.clone(),
            proxy: self.proxy_config.as_ref().map(Proxy::asked),
        })?)
    }
}

impl AliOss {
    fn asked(&self) -> Result<Asked, ApiError> {
        Ok(Asked::of_ali_oss(&proto::AliOssUpload {
            access_key: self.access_key.open(),
            secret: self.secret.open(),
            region: self.region.clone(),
            endpoint: self.endpoint.clone(),
            bucket: self.bucket.clone(),
        })?)
    }
}

/// `s3_assume_role_*`: by which role requests upload to S3 that name none.
///
/// # Errors
/// Half of its key is missing.
pub fn s3_role(arn: &str, external_id: &Secret, key: &Secret, secret: &Secret) -> Result<S3Role, ApiError> {
    let some =
        |secret: &Secret| Some(SecretString::from(secret.open())).filter(|s| !s.expose_secret().is_empty());
    let key = match (some(key), some(secret)) {
        (Some(key), Some(secret)) => Some((key, secret)),
        (None, None) => None,
        _ => {
            return Err(invalid(
                "Only one of s3_assume_role_key and s3_assume_role_secret is set.",
                "Set both, or neither.",
            ));
        }
    };
    Ok(S3Role { arn: arn.trim().to_owned(), external_id: some(external_id), key })
}
