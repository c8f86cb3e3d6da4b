//! Connections: to one Redis, to the master that Sentinels name, or to a cluster.

use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection, PubSub};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo,
    RedisConnectionInfo, RedisError, RedisResult, TlsCertificates, TlsMode, Value,
};
use secrecy::ExposeSecret;

use super::config::{RedisConfig, host_and_port};

/// Both halves of a connection: what is said, and what is heard.
pub(crate) struct Dialled {
    pub(crate) commands: Commands,
    pub(crate) heard: PubSub,
    /// Where it is, for the log.
    pub(crate) address: String,
}

/// Where commands go.
#[derive(Clone)]
pub(crate) enum Commands {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Commands {
    pub(crate) async fn send(&mut self, command: &Cmd) -> RedisResult<Value> {
        match self {
            Self::One(connection) => connection.req_packed_command(command).await,
            Self::Cluster(connection) => connection.req_packed_command(command).await,
        }
    }
}

/// Connects.
pub(crate) async fn dial(config: &RedisConfig) -> RedisResult<Dialled> {
    let tls = certificates(config).await?;
    if config.cluster_addresses.is_empty() {
        let address = if config.sentinel_addresses.is_empty() {
            config.address.clone()
        } else {
            master(config, tls.as_ref()).await?
        };
        let client =
            client(config, &address, &config.username, config.password.expose_secret(), config.db, &tls)?;
        let commands = Commands::One(connect(config, &client).await?);
        return Ok(Dialled { commands, heard: listen(config, &client).await?, address });
    }
    // In a cluster a message reaches the subscribers of every node, so that any node will do to listen at.
    let mut last = no_address();
    for address in &config.cluster_addresses {
        let client = client(config, address, &config.username, config.password.expose_secret(), 0, &tls)?;
        match listen(config, &client).await {
            Ok(heard) => {
                let commands = Commands::Cluster(cluster(config, tls.as_ref()).await?);
                return Ok(Dialled { commands, heard, address: address.clone() });
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn connect(config: &RedisConfig, client: &Client) -> RedisResult<MultiplexedConnection> {
    let how = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(config.dial_within()))
        .set_response_timeout(Some(config.answer_within()));
    client.get_multiplexed_async_connection_with_config(&how).await
}

async fn listen(config: &RedisConfig, client: &Client) -> RedisResult<PubSub> {
    within(config.dial_within(), client.get_async_pubsub()).await
}

async fn cluster(config: &RedisConfig, tls: Option<&TlsCertificates>) -> RedisResult<ClusterConnection> {
    let nodes = config.cluster_addresses.iter().map(|address| {
        let scheme = if config.secure() { "rediss" } else { "redis" };
        format!("{scheme}://{address}")
    });
    let mut builder = ClusterClient::builder(nodes)
        .retries(config.max_redirects.unwrap_or(2))
        .connection_timeout(config.dial_within())
        .response_timeout(config.answer_within());
    if !config.username.is_empty() {
        builder = builder.username(&config.username);
    }
    if !config.password.expose_secret().is_empty() {
        builder = builder.password(config.password.expose_secret());
    }
    if config.secure() {
        builder = builder.tls(if config.insecure() { TlsMode::Insecure } else { TlsMode::Secure });
    }
    if let Some(tls) = tls {
        builder = builder.certs(tls.clone());
    }
    within(config.dial_within(), builder.build()?.get_async_connection()).await
}

/// Asks the Sentinels, one after the other, where the master is.
async fn master(config: &RedisConfig, tls: Option<&TlsCertificates>) -> RedisResult<String> {
    let mut last = no_address();
    for address in &config.sentinel_addresses {
        match ask(config, address, tls).await {
            Ok(Some((host, port))) => {
                return Ok(if host.contains(':') {
                    format!("[{host}]:{port}")
                } else {
                    format!("{host}:{port}")
                });
            }
            Ok(None) => {
                last = RedisError::from((
                    ErrorKind::InvalidClientConfig,
                    "the Sentinels know no master of that name",
                ));
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn ask(
    config: &RedisConfig,
    sentinel: &str,
    tls: Option<&TlsCertificates>,
) -> RedisResult<Option<(String, u16)>> {
    let password = config.sentinel_password.expose_secret();
    let client = client(config, sentinel, &config.sentinel_username, password, 0, &tls.cloned())?;
    let mut connection = connect(config, &client).await?;
    let mut question = redis::cmd("SENTINEL");
    question.arg("get-master-addr-by-name").arg(&config.sentinel_master_name);
    question.query_async(&mut connection).await
}

fn client(
    config: &RedisConfig,
    address: &str,
    username: &str,
    password: &str,
    db: i64,
    tls: &Option<TlsCertificates>,
) -> RedisResult<Client> {
    let (host, port) = host_and_port(address).ok_or_else(no_address)?;
    let address = if config.secure() {
        ConnectionAddr::TcpTls { host, port, insecure: config.insecure(), tls_params: None }
    } else {
        ConnectionAddr::Tcp(host, port)
    };
    // Naming the library takes a right that a user of this bus does not need otherwise.
    let mut settings = RedisConnectionInfo::default().set_db(db).set_skip_set_lib_name();
    if !username.is_empty() {
        settings = settings.set_username(username);
    }
    if !password.is_empty() {
        settings = settings.set_password(password);
    }
    let info: ConnectionInfo = address.into_connection_info()?.set_redis_settings(settings);
    match tls {
        Some(certificates) => Client::build_with_tls(info, certificates.clone()),
        None => Client::open(info),
    }
}

/// What is trusted and shown, if TLS is spoken.
async fn certificates(config: &RedisConfig) -> RedisResult<Option<TlsCertificates>> {
    if !config.secure() {
        return Ok(None);
    }
    // Two providers of cryptography are linked in, and rustls wants to be told which.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let files = config.tls.clone().unwrap_or_default();
    let read = async |path: &str| -> RedisResult<Option<Vec<u8>>> {
        if path.is_empty() { Ok(None) } else { Ok(Some(tokio::fs::read(path).await?)) }
    };
    let root_cert = read(&files.ca_cert_file).await?;
    let pair = (read(&files.client_cert_file).await?, read(&files.client_key_file).await?);
    let client_tls = match pair {
        (Some(client_cert), Some(client_key)) => Some(redis::ClientTlsConfig { client_cert, client_key }),
        _ => None,
    };
    Ok(Some(TlsCertificates { client_tls, root_cert }))
}

async fn within<T>(limit: Duration, done: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    tokio::time::timeout(limit, done)
        .await
        .unwrap_or_else(|_| Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()))
}

fn no_address() -> RedisError {
    RedisError::from((ErrorKind::InvalidClientConfig, "no address of a Redis"))
}
