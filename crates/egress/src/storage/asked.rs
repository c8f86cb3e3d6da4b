//! Storage as LiveKit's requests ask for it.

use livekit_protocol as proto;
use proto::{direct_file_output, encoded_file_output, image_output, segmented_file_output, storage_config};
use secrecy::SecretString;
use url::Url;

use super::{AliOss, Azure, Gcp, ProxyLogin, S3, Storage, StorageKeys, StorageProfile, StorageSecret};
use crate::validate::RequestError;

/// A storage that a request asks for, with its keys, checked.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Where to.
    pub storage: Storage,
    /// With which keys.
    pub secret: StorageSecret,
}

/// Where the files of an output go.
#[derive(Debug, Clone)]
pub enum StorageChoice {
    /// To what the request asks for.
    Asked(Box<Asked>),
    /// To what is configured here.
    Configured(Box<StorageProfile>),
    /// Nowhere: they stay in their folder.
    Local,
}

/// LiveKit's order: what the output says, what the request says, what is configured here, else the folder.
pub fn choose(
    output: Option<Asked>,
    request: Option<Asked>,
    configured: Option<StorageProfile>,
) -> StorageChoice {
    match (output.or(request), configured) {
        (Some(asked), _) => StorageChoice::Asked(Box::new(asked)),
        (None, Some(profile)) => StorageChoice::Configured(Box::new(profile)),
        (None, None) => StorageChoice::Local,
    }
}

impl Asked {
    fn new(storage: Storage, secret: StorageSecret) -> Result<Self, RequestError> {
        let storage = storage.check()?;
        let secret = secret.check(&storage)?;
        Ok(Self { storage, secret })
    }

    /// Of a request or an output in the unified API.
    ///
    /// # Errors
    /// As [`Storage::check`] and [`StorageSecret::check`]; so in all that follow.
    pub fn of_config(config: Option<&proto::StorageConfig>) -> Result<Option<Self>, RequestError> {
        match config.and_then(|config| config.provider.as_ref()) {
            Some(storage_config::Provider::S3(upload)) => Self::of_s3(upload).map(Some),
            Some(storage_config::Provider::Gcp(upload)) => Self::of_gcp(upload).map(Some),
            Some(storage_config::Provider::Azure(upload)) => Self::of_azure(upload).map(Some),
            Some(storage_config::Provider::AliOss(upload)) => Self::of_ali_oss(upload).map(Some),
            None => Ok(None),
        }
    }

    /// Of a file in the older requests.
    ///
    /// # Errors
    /// As [`Asked::of_config`].
    pub fn of_file(file: &proto::EncodedFileOutput) -> Result<Option<Self>, RequestError> {
        match &file.output {
            Some(encoded_file_output::Output::S3(upload)) => Self::of_s3(upload).map(Some),
            Some(encoded_file_output::Output::Gcp(upload)) => Self::of_gcp(upload).map(Some),
            Some(encoded_file_output::Output::Azure(upload)) => Self::of_azure(upload).map(Some),
            Some(encoded_file_output::Output::AliOss(upload)) => Self::of_ali_oss(upload).map(Some),
            None => Ok(None),
        }
    }

    /// Of the file of a Track egress.
    ///
    /// # Errors
    /// As [`Asked::of_config`].
    pub fn of_track_file(file: &proto::DirectFileOutput) -> Result<Option<Self>, RequestError> {
        match &file.output {
            Some(direct_file_output::Output::S3(upload)) => Self::of_s3(upload).map(Some),
            Some(direct_file_output::Output::Gcp(upload)) => Self::of_gcp(upload).map(Some),
            Some(direct_file_output::Output::Azure(upload)) => Self::of_azure(upload).map(Some),
            Some(direct_file_output::Output::AliOss(upload)) => Self::of_ali_oss(upload).map(Some),
            None => Ok(None),
        }
    }

    /// Of a segment set in the older requests.
    ///
    /// # Errors
    /// As [`Asked::of_config`].
    pub fn of_segments(output: &proto::SegmentedFileOutput) -> Result<Option<Self>, RequestError> {
        match &output.output {
            Some(segmented_file_output::Output::S3(upload)) => Self::of_s3(upload).map(Some),
            Some(segmented_file_output::Output::Gcp(upload)) => Self::of_gcp(upload).map(Some),
            Some(segmented_file_output::Output::Azure(upload)) => Self::of_azure(upload).map(Some),
            Some(segmented_file_output::Output::AliOss(upload)) => Self::of_ali_oss(upload).map(Some),
            None => Ok(None),
        }
    }

    /// Of images in the older requests.
    ///
    /// # Errors
    /// As [`Asked::of_config`].
    pub fn of_images(output: &proto::ImageOutput) -> Result<Option<Self>, RequestError> {
        match &output.output {
            Some(image_output::Output::S3(upload)) => Self::of_s3(upload).map(Some),
            Some(image_output::Output::Gcp(upload)) => Self::of_gcp(upload).map(Some),
            Some(image_output::Output::Azure(upload)) => Self::of_azure(upload).map(Some),
            Some(image_output::Output::AliOss(upload)) => Self::of_ali_oss(upload).map(Some),
            None => Ok(None),
        }
    }

    /// Of `S3Upload`. Without any key it is the machine's own identity that uploads.
    ///
    /// # Errors
    /// As [`Asked::of_config`].
    pub fn of_s3(upload: &proto::S3Upload) -> Result<Self, RequestError> {
        let (proxy_url, proxy) = proxy(upload.proxy.as_ref())?;
        let storage = Storage::S3(S3 {
            bucket: upload.bucket.clone(),
            region: upload.region.clone(),
            endpoint: upload.endpoint.clone(),
            force_path_style: upload.force_path_style,
            assume_role_arn: upload.assume_role_arn.clone(),
            metadata: upload.metadata.clone().into_iter().collect(),
            tagging: upload.tagging.clone(),
            content_disposition: upload.content_disposition.clone(),
            proxy_url,
            machine_identity: [&upload.access_key, &upload.secret, &upload.session_token]
                .iter()
                .all(|key| key.trim().is_empty()),
        });
        let keys = StorageKeys::S3 {
            access_key: secret(&upload.access_key),
            secret: secret(&upload.secret),
            session_token: some_secret(&upload.session_token),
            assume_role_external_id: some_secret(&upload.assume_role_external_id),
        };
        Self::new(storage, StorageSecret { keys, proxy })
    }

    /// Of `GCPUpload`. Without credentials it is the machine's own identity that uploads.
    ///
    /// # Errors
    /// As [`Asked::of_config`].
    pub fn of_gcp(upload: &proto::GcpUpload) -> Result<Self, RequestError> {
        let (proxy_url, proxy) = proxy(upload.proxy.as_ref())?;
        let machine_identity = upload.credentials.trim().is_empty();
        let storage = Storage::Gcp(Gcp { bucket: upload.bucket.clone(), proxy_url, machine_identity });
        let keys = match machine_identity {
            true => StorageKeys::None,
            false => StorageKeys::Gcp { credentials: upload.credentials.as_str().into() },
        };
        Self::new(storage, StorageSecret { keys, proxy })
    }

    /// Of `AzureBlobUpload`. The key may be a shared access signature; without one it is the machine's own identity
    /// that uploads.
    ///
    /// # Errors
    /// As [`Asked::of_config`].
    pub fn of_azure(upload: &proto::AzureBlobUpload) -> Result<Self, RequestError> {
        let machine_identity = upload.account_key.trim().is_empty();
        let storage = Storage::Azure(Azure {
            account_name: upload.account_name.clone(),
            container_name: upload.container_name.clone(),
            endpoint: String::new(),
            machine_identity,
        });
        let keys = match machine_identity {
            true => StorageKeys::None,
            false => StorageKeys::Azure { account_key: secret(&upload.account_key) },
        };
        Self::new(storage, StorageSecret { keys, proxy: None })
    }

    /// Of `AliOSSUpload`.
    ///
    /// # Errors
    /// As [`Asked::of_config`].
    pub fn of_ali_oss(upload: &proto::AliOssUpload) -> Result<Self, RequestError> {
        let storage = Storage::AliOss(AliOss {
            bucket: upload.bucket.clone(),
            region: upload.region.clone(),
            endpoint: upload.endpoint.clone(),
        });
        let keys =
            StorageKeys::AliOss { access_key: secret(&upload.access_key), secret: secret(&upload.secret) };
        Self::new(storage, StorageSecret { keys, proxy: None })
    }
}

/// Without the spaces and line breaks that come along when it is copied.
fn secret(text: &str) -> SecretString {
    text.trim().into()
}

fn some_secret(text: &str) -> Option<SecretString> {
    (!text.trim().is_empty()).then(|| secret(text))
}

/// The address of a proxy, and its login: from its fields, else from within the address.
fn proxy(config: Option<&proto::ProxyConfig>) -> Result<(String, Option<ProxyLogin>), RequestError> {
    let Some(config) = config.filter(|config| !config.url.trim().is_empty()) else {
        return Ok((String::new(), None));
    };
    let unfit = || {
        RequestError::field(
            "proxy",
            "The address of the proxy is not one.",
            "Write it as http://host:port, and the login in its own fields.",
        )
    };
    let mut text = config.url.trim().to_owned();
    if !text.contains("://") {
        text.insert_str(0, "http://");
    }
    let mut url = Url::parse(&text).map_err(|_| unfit())?;
    let within = (decoded(url.username()), decoded(url.password().unwrap_or_default()));
    if url.has_host() {
        url.set_username("").map_err(|()| unfit())?;
        url.set_password(None).map_err(|()| unfit())?;
    }
    let (username, password) = if config.username.is_empty() && config.password.is_empty() {
        within
    } else {
        (config.username.clone(), config.password.clone())
    };
    let login = (!username.is_empty() || !password.is_empty())
        .then(|| ProxyLogin { username: username.into(), password: password.into() });
    Ok((url.into(), login))
}

fn decoded(text: &str) -> String {
    // The form decoder is the one at hand; a plus sign in a login is a plus sign.
    let text = format!("v={}", text.replace('+', "%2B").replace('&', "%26"));
    url::form_urlencoded::parse(text.as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}
