//! What is wrong with a storage is said before anything depends on it.

use std::time::{Duration, Instant};

use egress::error::{ApiError, ErrorCode};
use egress::storage::{LocalFolder, Storage, StorageProfile, StorageSecret};
use futures_util::TryStreamExt;
use object_store::ObjectStore;
use upload::{Checked, Environment};

use crate::proxy::{Act, Faults};
use crate::servers::{Server, free_port, profile, s3_secret};

async fn check(profile: &StorageProfile, secret: &StorageSecret) -> Result<Checked, ApiError> {
    upload::check(profile, secret, &Environment::default()).await
}

async fn objects(server: &Server) -> usize {
    server.store.list(None).try_collect::<Vec<_>>().await.unwrap().len()
}

fn s3(profile: &StorageProfile, change: impl Fn(&mut egress::storage::S3)) -> StorageProfile {
    let mut profile = profile.clone();
    let Storage::S3(s3) = &mut profile.storage else { panic!() };
    change(s3);
    profile
}

#[tokio::test]
async fn s3_is_checked_and_left_as_it_was() {
    let server = Server::minio().await;
    let found = check(&server.profile, &server.secret).await.unwrap();
    assert_eq!(found.remarks, Vec::<String>::new());
    assert!(found.location.starts_with(&format!("{}/shows/tallylight-check-", server.url)), "{found:?}");
    assert_eq!(objects(&server).await, 0);

    let missing = s3(&server.profile, |s3| s3.bucket = "nowhere".into());
    let error = check(&missing, &server.secret).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::NotFound, "{error:?}");
    assert!(error.message.contains("\"nowhere\" does not exist"), "{error:?}");

    let error = check(&server.profile, &s3_secret("WRONGKEY", "whatever")).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::UnknownKey, "{error:?}");
    assert!(!format!("{error:?}").contains("WRONGKEY"), "{error:?}");
    let error = check(&server.profile, &s3_secret("tallylight", "whatever")).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::WrongSecret, "{error:?}");

    let nobody = s3(&server.profile, |s3| s3.endpoint = format!("http://127.0.0.1:{}", free_port()));
    let error = check(&nobody, &server.secret).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Unreachable, "{error:?}");
    assert!(error.message.contains("Nothing answers"), "{error:?}");

    let plain = s3(&server.profile, |s3| s3.endpoint = server.url.replace("http:", "https:"));
    let error = check(&plain, &server.secret).await.unwrap_err();
    assert!(error.message.contains("encrypted"), "{error:?}");

    let unknown = s3(&server.profile, |s3| s3.endpoint = "http://no-such-host.invalid".into());
    let error = check(&unknown, &server.secret).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Unreachable, "{error:?}");
    assert!(error.message.contains("not known by this name"), "{error:?}");
}

#[tokio::test]
async fn what_no_server_of_ours_answers_is_told_too() {
    let server = Server::minio().await;
    let faults = Faults::before(&server.url).await;
    let (profile, secret) = server.behind(&faults.url);

    let region = "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>";
    faults.rule(move |_, _| Act::Answer(400, region.into()));
    let error = check(&profile, &secret).await.unwrap_err();
    assert_eq!(error.message, "The region is wrong: the bucket \"shows\" is in eu-west-1.");

    faults.rule(|head, _| match head.method.as_str() {
        "PUT" => Act::Answer(403, "<Error><Code>AccessDenied</Code></Error>".into()),
        _ => Act::Pass,
    });
    let error = check(&profile, &secret).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::PermissionDenied);

    faults.rule(|head, _| match head.method.as_str() {
        "PUT" => Act::Answer(403, "<Error><Code>RequestTimeTooSkewed</Code></Error>".into()),
        _ => Act::Pass,
    });
    assert_eq!(check(&profile, &secret).await.unwrap_err().code, ErrorCode::ClockOff);

    // A key that may only write is usable, and what it may not do is said.
    faults.rule(|head, _| match head.method.as_str() {
        "PUT" => Act::Pass,
        _ => Act::Answer(403, "<Error><Code>AccessDenied</Code></Error>".into()),
    });
    let found = check(&profile, &secret).await.unwrap();
    assert_eq!(found.remarks.len(), 2, "{found:?}");
    assert!(found.remarks[1].contains("stays"), "{found:?}");
}

#[tokio::test]
async fn the_others_are_checked() {
    let gcs = Server::gcs().await;
    assert_eq!(check(&gcs.profile, &gcs.secret).await.unwrap().remarks, Vec::<String>::new());
    assert_eq!(objects(&gcs).await, 0);
    let mut elsewhere = gcs.profile.clone();
    let Storage::Gcp(gcp) = &mut elsewhere.storage else { panic!() };
    gcp.bucket = "nowhere".into();
    let error = check(&elsewhere, &gcs.secret).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::NotFound, "{error:?}");

    let azure = Server::azure().await;
    assert_eq!(check(&azure.profile, &azure.secret).await.unwrap().remarks, Vec::<String>::new());
    assert_eq!(objects(&azure).await, 0);
    let mut elsewhere = azure.profile.clone();
    let Storage::Azure(settings) = &mut elsewhere.storage else { panic!() };
    settings.container_name = "nowhere".into();
    let error = check(&elsewhere, &azure.secret).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::NotFound, "{error:?}");
    assert!(error.message.contains("the container \"nowhere\""), "{error:?}");
    let wrong = egress::storage::StorageKeys::Azure { account_key: "c2VjcmV0c2VjcmV0".into() };
    let error = check(&azure.profile, &StorageSecret { keys: wrong, proxy: None }).await.unwrap_err();
    assert!(matches!(error.code, ErrorCode::WrongSecret | ErrorCode::PermissionDenied), "{error:?}");

    let root = tempfile::TempDir::new().unwrap();
    let folder = |path: std::path::PathBuf| profile(Storage::Local(LocalFolder { folder: path }));
    check(&folder(root.path().into()), &StorageSecret::default()).await.unwrap();
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
    let error = check(&folder(root.path().join("unplugged")), &StorageSecret::default()).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Storage, "{error:?}");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_not_waited_for_for_ever() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mute = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((connection, _)) = listener.accept().await {
            held.push(connection);
        }
    });
    let storage =
        Storage::S3(egress::storage::S3 { bucket: "shows".into(), endpoint: mute, ..Default::default() });
    let began = Instant::now();
    let error = check(&profile(storage), &s3_secret("a", "b")).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Unreachable, "{error:?}");
    assert!(began.elapsed() < Duration::from_secs(40));
}
