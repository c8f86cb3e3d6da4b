//! Real stores, each a process of its own.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use egress::storage::{Azure, Gcp, S3, Storage, StorageKeys, StorageProfile, StorageSecret};
use object_store::aws::AmazonS3Builder;
use object_store::azure::{AzureAuthorizer, AzureCredential, MicrosoftAzureBuilder};
use object_store::client::HttpRequestBody;
use object_store::{ClientOptions, ObjectStore, ObjectStoreExt};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::google::Google;
use crate::proxy::Faults;

pub const BUCKET: &str = "shows";
pub const KEY: &str = "tallylight";
pub const SECRET: &str = "no-secret-at-all";
pub const AZURE_ACCOUNT: &str = "devstoreaccount1";
/// Azurite's well-known key.
pub const AZURE_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// A store, and how to look into it without the queue.
pub struct Server {
    _child: Child,
    _google: Option<Google>,
    _proxy: Option<Faults>,
    dir: TempDir,
    pub url: String,
    /// Of what stands behind Google's interface.
    pub minio_url: String,
    pub profile: StorageProfile,
    pub secret: StorageSecret,
    pub store: Arc<dyn ObjectStore>,
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn cached(variable: &str, prefix: &str) -> PathBuf {
    if let Some(path) = std::env::var_os(variable) {
        return path.into();
    }
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .unwrap_or_else(|| Path::new(&std::env::var_os("HOME").expect("a home folder")).join(".cache"));
    let programs = std::fs::read_dir(cache.join("tallylight")).into_iter().flatten().flatten();
    let mut fitting: Vec<_> = programs
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| (entry.metadata().and_then(|data| data.modified()).ok(), entry.path()))
        .collect();
    fitting.sort();
    fitting.pop().unwrap_or_else(|| panic!("set {variable}, or run `npm test` once, which builds it")).1
}

fn azurite() -> PathBuf {
    std::env::var_os("TALLYLIGHT_AZURITE").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../node_modules/azurite/dist/src/blob/main.js"),
        PathBuf::from,
    )
}

async fn run(
    program: &Path,
    dir: &TempDir,
    args: &[&str],
    variables: &[(&str, &str)],
    answering: &str,
) -> Child {
    let log = std::fs::File::create(dir.path().join("server.log")).unwrap();
    let mut command = Command::new(program);
    command
        .args(args)
        .env("MINIO_ROOT_USER", KEY)
        .env("MINIO_ROOT_PASSWORD", SECRET)
        .env("MINIO_BROWSER", "off")
        .env("MINIO_UPDATE", "off")
        .env("MINIO_CI_CD", "1")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .kill_on_drop(true);
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    let client = reqwest::Client::builder().danger_accept_invalid_certs(true).build().unwrap();
    let until = tokio::time::Instant::now() + Duration::from_secs(60);
    loop {
        let log = || std::fs::read_to_string(dir.path().join("server.log")).unwrap_or_default();
        if let Some(status) = child.try_wait().unwrap() {
            panic!("{} ended: {status}\n{}", program.display(), log());
        }
        // Any answer will do, except that it is not ready.
        if client.get(answering).send().await.is_ok_and(|answer| answer.status() != 503) {
            return child;
        }
        assert!(tokio::time::Instant::now() < until, "{} does not answer\n{}", program.display(), log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

impl Server {
    pub async fn minio() -> Self {
        Self::minio_with(&[]).await
    }

    pub async fn minio_with(variables: &[(&str, &str)]) -> Self {
        let dir = TempDir::new().unwrap();
        let port = free_port();
        let (address, data) = (format!("127.0.0.1:{port}"), dir.path().join("data"));
        let url = format!("http://{address}");
        // A folder is a bucket.
        std::fs::create_dir_all(data.join(BUCKET)).unwrap();
        let console = format!("127.0.0.1:{}", free_port());
        let args = [
            "server",
            "--quiet",
            "--address",
            &address,
            "--console-address",
            &console,
            data.to_str().unwrap(),
        ];
        let program = cached("TALLYLIGHT_MINIO", "minio-");
        let child = run(&program, &dir, &args, variables, &format!("{url}/minio/health/ready")).await;
        let store = AmazonS3Builder::new()
            .with_bucket_name(BUCKET)
            .with_endpoint(&url)
            .with_allow_http(true)
            .with_access_key_id(KEY)
            .with_secret_access_key(SECRET)
            .build()
            .unwrap();
        // It answers before it has read its keys; the library tries again until it has.
        let probe = object_store::path::Path::from("ready");
        store.put(&probe, "".into()).await.unwrap();
        store.delete(&probe).await.unwrap();
        let storage = Storage::S3(S3 { bucket: BUCKET.into(), endpoint: url.clone(), ..S3::default() });
        Self {
            _child: child,
            _google: None,
            _proxy: None,
            dir,
            minio_url: url.clone(),
            url,
            profile: profile(storage),
            secret: s3_secret(KEY, SECRET),
            store: Arc::new(store),
        }
    }

    /// Google Cloud Storage, as far as it can be had here.
    pub async fn gcs() -> Self {
        let minio = Self::minio().await;
        let google = Google::before(&minio.url, KEY, SECRET).await;
        let storage = Storage::Gcp(Gcp { bucket: BUCKET.into(), ..Gcp::default() });
        let keys = StorageKeys::Gcp { credentials: gcs_credentials(&google.url).into() };
        let (url, secret) = (google.url.clone(), StorageSecret { keys, proxy: None });
        Self { url, profile: profile(storage), secret, _google: Some(google), ..minio }
    }

    pub async fn azure() -> Self {
        Self::azure_at("http", TempDir::new().unwrap(), &[]).await
    }

    /// One that takes tokens, too. It does so over TLS alone; its certificate is its own, and a proxy takes it.
    pub async fn azure_with_tokens() -> Self {
        let dir = TempDir::new().unwrap();
        let file = |name: &str| dir.path().join(name).display().to_string();
        let (key, cert) = (file("key.pem"), file("cert.pem"));
        let make = "req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -keyout";
        let args: Vec<&str> = make.split(' ').chain([key.as_str(), "-out", &cert]).collect();
        crate::cloud::openssl(&args, b"").await;
        let azure = Self::azure_at("https", dir, &["--oauth", "basic", "--cert", &cert, "--key", &key]).await;
        let proxy = Faults::before(&azure.url).await;
        let (profile, secret) = azure.behind(&proxy.url);
        Self { url: proxy.url.clone(), profile, secret, _proxy: Some(proxy), ..azure }
    }

    async fn azure_at(scheme: &str, dir: TempDir, more: &[&str]) -> Self {
        let port = free_port();
        let url = format!("{scheme}://127.0.0.1:{port}/{AZURE_ACCOUNT}");
        let (port, data) = (port.to_string(), dir.path().join("data"));
        let program = azurite();
        let mut args = vec![
            program.to_str().unwrap(),
            "--blobHost",
            "127.0.0.1",
            "--blobPort",
            &port,
            "--location",
            data.to_str().unwrap(),
            "--silent",
            "--skipApiVersionCheck",
            "--disableTelemetry",
        ];
        args.extend(more);
        let child = run(Path::new("node"), &dir, &args, &[], &url).await;
        let key =
            AzureCredential::AccessKey(object_store::azure::AzureAccessKey::try_new(AZURE_KEY).unwrap());
        let mut create = http::Request::put(format!("{url}/{BUCKET}?restype=container"))
            .header("content-length", 0)
            .body(HttpRequestBody::empty())
            .unwrap();
        AzureAuthorizer::new(&key, AZURE_ACCOUNT).try_authorize(&mut create).unwrap();
        let (head, _) = create.into_parts();
        let client = reqwest::Client::builder().danger_accept_invalid_certs(true).build().unwrap();
        let created = client.put(head.uri.to_string()).headers(head.headers).send().await.unwrap();
        assert!(created.status().is_success(), "{}", created.text().await.unwrap());
        let store = MicrosoftAzureBuilder::new()
            .with_account(AZURE_ACCOUNT)
            .with_access_key(AZURE_KEY)
            .with_container_name(BUCKET)
            .with_endpoint(url.clone())
            .with_client_options(
                ClientOptions::new().with_allow_http(true).with_allow_invalid_certificates(true),
            )
            .build()
            .unwrap();
        let storage = Storage::Azure(Azure {
            account_name: AZURE_ACCOUNT.into(),
            container_name: BUCKET.into(),
            endpoint: url.clone(),
            machine_identity: false,
        });
        let secret =
            StorageSecret { keys: StorageKeys::Azure { account_key: AZURE_KEY.into() }, proxy: None };
        Self {
            _child: child,
            _google: None,
            _proxy: None,
            dir,
            minio_url: String::new(),
            url,
            profile: profile(storage),
            secret,
            store: Arc::new(store),
        }
    }

    /// The same store behind another address.
    pub fn behind(&self, url: &str) -> (StorageProfile, StorageSecret) {
        let (mut profile, mut secret) = (self.profile.clone(), self.secret.clone());
        match &mut profile.storage {
            Storage::S3(s3) => s3.endpoint = url.into(),
            Storage::Azure(azure) => azure.endpoint = format!("{url}/{AZURE_ACCOUNT}"),
            _ => secret.keys = StorageKeys::Gcp { credentials: gcs_credentials(url).into() },
        }
        (profile, secret)
    }

    /// All of an object.
    pub async fn object(&self, key: &str) -> Option<Vec<u8>> {
        let path = object_store::path::Path::parse(key).unwrap();
        match self.store.get(&path).await {
            Ok(object) => Some(object.bytes().await.unwrap().to_vec()),
            Err(object_store::Error::NotFound { .. }) => None,
            Err(error) => panic!("{key}: {error}"),
        }
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("server.log")).unwrap_or_default()
    }
}

pub fn profile(storage: Storage) -> StorageProfile {
    StorageProfile { storage, prefix: String::new() }
}

pub fn s3_secret(access_key: &str, secret: &str) -> StorageSecret {
    let keys = StorageKeys::S3 {
        access_key: access_key.into(),
        secret: secret.into(),
        session_token: None,
        assume_role_external_id: None,
    };
    StorageSecret { keys, proxy: None }
}

fn gcs_credentials(url: &str) -> String {
    serde_json::json!({
        "type": "service_account", "private_key": "", "private_key_id": "", "client_email": "",
        "disable_oauth": true, "gcs_base_url": url,
    })
    .to_string()
}
