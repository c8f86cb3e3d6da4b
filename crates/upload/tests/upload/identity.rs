//! Uploads without keys: by what this computer is to a cloud.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use egress::error::ErrorCode;
use egress::storage::{Storage, StorageKeys, StorageProfile, StorageSecret};
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use serde_json::json;
use tempfile::TempDir;
use upload::{Content, Environment, Growth, NewUpload, Options};

use crate::cloud::{Service, Session, field, header, instance, jwt, openssl};
use crate::google::Google;
use crate::proxy::{Act, Faults};
use crate::servers::{AZURE_ACCOUNT, AZURE_KEY, BUCKET, KEY, SECRET, Server, free_port};
use crate::tools::{Bench, MIB, PART, noise, quick};

/// Who vouches for this computer with a token.
const CLIENT: &str = "tallylight";
/// MinIO's name for the role of that client: the SHA-1 of its name.
const ROLE: &str = "arn:minio:iam:::role/uze4bZSBgfhsO9_kRcsi_E3K9OM";

fn machine(variables: &[(&str, &str)], home: &Path) -> Environment {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Environment::of(variables.collect::<HashMap<_, _>>(), home.into())
}

fn without_keys(profile: &StorageProfile) -> StorageProfile {
    let mut profile = profile.clone();
    match &mut profile.storage {
        Storage::S3(s3) => s3.machine_identity = true,
        Storage::Gcp(gcp) => gcp.machine_identity = true,
        Storage::Azure(azure) => azure.machine_identity = true,
        other => panic!("{other:?}"),
    }
    profile
}

async fn bench(profile: &StorageProfile, environment: Environment) -> Bench {
    let options = Options { environment, ..quick() };
    Bench::with(without_keys(profile), StorageSecret::default(), options).await
}

/// A file of two parts goes up by this identity; nothing of it is in the queue's folder.
async fn goes_up(server: &Server, profile: &StorageProfile, environment: Environment, hidden: &[&str]) {
    let bench = bench(profile, environment.clone()).await;
    for (name, size) in [("one request.mp4", 1000), ("parts.mp4", PART + 5)] {
        let (path, bytes) = bench.file(name, size);
        let id = bench.add(&path, name).await;
        bench.stored(&id).await;
        assert_eq!(server.object(name).await, Some(bytes), "{name}");
    }
    for file in std::fs::read_dir(bench.dir.path().join("queue")).unwrap().flatten() {
        let bytes = std::fs::read(file.path()).unwrap();
        for text in hidden {
            let found = bytes.windows(text.len()).any(|window| window == text.as_bytes());
            assert!(!found, "{text} in {:?}", file.path());
        }
    }
    let found = upload::check(&without_keys(profile), &StorageSecret::default(), &environment).await.unwrap();
    assert_eq!(found.remarks, Vec::<String>::new());
}

#[tokio::test]
async fn by_the_environment_a_container_and_shared_files() {
    let server = Server::minio().await;
    let home = TempDir::new().unwrap();
    let session = Session::of(&server.url).await;
    let hidden = [session.secret.as_str(), session.token.as_str(), session.key.as_str()];
    let variables = [
        ("AWS_ACCESS_KEY_ID", session.key.as_str()),
        ("AWS_SECRET_ACCESS_KEY", &session.secret),
        ("AWS_SESSION_TOKEN", &session.token),
    ];
    goes_up(&server, &server.profile, machine(&variables, home.path()), &hidden).await;

    let answer = session.json(Timestamp::now() + SignedDuration::from_hours(1)).to_string();
    let container = Service::start(move |head, _| match header(head, "authorization") {
        Some("of-the-container") => (200, answer.clone()),
        _ => (401, String::new()),
    })
    .await;
    let token = home.path().join("token");
    std::fs::write(&token, "of-the-container\n").unwrap();
    let uri = format!("{}/v2/credentials", container.url);
    for by in [
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "of-the-container"),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token.to_str().unwrap()),
    ] {
        let environment = machine(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", &uri), by], home.path());
        goes_up(&server, &server.profile, environment, &hidden).await;
    }

    std::fs::create_dir(home.path().join(".aws")).unwrap();
    let credentials = format!("[base]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n");
    std::fs::write(home.path().join(".aws/credentials"), credentials).unwrap();
    let printed = home.path().join("printed.json");
    let output = json!({
        "Version": 1, "AccessKeyId": session.key, "SecretAccessKey": session.secret, "SessionToken": session.token,
    });
    std::fs::write(&printed, output.to_string()).unwrap();
    // The role is assumed at MinIO's own STS.
    let config = format!(
        "[default]\ncredential_process = cat {}\n[profile role]\nsource_profile = base\n\
         role_arn = arn:aws:iam::123456789012:role/recorder\n[profile sso]\nsso_session = x\n[profile empty]\n",
        printed.display()
    );
    std::fs::write(home.path().join(".aws/config"), config).unwrap();
    goes_up(&server, &server.profile, machine(&[], home.path()), &hidden).await;
    let sts = ("AWS_ENDPOINT_URL_STS", server.url.as_str());
    for profile in ["base", "role"] {
        let environment = machine(&[("AWS_PROFILE", profile), sts], home.path());
        goes_up(&server, &server.profile, environment, &[]).await;
    }

    // What is not there, or not complete, is told by its name.
    let told = async |variables: &[(&str, &str)]| {
        let environment = machine(variables, home.path());
        let profile = without_keys(&server.profile);
        let error = upload::check(&profile, &StorageSecret::default(), &environment).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::PermissionDenied, "{error:?}");
        format!("{} {}", error.message, error.remedy)
    };
    for (variables, words) in [
        (vec![("AWS_ACCESS_KEY_ID", "AKIA")], "AWS_SECRET_ACCESS_KEY"),
        (vec![("AWS_PROFILE", "gone")], "the profile \"gone\""),
        (vec![("AWS_PROFILE", "sso")], "credential_process"),
        (vec![("AWS_WEB_IDENTITY_TOKEN_FILE", "/gone")], "AWS_ROLE_ARN"),
        (vec![("AWS_PROFILE", "empty"), ("AWS_EC2_METADATA_DISABLED", "true")], "AWS_EC2_METADATA_DISABLED"),
        (
            vec![("AWS_PROFILE", "empty"), ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &uri)],
            "the container's role",
        ),
    ] {
        let told = told(&variables).await;
        assert!(told.contains(words), "{variables:?}: {told}");
    }
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let told = told(&[("AWS_PROFILE", "empty"), ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &nobody)]).await;
    assert!(told.contains("metadata service does not answer") && told.contains("AWS_PROFILE"), "{told}");
}

/// Keys that live for seconds: a file that grows for longer goes up with one pair after the other, across a restart.
#[tokio::test]
async fn keys_of_an_instance_are_renewed_while_a_file_grows() {
    let server = Server::minio().await;
    let mut sessions = Vec::new();
    for _ in 0..24 {
        sessions.push(Session::of(&server.url).await);
    }
    let life = SignedDuration::from_secs(2);
    let ends: Arc<Mutex<HashMap<String, Timestamp>>> = Arc::default();
    let (given, left) = (ends.clone(), Mutex::new(sessions.into_iter()));
    let metadata = Service::start(instance(move || {
        let session = left.lock().next().expect("no more than these are asked for");
        let until = Timestamp::now() + life;
        given.lock().insert(session.key.clone(), until);
        session.json(until)
    }))
    .await;
    // As AWS does it: what has ended is refused.
    let store = Faults::before(&server.url).await;
    let (known, used) = (ends.clone(), Arc::new(Mutex::new(Vec::<String>::new())));
    let keys = used.clone();
    store.rule(move |head, _| {
        let signed = header(head, "authorization").unwrap_or_default();
        let key =
            signed.split("Credential=").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
        keys.lock().push(key.to_owned());
        match known.lock().get(key) {
            Some(until) if *until > Timestamp::now() => Act::Pass,
            _ => Act::Answer(400, "<Error><Code>ExpiredToken</Code><Message>ended</Message></Error>".into()),
        }
    });
    let home = TempDir::new().unwrap();
    let environment = machine(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata.url.as_str())], home.path());
    let (profile, _) = server.behind(&store.url);
    let mut bench = bench(&profile, environment).await;
    let path = bench.dir.path().join("show.mp4");
    let media = noise("media", 4 * PART + MIB);
    std::fs::write(&path, &media[..PART]).unwrap();
    let new = NewUpload { content: Content::Growing, ..bench.new_upload(&path, "show.mp4") };
    let id = bench.queue.add(new).await.unwrap();
    for parts in 1..=4 {
        let final_bytes = parts * PART;
        std::fs::write(&path, &media[..final_bytes]).unwrap();
        bench.queue.grow(&id, Growth { final_bytes: final_bytes as u64, rewritten: 0..0 }).unwrap();
        bench.until(&id, "up", |upload| upload.progress.sent_bytes == final_bytes as u64).await;
        if parts == 2 {
            bench.restart().await;
        }
        // All that was given has ended.
        let last = ends.lock().values().max().copied().unwrap();
        let wait = last.duration_since(Timestamp::now()).max(SignedDuration::ZERO);
        tokio::time::sleep(wait.unsigned_abs()).await;
    }
    std::fs::write(&path, &media).unwrap();
    bench.queue.finish(&id).await.unwrap();
    bench.stored(&id).await;
    assert_eq!(server.object("show.mp4").await, Some(media));
    let mut used = used.lock().clone();
    used.dedup();
    assert!(used.len() >= 4, "{used:?}");
}

/// By a token that an identity provider has signed, at MinIO's own STS.
#[tokio::test]
async fn by_a_web_identity() {
    let home = TempDir::new().unwrap();
    let key = home.path().join("key.pem").display().to_string();
    openssl(&["genrsa", "-out", &key, "2048"], b"").await;
    let modulus = openssl(&["rsa", "-in", &key, "-noout", "-modulus"], b"").await;
    let hex = String::from_utf8(modulus).unwrap().trim().trim_start_matches("Modulus=").to_owned();
    let bytes: Vec<u8> =
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
    let keys = json!({ "keys": [{
        "kty": "RSA", "kid": "1", "alg": "RS256", "use": "sig", "e": "AQAB", "n": BASE64_URL_SAFE_NO_PAD.encode(bytes),
    }]});
    let issuer: Arc<Mutex<String>> = Arc::default();
    let own = issuer.clone();
    let provider = Service::start(move |head, _| match head.uri.path() {
        "/keys" => (200, keys.to_string()),
        _ => {
            let issuer = own.lock().clone();
            let endpoint = |path: &str| format!("{issuer}{path}");
            let document = json!({
                "issuer": issuer, "jwks_uri": endpoint("/keys"), "authorization_endpoint": endpoint("/a"),
                "token_endpoint": endpoint("/t"), "userinfo_endpoint": endpoint("/u"),
                "response_types_supported": ["id_token"], "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
            });
            (200, document.to_string())
        }
    })
    .await;
    issuer.lock().clone_from(&provider.url);
    let config = format!("{}/.well-known/openid-configuration", provider.url);
    let server = Server::minio_with(&[
        ("MINIO_IDENTITY_OPENID_CONFIG_URL", config.as_str()),
        ("MINIO_IDENTITY_OPENID_CLIENT_ID", CLIENT),
        ("MINIO_IDENTITY_OPENID_ROLE_POLICY", "readwrite"),
    ])
    .await;
    let now = Timestamp::now().as_second();
    let claims =
        json!({ "iss": provider.url, "aud": CLIENT, "sub": "recorder", "iat": now, "exp": now + 3600 });
    let token = home.path().join("token");
    std::fs::write(&token, jwt(&claims, Some(&key)).await).unwrap();
    let variables = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap()),
        ("AWS_ROLE_ARN", ROLE),
        ("AWS_ENDPOINT_URL_STS", server.url.as_str()),
    ];
    goes_up(&server, &server.profile, machine(&variables, home.path()), &[]).await;

    let forged =
        json!({ "iss": "https://elsewhere", "aud": "another", "sub": "x", "iat": now, "exp": now + 3600 });
    std::fs::write(&token, jwt(&forged, Some(&key)).await).unwrap();
    let profile = without_keys(&server.profile);
    let environment = machine(&variables, home.path());
    let error = upload::check(&profile, &StorageSecret::default(), &environment).await.unwrap_err();
    assert!(error.message.contains(ROLE) && error.message.contains("refuses"), "{error:?}");
    assert!(error.remedy.contains("trusts"), "{error:?}");
}

/// By the metadata server, a user's login and another cloud's token; the store takes the last token alone.
#[tokio::test]
async fn to_google_cloud_storage() {
    let server = Server::gcs().await;
    let google = Google::asking_for(&server.minio_url, KEY, SECRET, Some("Bearer of-the-instance")).await;
    let home = TempDir::new().unwrap();
    let metadata = Service::start(|head, _| {
        let path = "/computeMetadata/v1/instance/service-accounts/default/token";
        match (head.uri.path() == path, header(head, "metadata-flavor")) {
            (true, Some("Google")) => (
                200,
                json!({ "access_token": "of-the-instance", "expires_in": 3599, "token_type": "Bearer" })
                    .to_string(),
            ),
            _ => (403, String::new()),
        }
    })
    .await;
    let host = metadata.url.trim_start_matches("http://");
    let emulator = ("STORAGE_EMULATOR_HOST", google.url.as_str());
    let environment = machine(&[("GCE_METADATA_HOST", host), emulator], home.path());
    goes_up(&server, &server.profile, environment, &["of-the-instance"]).await;
    // Once each time a storage is opened: two files may do so at once.
    assert!((2..=3).contains(&metadata.count("/token")), "{:?}", metadata.seen.lock());

    // A user's refresh token, and one that another identity provider gave to this computer and that is changed twice.
    let oauth = Service::start(|head, body| {
        let answer = |token: &str| (200, json!({ "access_token": token, "expires_in": 3600 }).to_string());
        match head.uri.path() {
            "/token" if field(body, "refresh_token").as_deref() == Some("of-the-user") => {
                answer("of-the-instance")
            }
            "/exchange"
                if field(body, "subject_token").as_deref() == Some("of-the-other-cloud")
                    && field(body, "audience").as_deref() == Some("//iam/pool") =>
            {
                answer("federated")
            }
            "/impersonate" if header(head, "authorization") == Some("Bearer federated") => {
                let ends = Timestamp::now() + SignedDuration::from_hours(1);
                (200, json!({ "accessToken": "of-the-instance", "expireTime": ends.to_string() }).to_string())
            }
            _ => (400, json!({ "error": "invalid_grant", "error_description": "Bad Request" }).to_string()),
        }
    })
    .await;
    let subject = home.path().join("subject.json");
    std::fs::write(&subject, json!({ "id_token": "of-the-other-cloud" }).to_string()).unwrap();
    let user = json!({
        "type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "of-the-user",
        "token_uri": format!("{}/token", oauth.url), "gcs_base_url": google.url,
    });
    let external = json!({
        "type": "external_account", "audience": "//iam/pool", "token_url": format!("{}/exchange", oauth.url),
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "service_account_impersonation_url": format!("{}/impersonate", oauth.url),
        "credential_source": {
            "file": subject.display().to_string(),
            "format": { "type": "json", "subject_token_field_name": "id_token" },
        },
    });
    let file = home.path().join("credentials.json");
    for credentials in [&user, &external] {
        std::fs::write(&file, credentials.to_string()).unwrap();
        let named = ("GOOGLE_APPLICATION_CREDENTIALS", file.to_str().unwrap());
        goes_up(&server, &server.profile, machine(&[named, emulator], home.path()), &["of-the-user"]).await;
    }
    // The same where gcloud leaves it, and as keys of a storage.
    std::fs::create_dir_all(home.path().join(".config/gcloud")).unwrap();
    std::fs::rename(&file, home.path().join(".config/gcloud/application_default_credentials.json")).unwrap();
    goes_up(&server, &server.profile, machine(&[emulator], home.path()), &[]).await;
    let keys = StorageKeys::Gcp { credentials: user.to_string().into() };
    let secret = StorageSecret { keys, proxy: None };
    upload::check(&server.profile, &secret, &machine(&[], home.path())).await.unwrap();

    let gone = [("GOOGLE_APPLICATION_CREDENTIALS", "/gone.json"), emulator];
    let wrong = json!({ "type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "another",
        "token_uri": format!("{}/token", oauth.url) });
    std::fs::write(&file, wrong.to_string()).unwrap();
    let refused = [("GOOGLE_APPLICATION_CREDENTIALS", file.to_str().unwrap()), emulator];
    for (variables, words) in [(gone, "cannot be read"), (refused, "refuses (Bad Request)")] {
        let environment = machine(&variables, home.path());
        let profile = without_keys(&server.profile);
        let error = upload::check(&profile, &StorageSecret::default(), &environment).await.unwrap_err();
        assert!(
            error.message.contains("GOOGLE_APPLICATION_CREDENTIALS") && error.message.contains(words),
            "{error:?}"
        );
        assert!(!format!("{error:?}").contains("another"), "{error:?}");
    }
}

/// A signature for the container, in the place of the key and in the environment.
#[tokio::test]
async fn to_azure_by_a_signature() {
    let server = Server::azure().await;
    let home = TempDir::new().unwrap();
    let ends = (Timestamp::now() + SignedDuration::from_hours(1)).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let (allowed, version) = ("rcwd", "2020-12-06");
    let place = format!("/blob/{AZURE_ACCOUNT}/{BUCKET}");
    let signed =
        [allowed, "", &ends, &place, "", "", "", version, "c", "", "", "", "", "", "", ""].join("\n");
    let key = BASE64_STANDARD.decode(AZURE_KEY).unwrap();
    let key: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    let mac = format!("hexkey:{key}");
    let args = ["dgst", "-sha256", "-mac", "HMAC", "-macopt", mac.as_str(), "-binary"];
    let signature = BASE64_STANDARD.encode(openssl(&args, signed.as_bytes()).await);
    let sas = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("sv", version), ("sr", "c"), ("sp", allowed), ("se", &ends), ("sig", &signature)])
        .finish();
    let environment = machine(&[("AZURE_STORAGE_SAS_TOKEN", sas.as_str())], home.path());
    goes_up(&server, &server.profile, environment, &[&signature]).await;
    let key = [("AZURE_STORAGE_ACCOUNT", AZURE_ACCOUNT), ("AZURE_STORAGE_KEY", AZURE_KEY)];
    goes_up(&server, &server.profile, machine(&key, home.path()), &[AZURE_KEY]).await;

    let secret =
        |sas: &str| StorageSecret { keys: StorageKeys::Azure { account_key: sas.into() }, proxy: None };
    let bench = Bench::new(server.profile.clone(), secret(&format!("?{sas}"))).await;
    let (path, bytes) = bench.file("by hand.mp4", PART + 5);
    let id = bench.add(&path, "by hand.mp4").await;
    let stored = bench.stored(&id).await;
    assert_eq!(server.object("by hand.mp4").await, Some(bytes));
    assert!(!stored.location.unwrap().contains("sig="));
    let wrong = sas.replace("sp=rcwd", "sp=r");
    let error =
        upload::check(&server.profile, &secret(&wrong), &machine(&[], home.path())).await.unwrap_err();
    assert!(matches!(error.code, ErrorCode::WrongSecret | ErrorCode::PermissionDenied), "{error:?}");
    assert!(!format!("{error:?}").contains(&signature), "{error:?}");
}

/// By tokens of Azure's own: of an instance, of a service that runs there, of an application. Azurite looks at what is
/// in them, and takes them over TLS alone.
#[tokio::test]
async fn to_azure_by_tokens() {
    let server = Server::azure_with_tokens().await;
    let home = TempDir::new().unwrap();
    let now = Timestamp::now().as_second();
    let claims = json!({
        "aud": "https://storage.azure.com/", "iss": "https://sts.windows.net/tenant/", "iat": now - 60,
        "nbf": now - 60, "exp": now + 3600, "oid": "recorder", "ver": "1.0",
    });
    let token = jwt(&claims, None).await;
    let given = token.clone();
    let service = Service::start(move |head, body| {
        let query = head.uri.query().unwrap_or_default();
        let instance = head.uri.path() == "/metadata/identity/oauth2/token"
            && header(head, "metadata") == Some("true")
            && field(query, "resource").as_deref() == Some("https://storage.azure.com/")
            && field(query, "client_id").is_none_or(|client| client == "the-client");
        let app = head.uri.path() == "/msi" && header(head, "x-identity-header") == Some("of-the-app");
        let login = head.uri.path() == "/the-tenant/oauth2/v2.0/token"
            && field(body, "client_id").as_deref() == Some("the-client")
            && (field(body, "client_secret").as_deref() == Some("the-secret")
                || field(body, "client_assertion").as_deref() == Some("federated"));
        let on = (now + 3600).to_string();
        match (instance || app, login) {
            (true, _) => {
                (200, json!({ "access_token": given, "expires_on": on, "token_type": "Bearer" }).to_string())
            }
            (_, true) => (200, json!({ "access_token": given, "expires_in": 3599 }).to_string()),
            _ => (
                400,
                json!({ "error": "invalid_request", "error_description": "Identity not found" }).to_string(),
            ),
        }
    })
    .await;
    let app = format!("{}/msi", service.url);
    let federated = home.path().join("federated");
    std::fs::write(&federated, "federated\n").unwrap();
    let authority = ("AZURE_AUTHORITY_HOST", service.url.as_str());
    let application = [("AZURE_TENANT_ID", "the-tenant"), ("AZURE_CLIENT_ID", "the-client"), authority];
    let with = |more: (&'static str, String)| {
        let mut all: Vec<(&str, String)> =
            application.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        all.push(more);
        all
    };
    let ways = [
        vec![("AZURE_POD_IDENTITY_AUTHORITY_HOST", service.url.clone())],
        vec![("IDENTITY_ENDPOINT", app), ("IDENTITY_HEADER", "of-the-app".into())],
        with(("AZURE_CLIENT_SECRET", "the-secret".into())),
        with(("AZURE_FEDERATED_TOKEN_FILE", federated.display().to_string())),
    ];
    for way in &ways {
        let variables: Vec<(&str, &str)> = way.iter().map(|(name, value)| (*name, value.as_str())).collect();
        goes_up(&server, &server.profile, machine(&variables, home.path()), &[&token, "the-secret"]).await;
    }
    let told = async |variables: &[(&str, &str)]| {
        let environment = machine(variables, home.path());
        let profile = without_keys(&server.profile);
        upload::check(&profile, &StorageSecret::default(), &environment).await.unwrap_err().message
    };
    let another =
        [("AZURE_POD_IDENTITY_AUTHORITY_HOST", service.url.as_str()), ("AZURE_CLIENT_ID", "another")];
    let refused = told(&another).await;
    assert!(refused.contains("the managed identity refuses (Identity not found)"), "{refused}");
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let silent = told(&[("AZURE_POD_IDENTITY_AUTHORITY_HOST", nobody.as_str())]).await;
    assert!(silent.contains("does not answer"), "{silent}");
}
