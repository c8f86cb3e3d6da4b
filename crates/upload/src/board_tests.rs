use std::path::PathBuf;

use egress::storage::{LocalFolder, Storage, StorageProfile};
use proptest::prelude::*;

use super::*;
use crate::digest::PartSum;

fn row(seq: i64, key: &str) -> Row {
    let storage = Storage::Local(LocalFolder { folder: "/srv".into() });
    Row {
        id: UploadId(format!("UP_{seq}")),
        seq,
        path: PathBuf::from("/srv/x"),
        name: key.into(),
        keys: (key.into(), None),
        target: Target { profile: StorageProfile { storage, prefix: String::new() }, secret: String::new() },
        backup: None,
        owner: String::new(),
        group: None,
        after_group: false,
        afterwards: Afterwards::Keep,
        body: false,
        growing: false,
        grown: false,
        file: Some(FileFacts { size: 10, changed_ns: 0 }),
        part_bytes: 100,
        multipart: None,
        on_backup: false,
        main_error: None,
        attempts: 0,
        next_try_ms: 0,
        error: None,
        paused: false,
        stored: None,
        removed: false,
        created_at_ms: 0,
    }
}

fn stored(row: Row) -> Row {
    let stored = Stored { verified: Verified::Md5, at_ms: 0, location: String::new(), settled: true };
    Row { stored: Some(stored), ..row }
}

fn board(rows: impl IntoIterator<Item = Row>) -> Board {
    let mut board = Board::default();
    rows.into_iter().for_each(|row| board.put(row));
    board
}

fn names(ids: &[UploadId]) -> Vec<&str> {
    ids.iter().map(|id| id.0.as_str()).collect()
}

#[test]
fn large_files_do_not_keep_small_ones_waiting() {
    let large =
        |seq| Row { file: Some(FileFacts { size: 1000, changed_ns: 0 }), ..row(seq, &format!("{seq}")) };
    let board = board([large(1), large(2), large(3), row(4, "a"), row(5, "b"), row(6, "c")]);
    assert_eq!(names(&board.turn(0, 2, 100).start), ["UP_1", "UP_2", "UP_4", "UP_5"]);
}

#[test]
fn a_playlist_waits_for_segments_added_before_it_and_no_others() {
    let segment = |seq| Row { group: Some("g".into()), ..row(seq, &format!("{seq}")) };
    let list = Row { group: Some("g".into()), after_group: true, body: true, ..row(3, "list") };
    let mut rows = vec![segment(1), segment(2), list, segment(4)];
    assert_eq!(names(&board(rows.clone()).turn(0, 9, 100).start), ["UP_1", "UP_2", "UP_4"]);
    rows[0] = stored(rows[0].clone());
    assert_eq!(names(&board(rows.clone()).turn(0, 9, 100).start), ["UP_2", "UP_4"]);
    rows[1] = stored(rows[1].clone());
    assert_eq!(names(&board(rows).turn(0, 9, 100).start), ["UP_3", "UP_4"]);
}

#[test]
fn of_versions_of_a_playlist_only_the_newest_that_may_go_goes() {
    let list = |seq| Row { group: Some("g".into()), after_group: true, body: true, ..row(seq, "list") };
    let segment = Row { group: Some("g".into()), ..row(3, "segment") };
    let mut board = board([list(1), list(2), segment, list(4)]);
    let turn = board.turn(0, 9, 100);
    assert_eq!((names(&turn.start), names(&turn.overtaken)), (vec!["UP_2", "UP_3"], vec!["UP_1"]));
    // While one goes up, the next one to the same name waits.
    board.remove(&UploadId("UP_1".into()));
    board.live(&UploadId("UP_2".into())).running = true;
    board.put(stored(board.get(&UploadId("UP_3".into())).unwrap().clone()));
    assert_eq!(board.turn(0, 9, 100), Turn::default());
}

#[test]
fn what_waits_is_looked_at_again_in_time() {
    let board = board([Row { next_try_ms: 700, ..row(1, "a") }, Row { next_try_ms: 500, ..row(2, "b") }]);
    assert_eq!(board.turn(100, 9, 100), Turn { look_again_ms: Some(500), ..Turn::default() });
    assert_eq!(names(&board.turn(600, 9, 100).start), ["UP_2"]);
}

#[test]
fn nothing_is_done_with_what_is_paused_or_done() {
    let remove = Row { afterwards: Afterwards::Remove, ..stored(row(3, "c")) };
    let board = board([Row { paused: true, ..row(1, "a") }, stored(row(2, "b")), remove]);
    // The third is stored, and its file is still to be removed.
    assert_eq!(names(&board.turn(0, 9, 100).start), ["UP_3"]);
}

proptest! {
    /// Of a growing file, no part that may still change ever goes up.
    #[test]
    fn parts_of_a_growing_file(final_bytes in 0u64..5000, from in 0u64..3000, length in 0u64..400, have in prop::collection::btree_set(0u32..40, 0..20)) {
        let growing = Row { growing: true, file: None, multipart: Some("m".into()), ..row(1, "a") };
        let mut board = board([growing.clone()]);
        *board.live(&growing.id) = Live { final_bytes, rewritten: from..from + length, ..Live::default() };
        for index in &have {
            let sum = PartSum { size: 100, md5: [0; 16], crc32c: 0 };
            board.put_part(&growing.id, *index, Part { sum, content_id: String::new() });
        }
        let due = board.due_parts(&growing);
        for index in 0u32..60 {
            let (start, end) = (u64::from(index) * 100, u64::from(index) * 100 + 100);
            let changes = length > 0 && start < from + length && end > from;
            let expected = end <= final_bytes && !changes && !have.contains(&index);
            prop_assert_eq!(due.contains(&index), expected, "part {}", index);
        }
        // Finished, all that is missing goes up.
        let finished = Row { growing: false, file: Some(FileFacts { size: 4050, changed_ns: 0 }), ..growing };
        let due = board.due_parts(&finished);
        prop_assert_eq!(due.len(), 41 - have.len());
    }
}
