//! Where a bucket is: LiveKit's rules, which are those of the AWS SDKs.

use egress::storage::{AliOss, S3};
use url::{Host, Url};

/// Used where neither a region nor AWS says anything else.
pub(super) const DEFAULT_REGION: &str = "us-east-1";

/// Where a bucket is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// What comes before the key, without a slash at the end.
    pub(super) base: String,
    /// As the library takes it: with the bucket in its host, or without the bucket in its path.
    pub(super) endpoint: String,
    /// Whether the bucket is in the host.
    pub(super) virtual_hosted: bool,
    /// Where roles are assumed.
    pub(super) sts: String,
}

impl Address {
    /// The bucket goes into the host, except where it is asked to go into the path or a host cannot hold it:
    /// an IP address, a path in the endpoint, or a dot in the name, which a certificate does not cover.
    pub(super) fn s3(s3: &S3, region: &str) -> Self {
        let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        if s3.endpoint.is_empty() {
            let endpoint = format!("https://s3.{region}.{domain}");
            return Self::new(
                &endpoint,
                &s3.bucket,
                s3.force_path_style,
                format!("https://sts.{region}.{domain}"),
            );
        }
        Self::new(&s3.endpoint, &s3.bucket, s3.force_path_style, s3.endpoint.clone())
    }

    /// Alibaba's S3-compatible endpoints take the bucket in the host alone.
    pub(super) fn ali_oss(oss: &AliOss) -> Self {
        let mut endpoint = oss.endpoint.clone();
        if let Some((scheme, host)) = endpoint.split_once("://")
            && host.starts_with("oss-")
            && host.split([':', '/']).next().is_some_and(|host| host.ends_with(".aliyuncs.com"))
        {
            endpoint = format!("{scheme}://s3.{host}");
        }
        Self::new(&endpoint, &oss.bucket, false, endpoint.clone())
    }

    fn new(endpoint: &str, bucket: &str, path_style: bool, sts: String) -> Self {
        let url = Url::parse(endpoint).ok();
        let host_takes_it = url.as_ref().is_some_and(|url| {
            matches!(url.host(), Some(Host::Domain(_)))
                && url.path().trim_matches('/').is_empty()
                && !(bucket.contains('.') && url.scheme() == "https")
                && bucket.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b))
        });
        match endpoint.split_once("://") {
            Some((scheme, host)) if host_takes_it && !path_style => {
                // Some give an endpoint that holds the bucket already.
                let prefixed = host.starts_with(&format!("{bucket}."));
                let base = if prefixed { endpoint.to_owned() } else { format!("{scheme}://{bucket}.{host}") };
                Self { endpoint: base.clone(), base, virtual_hosted: true, sts }
            }
            _ => Self {
                base: format!("{endpoint}/{bucket}"),
                endpoint: endpoint.to_owned(),
                virtual_hosted: false,
                sts,
            },
        }
    }
}

/// The region that a signature names for Alibaba: the one in the endpoint.
pub(super) fn ali_oss_region(oss: &AliOss) -> String {
    let host = oss.endpoint.split("://").last().unwrap_or_default();
    let first = host.trim_start_matches("s3.").split('.').next().unwrap_or_default();
    let region = first.trim_end_matches("-internal");
    if region.starts_with("oss-") && region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        region.to_owned()
    } else if oss.region.is_empty() {
        DEFAULT_REGION.to_owned()
    } else {
        oss.region.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s3(bucket: &str, endpoint: &str, force_path_style: bool) -> String {
        let settings =
            S3 { bucket: bucket.into(), endpoint: endpoint.into(), force_path_style, ..S3::default() };
        Address::s3(&settings, "eu-west-1").base
    }

    #[test]
    fn the_bucket_goes_into_the_host_where_it_can() {
        assert_eq!(s3("shows", "", false), "https://shows.s3.eu-west-1.amazonaws.com");
        assert_eq!(s3("shows", "", true), "https://s3.eu-west-1.amazonaws.com/shows");
        assert_eq!(s3("my.shows", "", false), "https://s3.eu-west-1.amazonaws.com/my.shows");
        assert_eq!(s3("shows", "https://s3.example.com", false), "https://shows.s3.example.com");
        assert_eq!(s3("shows", "https://shows.s3.example.com", false), "https://shows.s3.example.com");
        assert_eq!(s3("shows", "http://127.0.0.1:9000", false), "http://127.0.0.1:9000/shows");
        assert_eq!(s3("shows", "http://[::1]:9000", false), "http://[::1]:9000/shows");
        assert_eq!(
            s3("shows", "https://x.example.com/storage/v1/s3", false),
            "https://x.example.com/storage/v1/s3/shows"
        );
        assert_eq!(s3("Shows", "https://s3.example.com", false), "https://s3.example.com/Shows");
        let china = S3 { bucket: "shows".into(), ..S3::default() };
        assert_eq!(Address::s3(&china, "cn-north-1").base, "https://shows.s3.cn-north-1.amazonaws.com.cn");
        assert_eq!(Address::s3(&china, "eu-west-1").sts, "https://sts.eu-west-1.amazonaws.com");
    }

    #[test]
    fn alibaba_is_spoken_to_at_its_compatible_endpoint() {
        let oss = |endpoint: &str| AliOss {
            bucket: "shows".into(),
            region: String::new(),
            endpoint: endpoint.into(),
        };
        let hangzhou = oss("https://oss-cn-hangzhou-internal.aliyuncs.com");
        assert_eq!(
            Address::ali_oss(&hangzhou).base,
            "https://shows.s3.oss-cn-hangzhou-internal.aliyuncs.com"
        );
        assert_eq!(ali_oss_region(&hangzhou), "oss-cn-hangzhou");
        assert_eq!(ali_oss_region(&oss("https://s3.oss-eu-central-1.aliyuncs.com")), "oss-eu-central-1");
        let own = oss("http://oss.example.com:8080");
        assert_eq!(Address::ali_oss(&own).base, "http://shows.oss.example.com:8080");
    }
}
