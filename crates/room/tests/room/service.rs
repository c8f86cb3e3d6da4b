//! The room service: logging in, and what can be wrong with a login.

use egress::error::{ErrorCode, Fault};
use livekit_token::{AccessToken, Claims, VideoGrants};
use room::service::{Server as Login, check, list_participants, list_rooms};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::harness::{KEY, Person, Proxy, SECRET, Server};

fn login(url: String) -> Login {
    Login { url, api_key: KEY.into(), api_secret: SECRET.into() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_works_and_each_way_it_can_fail() {
    let server = Server::start().await;
    for url in [
        server.url(),
        format!("http://127.0.0.1:{}/", server.port),
        format!("  WS://127.0.0.1:{}//", server.port),
    ] {
        check(&login(url)).await.unwrap();
    }

    let code = async |login: Login| {
        let error = check(&login).await.unwrap_err();
        assert!(!error.message.is_empty() && !error.remedy.is_empty());
        let everything = format!("{error:?}");
        assert!(!everything.contains(SECRET), "{everything}");
        assert!(!everything.contains("eyJ"), "a token in an error: {everything}");
        error.code
    };
    assert_eq!(code(Login { api_key: "nobody".into(), ..server.service() }).await, ErrorCode::UnknownKey);
    assert_eq!(code(Login { api_secret: "wrong".into(), ..server.service() }).await, ErrorCode::WrongSecret);
    assert_eq!(code(login("127.0.0.1:7880".into())).await, ErrorCode::InvalidArgument);
    assert_eq!(code(login(format!("wss://127.0.0.1:{}", server.port))).await, ErrorCode::Unreachable);
    assert_eq!(code(login("ws://no-such-host.invalid".into())).await, ErrorCode::Unreachable);
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let refused = check(&login(format!("ws://{closed}"))).await.unwrap_err();
    assert_eq!((refused.code, refused.retryable), (ErrorCode::Unreachable, true));
    assert!(refused.message.contains("port") || refused.remedy.contains("port"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_livekit_server_is_told_from_one() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
    ] {
        let url = answers_with(answer.to_owned()).await;
        let error = check(&login(url)).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::NotLiveKit, "{answer}: {error:?}");
    }
}

/// The server's clock cannot be set here; what it says to a token from another time can be had with one.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_clock_is_told() {
    let server = Server::start().await;
    // Signed by a clock that is a quarter of an hour behind.
    let now = usize::try_from(jiff::Timestamp::now().as_second()).unwrap();
    let claims = Claims {
        iss: KEY.into(),
        nbf: now - 1500,
        exp: now - 900,
        video: VideoGrants { room_list: true, ..Default::default() },
        ..Default::default()
    };
    // Installs the crypto that signing needs.
    AccessToken::with_api_key(KEY, SECRET).to_jwt().unwrap();
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    let past = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap();
    let words = refusal(&server, &past).await;
    assert!(words.contains("expired"), "{words}");
    let date = "Thu, 01 Jan 2032 00:00:00 GMT";
    let body = json!({ "code": "unauthenticated", "msg": words }).to_string();
    let url = answers_with(format!(
        "HTTP/1.1 401 Unauthorized\r\nDate: {date}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    ))
    .await;
    let error = check(&login(url)).await.unwrap_err();
    assert_eq!((error.code, error.fault), (ErrorCode::ClockOff, Fault::Environment));
    assert!(error.message.contains("behind"), "{}", error.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn rooms_and_people_are_listed() {
    let server = Server::start().await;
    assert_eq!(list_rooms(&server.service()).await.unwrap(), []);
    assert_eq!(list_participants(&server.service(), "nowhere").await.unwrap(), []);
    let mut ada = Person::join(&server, "b show", 1).await;
    let _ben = Person::join(&server, "b show", 2).await;
    let _cyd = Person::join(&server, "a show", 3).await;
    let track = ada.video("vp8").await;
    // The server counts with a delay.
    let began = std::time::Instant::now();
    let rooms = loop {
        let rooms = list_rooms(&server.service()).await.unwrap();
        if rooms.len() == 2 && rooms[1].num_participants == 2 && rooms[1].num_publishers == 1 {
            break rooms;
        }
        assert!(began.elapsed() < crate::harness::PATIENCE, "{rooms:?}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    assert_eq!((rooms[0].name.as_str(), rooms[1].name.as_str()), ("a show", "b show"));
    assert!(rooms[0].sid.starts_with("RM_") && rooms[0].created_at_ms > 1_700_000_000_000);
    let people = list_participants(&server.service(), "b show").await.unwrap();
    assert_eq!(people.len(), 2);
    let listed = people.iter().find(|person| person.identity == ada.identity).unwrap();
    assert_eq!((listed.tracks[0].sid.clone(), listed.tracks[0].codec.as_str()), (track, "vp8"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_answer_is_given_up() {
    let server = Server::start().await;
    let proxy = Proxy::to(server.port).await;
    proxy.set_dead(true);
    let began = std::time::Instant::now();
    let error = check(&login(proxy.url())).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Unreachable);
    assert!(error.message.contains("in time"), "{}", error.message);
    assert!(began.elapsed() < std::time::Duration::from_secs(30));
}

/// A listener on loopback that answers everything with the same bytes.
async fn answers_with(answer: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 16 << 10];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    url
}

/// How the server refuses a token.
async fn refusal(server: &Server, token: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
    let request = format!(
        "POST /twirp/livekit.RoomService/ListRooms HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    answer.replace(token, "…")
}
