//! The storages of a configuration. They are put into the words of a request, and pass the same checks.

use std::collections::HashMap;

use egress::error::ApiError;
use egress::storage::{Asked, StorageProfile};
use livekit_protocol as proto;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use studio::ConfiguredStorage;

use crate::args::invalid;

/// `storage` and `backup`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct StorageConfig {
    /// Begins the name of every object.
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
struct Secret(Option<SecretString>);

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
    /// The storage that is configured; none if the file names none.
    ///
    /// # Errors
    /// It names several, or one that cannot be used.
    pub fn configured(
        &self,
        key: &str,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<ConfiguredStorage>, ApiError> {
        let of_environment = |text: &str, name: &str| {
            if text.is_empty() { environment(name).unwrap_or_default() } else { text.to_owned() }
        };
        let mut found = Vec::new();
        if let Some(s3) = &self.s3 {
            found.push(Asked::of_s3(&proto::S3Upload {
                access_key: s3.access_key.or(&environment, "AWS_ACCESS_KEY_ID"),
                secret: s3.secret.or(&environment, "AWS_SECRET_ACCESS_KEY"),
                session_token: s3.session_token.or(&environment, "AWS_SESSION_TOKEN"),
                assume_role_arn: s3.assume_role_arn.clone(),
                assume_role_external_id: s3.assume_role_external_id.open(),
                region: of_environment(&s3.region, "AWS_DEFAULT_REGION"),
                endpoint: s3.endpoint.clone(),
                bucket: s3.bucket.clone(),
                force_path_style: s3.force_path_style,
                metadata: s3.metadata.clone(),
                tagging: s3.tagging.clone(),
                content_disposition: s3.content_disposition.clone(),
                proxy: s3.proxy_config.as_ref().map(Proxy::asked),
            }));
        }
        if let Some(azure) = &self.azure {
            found.push(Asked::of_azure(&proto::AzureBlobUpload {
                account_name: of_environment(&azure.account_name, "AZURE_STORAGE_ACCOUNT"),
                account_key: azure.account_key.or(&environment, "AZURE_STORAGE_KEY"),
                container_name: azure.container_name.clone(),
            }));
        }
        if let Some(gcp) = &self.gcp {
            let mut credentials = gcp.credentials_json.open();
            if credentials.is_empty()
                && let Some(file) = environment("GOOGLE_APPLICATION_CREDENTIALS")
            {
                credentials = std::fs::read_to_string(&file).map_err(|error| {
                    invalid(
                        "The file that GOOGLE_APPLICATION_CREDENTIALS names cannot be read.",
                        "Check its name and its rights.",
                    )
                    .with_detail(error)
                })?;
            }
            found.push(Asked::of_gcp(&proto::GcpUpload {
                credentials,
                bucket: gcp.bucket.clone(),
                proxy: gcp.proxy_config.as_ref().map(Proxy::asked),
            }));
        }
        if let Some(oss) = &self.alioss {
            found.push(Asked::of_ali_oss(&proto::AliOssUpload {
                access_key: oss.access_key.open(),
                secret: oss.secret.open(),
                region: oss.region.clone(),
                endpoint: oss.endpoint.clone(),
                bucket: oss.bucket.clone(),
            }));
        }
        if found.len() > 1 {
            return Err(invalid(
                format!("{key} names several storages."),
                "Leave one of s3, azure, gcp and alioss.",
            ));
        }
        let Some(asked) = found.pop() else { return Ok(None) };
        let Asked { storage, secret } = asked.map_err(|error| {
            let mut error = ApiError::from(error);
            error.message = format!("{key} cannot be used. {}", error.message);
            error
        })?;
        Ok(Some(ConfiguredStorage {
            profile: StorageProfile { storage, prefix: self.prefix.clone() },
            secret,
        }))
    }
}
