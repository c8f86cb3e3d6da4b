//! psrpc between servers and clients of ours over a real Redis.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod redis;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use api::bus::psrpc::channel;
use api::bus::psrpc::envelope::{ClaimRequest, ClaimResponse, Request, Response, open, seal};
use api::bus::psrpc::{Client, Code, Method, RpcError, Server, Serving};
use api::bus::redis::{Line, LineState};
use prost::Message;
use tokio::sync::mpsc;

use crate::redis::{Cluster, Redis, Sentinel, config};

const BID: Method = Method { service: "Shows", name: "Begin", claim: true, queue: false };
const RACE: Method = Method { service: "Shows", name: "Change", claim: true, queue: true };
const ALL: Method = Method { service: "Shows", name: "List", claim: false, queue: false };
const WITHIN: Duration = Duration::from_secs(5);

#[derive(Clone, PartialEq, Message)]
struct Words {
    #[prost(string, tag = "1")]
    text: String,
}

fn words(text: &str) -> Words {
    Words { text: text.to_owned() }
}

/// Answers with what it was asked and its own name; counts.
async fn echo(
    server: &Server,
    method: Method,
    topic: &str,
    name: &'static str,
    count: &Arc<AtomicUsize>,
) -> Serving {
    let count = count.clone();
    let mut serving = server.serve(
        method,
        topic,
        |asked: &Words| (asked.text != "silence").then_some(1.0),
        move |asked: Words| {
            count.fetch_add(1, Ordering::SeqCst);
            async move {
                match asked.text.as_str() {
                    "no" => Err(RpcError::new(Code::InvalidArgument, "not so")),
                    "nothing" => Err(RpcError::new(Code::Internal, "")),
                    text => Ok(words(&format!("{name}: {text}"))),
                }
            }
        },
    );
    serving.confirmed().await;
    serving
}

async fn up(line: &Line) {
    let mut state = line.state();
    let up = state.wait_for(|state| *state == LineState::Up);
    tokio::time::timeout(Duration::from_secs(10), up).await.expect("a connection").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_answered() {
    let redis = Redis::start();
    let line = Line::open(config(&redis.address()));
    let (server, client) = (Server::new(line.clone()), Client::new(line.clone(), "Shows"));
    let count = Arc::default();
    let _begin = echo(&server, BID, "", "one", &count).await;
    let _change = echo(&server, RACE, "EG_1", "one", &count).await;
    let _list = echo(&server, ALL, "", "one", &count).await;
    for (method, topic) in [(BID, ""), (RACE, "EG_1"), (ALL, "")] {
        let answer: Words = client.call(method, topic, &words("hello"), WITHIN).await.unwrap();
        assert_eq!(answer, words("one: hello"));
        let refused = client.call::<_, Words>(method, topic, &words("no"), WITHIN).await;
        assert_eq!(refused, Err(RpcError::new(Code::InvalidArgument, "not so")));
        let wordless = client.call::<_, Words>(method, topic, &words("nothing"), WITHIN).await;
        assert_eq!(wordless, Err(RpcError::new(Code::Internal, "internal")));
    }
    let short = Duration::from_millis(300);
    let nobody = client.call::<_, Words>(RACE, "EG_2", &words("hello"), short).await.unwrap_err();
    assert_eq!((nobody.code, nobody.message.as_str()), (Code::Unavailable, "no response from servers"));
    let silent = client.call::<_, Words>(BID, "", &words("silence"), short).await.unwrap_err();
    assert_eq!(silent.code, Code::Unavailable);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_call_is_carried_out_once_among_several_servers() {
    let redis = Redis::start();
    let lines: Vec<Line> = (0..3).map(|_| Line::open(config(&redis.address()))).collect();
    let count = Arc::default();
    let mut serving = Vec::new();
    for (line, name) in lines.iter().zip(["one", "two", "three"]) {
        let server = Server::new(line.clone());
        for method in [BID, RACE] {
            serving.push(echo(&server, method, "", name, &count).await);
        }
    }
    let client = Client::new(lines[0].clone(), "Shows");
    let mut calls = tokio::task::JoinSet::new();
    for at in 0..200 {
        let (client, method) = (client.clone(), if at % 2 == 0 { BID } else { RACE });
        calls.spawn(async move { client.call::<_, Words>(method, "", &words("hello"), WITHIN).await });
    }
    for answer in calls.join_all().await {
        assert!(answer.unwrap().text.ends_with(": hello"));
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(count.load(Ordering::SeqCst), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_subscribed_to_is_heard_again_after_a_restart() {
    let mut redis = Redis::start();
    let line = Line::open(config(&redis.address()));
    let (server, client) = (Server::new(line.clone()), Client::new(line.clone(), "Shows"));
    let count = Arc::default();
    let _serving = echo(&server, RACE, "EG_1", "one", &count).await;
    let call = async || client.call::<_, Words>(RACE, "EG_1", &words("hello"), WITHIN).await;
    assert!(call().await.is_ok());
    redis.kill();
    let mut state = line.state();
    tokio::time::timeout(WITHIN, state.wait_for(|state| *state != LineState::Up)).await.unwrap().unwrap();
    // What begins while it is away counts too.
    let later = tokio::spawn({
        let (server, count) = (server.clone(), count.clone());
        async move { echo(&server, RACE, "EG_2", "two", &count).await }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    redis.run();
    // One that waits for the connection goes out by itself.
    assert!(call().await.is_ok());
    let _later = tokio::time::timeout(WITHIN, later).await.expect("it is confirmed").unwrap();
    let answer: Words = client.call(RACE, "EG_2", &words("hello"), WITHIN).await.unwrap();
    assert_eq!(answer, words("two: hello"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_answers_for_what_has_ended() {
    let redis = Redis::start();
    let line = Line::open(config(&redis.address()));
    let (server, client) = (Server::new(line.clone()), Client::new(line.clone(), "Shows"));
    let count = Arc::default();
    let serving = echo(&server, RACE, "EG_1", "one", &count).await;
    let channel = channel::request(&RACE, "EG_1");
    assert_eq!(redis.listeners(&channel), 1);
    drop(serving);
    redis::until("it is unsubscribed", || redis.listeners(&channel) == 0);
    let gone = client.call::<_, Words>(RACE, "EG_1", &words("hello"), Duration::from_millis(200)).await;
    assert_eq!(gone.unwrap_err().code, Code::Unavailable);
}

/// The other side by hand: what a newer or an odd peer would send.
#[tokio::test(flavor = "multi_thread")]
async fn odd_peers_are_understood_and_hostile_ones_do_no_harm() {
    let redis = Redis::start();
    let (line, peer) = (Line::open(config(&redis.address())), Line::open(config(&redis.address())));
    let server = Server::new(line.clone());
    let count: Arc<AtomicUsize> = Arc::default();
    let _serving = echo(&server, BID, "", "one", &count).await;
    let (queue, mut heard) = mpsc::channel(100);
    for name in [channel::claim("Shows", "CLI_x"), channel::response("Shows", "CLI_x")] {
        peer.subscribe(&name, queue.clone()).wait().await;
    }
    let ask = |id: &str, ttl_s: i64| Request {
        request_id: id.to_owned(),
        client_id: "CLI_x".to_owned(),
        expiry: now_ns() + ttl_s * 1_000_000_000,
        raw_request: words("hello").encode_to_vec().into(),
        skip_claim: true,
        ..Request::default()
    };
    let (requests, grants) = (channel::request(&BID, ""), channel::grant(&BID, ""));
    // Late ones, rubbish, grants of what nobody bid for.
    peer.publish(&requests, &seal(&ask("REQ_late", -1))).await.unwrap();
    for length in [0, 1, 10, 1000, 100_000, 2 << 20] {
        let rubbish: Vec<u8> = (0..length).map(|_| rand::random()).collect();
        peer.publish(&requests, &rubbish).await.unwrap();
        peer.publish(&grants, &rubbish).await.unwrap();
    }
    let grant = |id: &str, server: &str| {
        seal(&ClaimResponse { request_id: id.to_owned(), server_id: server.to_owned() })
    };
    peer.publish(&grants, &grant("REQ_none", server.id())).await.unwrap();
    let unread = Request { raw_request: vec![0xff; 10].into(), ..ask("REQ_unread", 5) };
    peer.publish(&requests, &seal(&unread)).await.unwrap();
    let told: Response = open(heard.recv().await.unwrap().payload).unwrap();
    assert_eq!((told.request_id.as_str(), told.code.as_str()), ("REQ_unread", "malformed_request"));
    // One that would do without bids gets one all the same, and grants it.
    peer.publish(&requests, &seal(&ask("REQ_1", 5))).await.unwrap();
    let bid: ClaimRequest = open(heard.recv().await.unwrap().payload).unwrap();
    assert_eq!((bid.request_id.as_str(), bid.server_id.as_str()), ("REQ_1", server.id()));
    peer.publish(&grants, &grant("REQ_1", server.id())).await.unwrap();
    let told: Response = open(heard.recv().await.unwrap().payload).unwrap();
    assert_eq!(Words::decode(told.raw_response).unwrap(), words("one: hello"));
    // Granted to somebody else: not ours, also when it is granted to us afterwards.
    peer.publish(&requests, &seal(&ask("REQ_2", 5))).await.unwrap();
    assert!(open::<ClaimRequest>(heard.recv().await.unwrap().payload).is_ok());
    peer.publish(&grants, &grant("REQ_2", "SRV_other")).await.unwrap();
    peer.publish(&grants, &grant("REQ_2", server.id())).await.unwrap();
    peer.publish(&requests, &seal(&ask("REQ_3", 5))).await.unwrap();
    let bid: ClaimRequest = open(heard.recv().await.unwrap().payload).unwrap();
    assert_eq!(bid.request_id, "REQ_3");
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_dropped_and_calls_go_on_after_it() {
    let redis = Redis::start();
    let (line, flood) = (Line::open(config(&redis.address())), Line::open(config(&redis.address())));
    let (server, client) = (Server::new(line.clone()), Client::new(line.clone(), "Shows"));
    let count = Arc::default();
    let _serving = echo(&server, BID, "", "one", &count).await;
    let before = redis::memory();
    let requests = channel::request(&BID, "");
    for at in 0..20_000_u32 {
        let request = Request {
            request_id: format!("REQ_{at}"),
            client_id: "CLI_x".to_owned(),
            expiry: i64::MAX,
            raw_request: words(&"x".repeat(1000)).encode_to_vec().into(),
            ..Request::default()
        };
        flood.publish(&requests, &seal(&request)).await.unwrap();
    }
    let grown = redis::memory().saturating_sub(before);
    assert!(grown < 64 << 20, "grew by {grown} bytes");
    // Bids for the flood stand until they expire, and take all places: whoever floods Redis stops the work, and no more.
    let _ = client.call::<_, Words>(BID, "", &words("hello"), Duration::from_millis(300)).await;
    let _other = echo(&server, ALL, "", "one", &count).await;
    let answer: Words = client.call(ALL, "", &words("hello"), WITHIN).await.unwrap();
    assert_eq!(answer, words("one: hello"));
}

async fn works(line: &Line) {
    up(line).await;
    let (server, client) = (Server::new(line.clone()), Client::new(line.clone(), "Shows"));
    let _serving = echo(&server, RACE, "EG_1", "one", &Arc::default()).await;
    let answer: Words = client.call(RACE, "EG_1", &words("hello"), WITHIN).await.unwrap();
    assert_eq!(answer, words("one: hello"));
}

async fn down(line: &Line, expected: &str) {
    let mut state = line.state();
    let told = state.wait_for(|state| matches!(state, LineState::Down { why } if why.contains(expected)));
    if tokio::time::timeout(WITHIN, told).await.is_err() {
        panic!("{:?}", *line.state().borrow());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_with_few_rights_is_enough() {
    let redis = Redis::start();
    redis.command(&[
        "ACL",
        "SETUSER",
        "egress",
        "on",
        ">pw",
        "resetchannels",
        "&Shows|*",
        "~*=",
        "-@all",
        "+subscribe",
        "+unsubscribe",
        "+publish",
        "+set",
        "+ping",
    ]);
    let user = |password: &str| {
        let mut config = config(&redis.address());
        config.username = "egress".to_owned();
        config.password = password.to_owned().into();
        config
    };
    works(&Line::open(user("pw"))).await;
    down(&Line::open(user("wrong")), "assword").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_spoken_and_certificates_are_looked_at() {
    let redis = Redis::secure();
    let with = |ca: &str, insecure: bool| {
        let mut config = config(&redis.address());
        config.tls = Some(api::bus::redis::TlsConfig {
            enabled: true,
            insecure,
            ca_cert_file: ca.to_owned(),
            ..Default::default()
        });
        config
    };
    works(&Line::open(with(&redis.authority(), false))).await;
    works(&Line::open(with("", true))).await;
    down(&Line::open(with("", false)), "ertificate").await;
    down(&Line::open(with("/nowhere.pem", false)), "No such file").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinels_are_asked_for_the_master() {
    let redis = Redis::start();
    let sentinel = Sentinel::start(&redis);
    let with = |name: &str| {
        let mut config = config("");
        config.sentinel_addresses = vec!["127.0.0.1:1".to_owned(), sentinel.address()];
        config.sentinel_master_name = name.to_owned();
        config
    };
    works(&Line::open(with("show"))).await;
    down(&Line::open(with("other")), "no master of that name").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_will_do() {
    let cluster = Cluster::start();
    let mut config = config("");
    config.cluster_addresses = vec!["127.0.0.1:1".to_owned(), cluster.address()];
    works(&Line::open(config)).await;
}

fn now_ns() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_nanos()).unwrap()
}
