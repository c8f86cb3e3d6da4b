//! A real Redis for tests.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use api::bus::redis::RedisConfig;

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub fn config(address: &str) -> RedisConfig {
    RedisConfig { address: address.to_owned(), ..RedisConfig::default() }
}

pub fn until(what: &str, mut so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !so() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Resident memory of this process, bytes.
pub fn memory() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

pub struct Redis {
    pub port: u16,
    folder: tempfile::TempDir,
    tls: bool,
    child: Option<Child>,
}

impl Redis {
    pub fn start() -> Self {
        Self::new(false)
    }

    /// With TLS alone.
    pub fn secure() -> Self {
        Self::new(true)
    }

    fn new(tls: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        if tls {
            certificates(folder.path());
        }
        let mut redis = Self { port: free_port(), folder, tls, child: None };
        redis.run();
        redis
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub fn authority(&self) -> String {
        self.folder.path().join("ca.pem").display().to_string()
    }

    /// Starts it (again), on the same port.
    pub fn run(&mut self) {
        let mut server = Command::new("redis-server");
        server
            .args(["--save", "", "--appendonly", "no", "--bind", "127.0.0.1", "--dir"])
            .arg(self.folder.path());
        if self.tls {
            let file = |name: &str| self.folder.path().join(name);
            server.args(["--port", "0", "--tls-port", &self.port.to_string(), "--tls-auth-clients", "no"]);
            server.arg("--tls-cert-file").arg(file("server.pem"));
            server.arg("--tls-key-file").arg(file("server.key"));
            server.arg("--tls-ca-cert-file").arg(file("ca.pem"));
        } else {
            server.args(["--port", &self.port.to_string()]);
        }
        self.child = Some(server.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("redis-server"));
        until("Redis answers", || self.try_command(&["PING"]).contains("PONG"));
    }

    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub fn command(&self, words: &[&str]) -> String {
        let told = self.try_command(words);
        assert!(!told.starts_with("ERR"), "{told}");
        told
    }

    fn try_command(&self, words: &[&str]) -> String {
        let mut cli = Command::new("redis-cli");
        cli.args(["-p", &self.port.to_string()]);
        if self.tls {
            cli.args(["--tls", "--cacert", &self.authority()]);
        }
        String::from_utf8(cli.args(words).output().unwrap().stdout).unwrap()
    }

    /// How many listen to a channel.
    pub fn listeners(&self, channel: &str) -> usize {
        let told = self.command(&["PUBSUB", "NUMSUB", channel]);
        told.lines().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

/// An authority and a certificate of its for 127.0.0.1.
fn certificates(folder: &Path) {
    let run = |line: &str| {
        let done = Command::new("openssl").args(line.split(' ')).current_dir(folder).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    run(&format!("req -x509 {key} -keyout ca.key -out ca.pem -days 2 -subj /CN=authority"));
    run(&format!("req {key} -keyout server.key -out server.csr -subj /CN=redis"));
    std::fs::write(folder.join("ext"), "subjectAltName=IP:127.0.0.1,DNS:localhost\n").unwrap();
    run(
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out server.pem -days 2 -extfile ext",
    );
}

/// One that knows a Redis as the master "show".
pub struct Sentinel {
    redis: Redis,
}

impl Sentinel {
    pub fn start(master: &Redis) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let file = folder.path().join("sentinel.conf");
        let text =
            format!("port {port}\nbind 127.0.0.1\nsentinel monitor show 127.0.0.1 {} 1\n", master.port);
        std::fs::write(&file, text).unwrap();
        let mut server = Command::new("redis-server");
        let child = server.arg(&file).arg("--sentinel").stdout(Stdio::null()).spawn().expect("redis-server");
        let redis = Redis { port, folder, tls: false, child: Some(child) };
        until("the Sentinel answers", || redis.try_command(&["PING"]).contains("PONG"));
        Self { redis }
    }

    pub fn address(&self) -> String {
        self.redis.address()
    }
}

/// A cluster of one node that has all slots.
pub struct Cluster {
    redis: Redis,
}

impl Cluster {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let mut server = Command::new("redis-server");
        // The port of its bus is by default this plus 10000, which there may not be.
        let bus = free_port().to_string();
        server.args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--cluster-enabled",
            "yes",
        ]);
        server.args(["--cluster-port", &bus, "--dir"]).arg(folder.path());
        let child = server.stdout(Stdio::null()).spawn().expect("redis-server");
        let redis = Redis { port, folder, tls: false, child: Some(child) };
        until("the node answers", || redis.try_command(&["PING"]).contains("PONG"));
        redis.command(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
        until("the cluster is whole", || redis.command(&["CLUSTER", "INFO"]).contains("cluster_state:ok"));
        Self { redis }
    }

    pub fn address(&self) -> String {
        self.redis.address()
    }
}
