//! What of an egress is told, from its first answer to its last.

use egress::validate::EgressRequest;
use livekit_protocol::stream_info::Status;
use livekit_protocol::{EgressInfo, EgressStatus};
use secrecy::SecretString;
use serde_json::{Value, json};
use studio::surface::Origin;
use studio::{StartEgress, Studio};

use crate::bench::{Bench, PATIENCE, eventually};

fn start(outputs: Value) -> StartEgress {
    let mut body = json!({"roomName": "named", "identity": "ada"});
    body.as_object_mut().unwrap().extend(outputs.as_object().unwrap().clone());
    let request = EgressRequest::Participant(serde_json::from_value(body).unwrap());
    StartEgress { egress_id: None, room_id: "RM_1".into(), request, retry: 0, origin: Origin::Api }
}

async fn reaches(studio: &Studio, id: &str, status: EgressStatus) -> EgressInfo {
    eventually(status.as_str_name(), || studio.egress(&id.into()).unwrap().status() == status).await;
    studio.egress(&id.into()).unwrap()
}

#[tokio::test]
async fn the_first_answer_holds_the_name_of_the_last_and_nobody_else_is_given_it() {
    let bench = Bench::new();
    let studio = bench.open().await;
    std::fs::create_dir_all(bench.recordings()).unwrap();
    std::fs::write(bench.recordings().join("a.mp4"), "there").unwrap();
    let file = || start(json!({"fileOutputs": [{"filepath": "a"}]}));
    let both = tokio::join!(studio.start_egress(file()), studio.start_egress(file()));
    let both = [both.0.unwrap(), both.1.unwrap()];
    let mut names: Vec<&str> = both.iter().map(|info| info.file_results[0].filename.as_str()).collect();
    names.sort();
    assert_eq!(names, ["a-2.mp4", "a-3.mp4"]);
    for first in &both {
        assert_eq!(first.room_id, "RM_1");
        reaches(&studio, &first.egress_id, EgressStatus::EgressActive).await;
        studio.stop_egress(first.egress_id.as_str().into()).await.unwrap();
        let last = reaches(&studio, &first.egress_id, EgressStatus::EgressComplete).await;
        assert_eq!(last.file_results[0].filename, first.file_results[0].filename);
        assert!(last.file_results[0].location.ends_with(&first.file_results[0].filename));
    }
    // Names of files that are there are not given again.
    let again = studio.start_egress(file()).await.unwrap();
    assert_eq!(again.file_results[0].filename, "a-4.mp4");
}

#[tokio::test]
async fn a_life_is_told_in_livekits_order_and_no_more_of_it() {
    let bench = Bench::new();
    let studio = bench.open().await;
    let mut changes = studio.egress_changes();
    let info = studio.start_egress(start(json!({"fileOutputs": [{"filepath": "a"}]}))).await.unwrap();
    reaches(&studio, &info.egress_id, EgressStatus::EgressActive).await;
    studio.stop_egress(info.egress_id.as_str().into()).await.unwrap();
    let over = reaches(&studio, &info.egress_id, EgressStatus::EgressComplete).await;
    let mut told = Vec::new();
    while let Ok(info) = changes.try_recv() {
        told.push(info);
    }
    let statuses: Vec<EgressStatus> = told.iter().map(|info| info.status()).collect();
    use EgressStatus::{EgressActive, EgressComplete, EgressEnding, EgressStarting};
    assert_eq!(statuses, [EgressStarting, EgressActive, EgressEnding, EgressComplete]);
    assert_eq!(**told.last().unwrap(), over);
    assert_eq!(studio.told_egress(), [told.last().unwrap().clone()]);
}

#[tokio::test]
async fn update_stream_answers_with_the_state_after_the_change() {
    let bench = Bench::new();
    let studio = bench.open().await;
    let info = studio.start_egress(start(json!({"fileOutputs": [{"filepath": "a"}]}))).await.unwrap();
    let id = info.egress_id;
    reaches(&studio, &id, EgressStatus::EgressActive).await;
    let url = || SecretString::from("rtmp://h/app/a-stream-key");
    let update = |add: Vec<SecretString>, remove: Vec<SecretString>| {
        let call = studio.update_egress_stream(id.as_str().into(), add, remove);
        async move { tokio::time::timeout(PATIENCE, call).await.unwrap().unwrap() }
    };
    let added = update(vec![url()], Vec::new()).await;
    let statuses = |info: &EgressInfo| info.stream_results.iter().map(|one| one.status()).collect::<Vec<_>>();
    assert_eq!(statuses(&added), [Status::Active]);
    assert_eq!(added.stream_results[0].url, "rtmp://h/app/{a-s...key}");
    let removed = update(Vec::new(), vec![url()]).await;
    assert_eq!(statuses(&removed), [Status::Finished]);
    assert!(removed.stream_results[0].ended_at > 0);
}
