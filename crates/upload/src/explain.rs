//! What an error means, where that takes a look around.

use egress::error::ApiError;
use egress::storage::{Storage, StorageSecret};

use crate::fault::{Cause, StoreError};
use crate::remote::bucket_in_host;

/// An error in words, with what is found out about it. `identity`: by which of this computer's identities the storage
/// was spoken to.
pub(crate) async fn explained(
    error: &StoreError,
    storage: &Storage,
    secret: Option<&StorageSecret>,
    identity: Option<String>,
) -> ApiError {
    explained_by(error, storage, secret, identity, |host, port| async move {
        tokio::net::lookup_host((host, port)).await.is_ok()
    })
    .await
}

async fn explained_by<L: Future<Output = bool>>(
    error: &StoreError,
    storage: &Storage,
    secret: Option<&StorageSecret>,
    identity: Option<String>,
    is_known: impl Fn(String, u16) -> L,
) -> ApiError {
    let mut told = error.told(storage, secret);
    if let (Some(from), Some(_)) = (identity, error.answer()) {
        told.detail = format!("{} (as {from})", told.detail);
    }
    if let (StoreError::Unreachable(Cause::Name, _), Some((with_bucket, host, port))) =
        (error, bucket_in_host(storage))
        && is_known(host.clone(), port).await
    {
        told.message =
            format!("{host} is known, and {with_bucket} is not: this storage takes no bucket there.");
        told.remedy =
            "Switch force_path_style on, which puts the bucket into the path of the address.".into();
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use egress::storage::S3;

    async fn told(s3: S3, known: &[&str]) -> ApiError {
        let error = StoreError::Unreachable(Cause::Name, "dns error".into());
        let is_known = |host: String, _| std::future::ready(known.contains(&host.as_str()));
        explained_by(&error, &Storage::S3(s3), None, None, is_known).await
    }

    #[tokio::test]
    async fn a_bucket_that_no_host_is_named_after_belongs_into_the_path() {
        let s3 = |endpoint: &str| S3 { bucket: "shows".into(), endpoint: endpoint.into(), ..S3::default() };
        let error = told(s3("http://minio:9000"), &["minio"]).await;
        assert_eq!(
            error.message,
            "minio is known, and shows.minio is not: this storage takes no bucket there."
        );
        assert!(error.remedy.contains("force_path_style"), "{error:?}");
        assert!(error.retryable, "{error:?}");
        for (s3, known) in [
            // Nobody knows the host itself.
            (s3("http://minio:9000"), vec![]),
            (S3 { force_path_style: true, ..s3("http://minio:9000") }, vec!["minio"]),
            // The bucket is there already, or does not go there.
            (s3("https://shows.example.com"), vec!["example.com"]),
            (s3("https://example.com/s3"), vec!["example.com"]),
            (S3 { bucket: "my.shows".into(), ..s3("https://example.com") }, vec!["example.com"]),
            (s3(""), vec!["s3.us-east-1.amazonaws.com"]),
        ] {
            let error = told(s3, &known).await;
            assert!(error.message.contains("not known by this name"), "{error:?}");
        }
    }

    #[tokio::test]
    async fn who_was_refused_is_named() {
        let answer = crate::fault::Answer { status: 403, code: "AccessDenied".into(), ..Default::default() };
        let error = StoreError::Answered(Box::new(answer));
        let storage = Storage::S3(S3 { bucket: "shows".into(), machine_identity: true, ..S3::default() });
        let told = explained(&error, &storage, None, Some("the instance's role recorder".into())).await;
        assert_eq!(told.message, "This computer's own identity may not do this in the bucket \"shows\".");
        assert_eq!(told.detail, "HTTP 403, AccessDenied (as the instance's role recorder)");
    }
}
