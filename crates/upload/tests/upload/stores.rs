//! Files go into every store and come out the same.

use std::collections::BTreeMap;

use egress::storage::{LocalFolder, Storage, StorageSecret};
use upload::{Afterwards, LocalFile, NewUpload, UploadState, Verified};

use crate::proxy::{Act, Faults};
use crate::servers::{Server, profile};
use crate::tools::{Bench, MIB, PART};

/// Sizes around the edges of parts, and names that need encoding.
fn files() -> Vec<(&'static str, usize)> {
    vec![
        ("empty.mp4", 0),
        ("one byte.ogg", 1),
        ("a part.mp4", PART),
        ("deep/er/a part and a byte.mp4", PART + 1),
        ("three parts.webm", 2 * PART + 777),
        ("Żółć [1] 100% + #2 & (é).jpeg", 5000),
        ("日本語.ts", 5000),
        (" lead: |*?\"<>\\ trail /.dots../\u{1F3A5}%41+%2F&=@!$',;^`{}~[]#.mp4", PART + 9),
        ("ends in a dot and a space. ", 300),
    ]
}

async fn everything_arrives(server: &Server, way: Verified) {
    let bench = Bench::new(server.profile.clone(), server.secret.clone()).await;
    let mut added = Vec::new();
    for (name, size) in files() {
        let (path, bytes) = bench.file(name, size);
        let upload = NewUpload { afterwards: Afterwards::Remove, ..bench.new_upload(&path, name) };
        added.push((bench.queue.add(upload).await.unwrap(), name, path, bytes));
    }
    for (id, name, path, bytes) in added {
        let upload = bench.until(&id, "removed", |upload| upload.local == LocalFile::Removed).await;
        let UploadState::Stored { verified, .. } = upload.state else { panic!("{upload:?}") };
        assert_eq!(verified, way, "{name}");
        assert!(!path.exists(), "{name}");
        assert!(server.object(name).await.is_some_and(|object| object == bytes), "{name}\n{}", server.log());
        assert!(upload.location.unwrap().starts_with(&server.url), "{name}");
    }
    bench.queue.shutdown().await;
}

#[tokio::test]
async fn into_s3() {
    everything_arrives(&Server::minio().await, Verified::Md5).await;
}

#[tokio::test]
async fn into_google_cloud_storage() {
    everything_arrives(&Server::gcs().await, Verified::Crc32c).await;
}

#[tokio::test]
async fn into_azure() {
    everything_arrives(&Server::azure().await, Verified::Md5).await;
}

#[tokio::test]
async fn into_a_folder() {
    let root = tempfile::TempDir::new().unwrap();
    let storage = Storage::Local(LocalFolder { folder: root.path().to_owned() });
    let bench = Bench::new(profile(storage), StorageSecret::default()).await;
    for (name, size) in files() {
        let (path, bytes) = bench.file(name, size);
        let id = bench.add(&path, name).await;
        let upload = bench.stored(&id).await;
        assert_eq!(std::fs::read(upload.location.unwrap()).unwrap(), bytes, "{name}");
        assert!(path.exists());
    }
    // Nothing half is left beside them.
    let left: Vec<_> =
        std::fs::read_dir(root.path()).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left.len(), 9, "{left:?}");
}

#[tokio::test]
async fn a_file_that_goes_where_it_is_stays() {
    let root = tempfile::TempDir::new().unwrap();
    let storage = Storage::Local(LocalFolder { folder: root.path().to_owned() });
    let bench = Bench::new(profile(storage), StorageSecret::default()).await;
    for (name, size) in [("one request.mp4", 1000), ("parts.mp4", PART + 1000)] {
        let bytes = crate::tools::noise(name, size);
        let path = root.path().join(name);
        std::fs::write(&path, &bytes).unwrap();
        let upload = NewUpload { afterwards: Afterwards::Remove, ..bench.new_upload(&path, name) };
        let id = bench.queue.add(upload).await.unwrap();
        bench.stored(&id).await;
        bench.queue.clone().retry_now(None).await.unwrap();
        bench.until(&id, "left alone", |upload| upload.local == LocalFile::Kept).await;
        let other = bench.file("after", 10).0;
        bench.stored(&bench.add(&other, "after").await).await;
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }
}

#[tokio::test]
async fn options_of_s3_arrive_with_the_object() {
    let server = Server::minio().await;
    let (mut profile, secret) = (server.profile.clone(), server.secret.clone());
    let Storage::S3(s3) = &mut profile.storage else { panic!() };
    s3.metadata = BTreeMap::from([("show".into(), "evening news".into())]);
    s3.tagging = "team=av&note=a%20b".into();
    s3.content_disposition = "attachment; filename=\"x.mp4\"".into();
    profile.prefix = "/shows/2026/".into();
    let bench = Bench::new(profile, secret).await;
    for (name, size) in [("one request.mp4", 1000), ("parts.mp4", PART + MIB)] {
        let (path, bytes) = bench.file(name, size);
        let id = bench.add(&path, name).await;
        bench.stored(&id).await;
        let key = format!("shows/2026/{name}");
        assert_eq!(server.object(&key).await, Some(bytes));
        let path = object_store::path::Path::parse(&key).unwrap();
        let got = server.store.get_opts(&path, object_store::GetOptions::default()).await.unwrap();
        use object_store::Attribute;
        let attribute = |which: Attribute| got.attributes.get(&which).map(|value| value.to_string());
        assert_eq!(attribute(Attribute::Metadata("show".into())).as_deref(), Some("evening news"));
        assert_eq!(
            attribute(Attribute::ContentDisposition).as_deref(),
            Some("attachment; filename=\"x.mp4\"")
        );
        assert_eq!(attribute(Attribute::ContentType).as_deref(), Some("video/mp4"));
    }
}

/// What a proxy between the queue and the store saw of one upload.
#[tokio::test]
async fn tags_and_the_default_disposition_are_sent() {
    let server = Server::minio().await;
    let faults = Faults::before(&server.url).await;
    let headers = std::sync::Arc::new(parking_lot::Mutex::new(Vec::new()));
    let seen = headers.clone();
    faults.rule(move |head, _| {
        if head.method == "PUT" {
            let text = |name: &str| head.headers.get(name).map(|v| v.to_str().unwrap().to_owned());
            seen.lock().push((
                text("x-amz-tagging"),
                text("content-disposition"),
                text("x-amz-content-sha256"),
            ));
        }
        Act::Pass
    });
    let (mut profile, secret) = server.behind(&faults.url);
    let Storage::S3(s3) = &mut profile.storage else { panic!() };
    s3.tagging = "team=av&note=a%20b".into();
    let bench = Bench::new(profile, secret).await;
    let (path, _) = bench.file("a.mp4", 100);
    let id = bench.add(&path, "a.mp4").await;
    bench.stored(&id).await;
    let headers = headers.lock().clone();
    let (tags, disposition, sha256) = &headers[0];
    assert_eq!(tags.as_deref(), Some("team=av&note=a+b"));
    assert_eq!(disposition.as_deref(), Some("inline"));
    assert_eq!(sha256.as_ref().unwrap().len(), 64);
}

/// The store's answer to AssumeRole is given here, with the keys that MinIO takes: what is asked, and that
/// what is answered is used.
#[tokio::test]
async fn a_role_is_assumed_with_its_external_id() {
    let server = Server::minio().await;
    let faults = Faults::before(&server.url).await;
    let asked = std::sync::Arc::new(parking_lot::Mutex::new(Vec::new()));
    let forms = asked.clone();
    faults.rule(move |head, body| {
        if head.method != "POST" || head.uri.path() != "/" {
            return Act::Pass;
        }
        let signed = head.headers.get("authorization").unwrap().to_str().unwrap().to_owned();
        forms.lock().push((signed, String::from_utf8(body.to_vec()).unwrap()));
        let xml = "<AssumeRoleResponse><AssumeRoleResult><Credentials>\
            <AccessKeyId>tallylight</AccessKeyId><SecretAccessKey>no-secret-at-all</SecretAccessKey>\
            <SessionToken></SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>\
            </Credentials></AssumeRoleResult></AssumeRoleResponse>";
        Act::Answer(200, xml.into())
    });
    let (mut profile, _) = server.behind(&faults.url);
    let Storage::S3(s3) = &mut profile.storage else { panic!() };
    s3.assume_role_arn = "arn:aws:iam::123456789012:role/recorder".into();
    let mut secret = crate::servers::s3_secret("OWNKEY", "own-secret");
    let egress::storage::StorageKeys::S3 { assume_role_external_id, .. } = &mut secret.keys else { panic!() };
    *assume_role_external_id = Some("for tallylight/1".replace(' ', "-").into());
    let bench = Bench::new(profile, secret).await;
    let (path, bytes) = bench.file("a.mp4", PART + 5);
    let id = bench.add(&path, "a.mp4").await;
    bench.stored(&id).await;
    assert_eq!(server.object("a.mp4").await, Some(bytes));
    let asked = asked.lock().clone();
    // Once for all requests.
    assert_eq!(asked.len(), 1);
    let (signed, form) = &asked[0];
    assert!(
        signed.contains("Credential=OWNKEY/") && signed.contains("/us-east-1/sts/aws4_request"),
        "{signed}"
    );
    for part in [
        "Action=AssumeRole",
        "RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Frecorder",
        "ExternalId=for-tallylight%2F1",
    ] {
        assert!(form.contains(part), "{form}");
    }
}

#[tokio::test]
async fn a_proxy_with_a_login_is_used() {
    let server = Server::minio().await;
    let proxy = Faults::before(&server.url).await;
    let logins = std::sync::Arc::new(parking_lot::Mutex::new(Vec::new()));
    let seen = logins.clone();
    proxy.rule(move |head, _| {
        seen.lock()
            .push(head.headers.get("proxy-authorization").map(|value| value.to_str().unwrap().to_owned()));
        Act::Pass
    });
    let (mut profile, mut secret) = (server.profile.clone(), server.secret.clone());
    let Storage::S3(s3) = &mut profile.storage else { panic!() };
    s3.proxy_url = proxy.url.clone();
    secret.proxy = Some(egress::storage::ProxyLogin { username: "ann".into(), password: "p:ss".into() });
    let bench = Bench::new(profile, secret).await;
    let (path, bytes) = bench.file("a.mp4", 100);
    let id = bench.add(&path, "a.mp4").await;
    bench.stored(&id).await;
    assert_eq!(server.object("a.mp4").await, Some(bytes));
    // "ann:p:ss" in base64.
    assert_eq!(logins.lock()[0].as_deref(), Some("Basic YW5uOnA6c3M="));
}
