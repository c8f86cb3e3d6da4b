//! Layouts: the operator's own, and changing what a job shows.

use std::time::Duration;

use egress::error::ErrorCode;
use egress::fact::EgressStatus;
use egress::request::{Mixing, PageParts, RecordRequest, RecordSource};

use crate::bench::{Bench, request, until, until_job};

fn composite(layout: &str) -> RecordRequest {
    let source = RecordSource::RoomComposite {
        layout: layout.into(),
        base_url: None,
        parts: PageParts::Both,
        mixing: Mixing::Together,
        after_crash: Default::default(),
    };
    RecordRequest { source, ..request("show") }
}

#[tokio::test]
async fn a_copy_is_in_the_list_and_a_broken_one_says_where() {
    let bench = Bench::new();
    let studio = bench.open().await;
    until(&studio, "the stock layouts", |s| (s.layouts.len() > 10).then_some(())).await;
    let name = studio.copy_layout("grid".into()).await.unwrap();
    assert_eq!(name, "grid-2");
    let copy = studio.snapshot().layouts.into_iter().find(|layout| layout.name == name).unwrap();
    assert!(!copy.stock && copy.broken.is_none() && !copy.regions.is_empty());
    assert_eq!(studio.copy_layout("grid".into()).await.unwrap(), "grid-3");
    assert_eq!(studio.copy_layout("none".into()).await.unwrap_err().code, ErrorCode::NotFound);

    let id = studio.arm(composite(&name)).await.unwrap();
    until_job(&studio, &id, "armed", |job| job.armed).await;
    let file = studio.layouts_folder().join("grid-2.json");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replacen("\"title\": \"", "\"title\": \"My ", 1)).unwrap();
    until_job(&studio, &id, "it is drawn anew", |job| job.layout.as_deref() == Some("grid-2")).await;
    std::fs::write(&file, "{").unwrap();
    let broken = until(&studio, "the fault", |s| {
        s.layouts.iter().find(|layout| layout.name == "grid-2")?.broken.clone()
    })
    .await;
    assert_eq!(broken.line, Some(1));
    let error = studio.update_layout(id.clone(), name.clone()).await.unwrap_err();
    assert!(error.message.contains("line 1"), "{error}");
    assert_eq!(studio.arm(composite("grid")).await.unwrap(), id, "the running preview shows another layout");
    let job = until_job(&studio, &id, "the layout", |job| job.layout.as_deref() == Some("grid")).await;
    assert!(job.preview);
    studio.shut_down(true).await.unwrap();
}

#[tokio::test]
async fn a_layout_changes_while_it_records_and_the_preview_is_what_is_recorded() {
    let bench = Bench::new();
    let studio = bench.open().await;
    let id = studio.arm(composite("grid")).await.unwrap();
    until_job(&studio, &id, "armed", |job| job.armed).await;
    studio.watch(vec![id.as_str().into()]).await.unwrap();
    let frame = studio.frame(id.as_str().into(), 0, Duration::from_secs(30)).await.unwrap();
    assert!(frame.is_some(), "the program is to be seen");
    studio.update_layout(id.clone(), "speaker".into()).await.unwrap();
    assert_eq!(studio.start(composite("speaker")).await.unwrap(), id);
    until_job(&studio, &id, "recording", |job| job.status == EgressStatus::Active).await;
    studio.update_layout(id.clone(), "single-speaker".into()).await.unwrap();
    until_job(&studio, &id, "the layout", |job| job.layout.as_deref() == Some("single-speaker")).await;
    // A page that is not ours is told through the server, which nobody answers for here.
    let error = studio.update_layout(id.clone(), "foreign".into()).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Unreachable, "{error:?}");
    studio.stop(id).await.unwrap();
    studio.shut_down(true).await.unwrap();
}
