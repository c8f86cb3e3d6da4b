//! What of an egress is news to others, in LiveKit's order: it is there, it is active, its streams change, it is ending,
//! it is over. Each of these becomes a webhook, so that nothing else is told. Pure.

use livekit_protocol::stream_info::Status;
use livekit_protocol::{EgressInfo, EgressStatus, StreamInfo};

/// Whether a job is not over, as LiveKit's filter has it.
pub(super) fn is_active(info: &EgressInfo) -> bool {
    use EgressStatus::{EgressActive, EgressEnding, EgressStarting};
    matches!(info.status(), EgressStarting | EgressActive | EgressEnding)
}

/// Whether `now` is to be told to those who were told `told` last.
///
/// A failure and a limit go straight to the end, as with LiveKit's service, which tells of an ending only where it ends
/// as it should.
pub(super) fn is_news(told: Option<&EgressInfo>, now: &EgressInfo) -> bool {
    let Some(told) = told else { return true };
    if !is_active(now) {
        return EgressInfo { updated_at: told.updated_at, ..now.clone() } != *told;
    }
    if !is_active(told) || now.status() < told.status() {
        return false;
    }
    if now.status() > told.status() {
        return true;
    }
    match now.status() {
        EgressStatus::EgressStarting => streams(now, has_failed).ne(streams(told, has_failed)),
        EgressStatus::EgressActive => streams(now, is_decided).ne(streams(told, is_decided)),
        _ => false,
    }
}

/// Tells an egress as one that goes on: how it ended is not told yet.
pub(super) fn not_yet(info: &mut EgressInfo, told: Option<&EgressInfo>) {
    info.ended_at = 0;
    if info.status() == EgressStatus::EgressComplete {
        info.set_status(EgressStatus::EgressEnding);
        return;
    }
    let before = told.filter(|told| is_active(told)).map(EgressInfo::status);
    info.set_status(before.unwrap_or(EgressStatus::EgressActive));
    info.error.clear();
    info.error_code = 0;
    if info.status() != EgressStatus::EgressEnding {
        info.details.clear();
    }
}

fn streams(info: &EgressInfo, which: fn(&&StreamInfo) -> bool) -> impl Iterator<Item = &StreamInfo> {
    info.stream_results.iter().filter(which)
}

/// One that is on its way for the first time is told of when it is up or has failed.
fn is_decided(stream: &&StreamInfo) -> bool {
    stream.started_at != 0 || stream.status() != Status::Active
}

fn has_failed(stream: &&StreamInfo) -> bool {
    stream.status() == Status::Failed
}

#[cfg(test)]
mod tests {
    use livekit_protocol::FileInfo;
    use proptest::prelude::*;

    use super::*;
    use EgressStatus::{EgressActive, EgressComplete, EgressEnding, EgressFailed, EgressStarting};

    fn info(status: EgressStatus, updated_at: i64) -> EgressInfo {
        EgressInfo { status: status.into(), updated_at, ..EgressInfo::default() }
    }

    fn with_stream(status: EgressStatus, stream: (Status, i64, u32)) -> EgressInfo {
        let (is, started_at, retries) = stream;
        let stream = StreamInfo { status: is.into(), started_at, retries, ..StreamInfo::default() };
        EgressInfo { stream_results: vec![stream], ..info(status, 1) }
    }

    #[test]
    fn what_fills_up_meanwhile_is_no_news() {
        for status in [EgressStarting, EgressActive, EgressEnding] {
            let told = info(status, 1);
            let file = FileInfo { filename: "a".into(), ..FileInfo::default() };
            let now = EgressInfo { file_results: vec![file], room_id: "RM_1".into(), ..info(status, 2) };
            assert!(!is_news(Some(&told), &now), "{status:?}");
        }
        assert!(is_news(None, &info(EgressStarting, 1)));
        assert!(is_news(Some(&info(EgressStarting, 1)), &info(EgressActive, 2)));
        assert!(is_news(Some(&info(EgressActive, 1)), &info(EgressFailed, 2)));
        assert!(!is_news(Some(&info(EgressFailed, 1)), &info(EgressFailed, 2)), "only the time");
        let stored = EgressInfo { backup_storage_used: true, ..info(EgressComplete, 1) };
        assert!(is_news(Some(&info(EgressComplete, 1)), &stored), "an upload was late");
        assert!(!is_news(Some(&info(EgressComplete, 1)), &info(EgressEnding, 2)), "no end is taken back");
    }

    #[test]
    fn streams_are_news_once_they_are_up_or_have_failed() {
        let told = info(EgressActive, 1);
        let now = |stream| with_stream(EgressActive, stream);
        assert!(!is_news(Some(&told), &now((Status::Active, 0, 0))), "on its way");
        let up = now((Status::Active, 5, 0));
        assert!(is_news(Some(&told), &up));
        assert!(is_news(Some(&up), &now((Status::Active, 5, 1))), "it is tried again");
        assert!(is_news(Some(&told), &now((Status::Failed, 4, 0))));
        let starting = info(EgressStarting, 1);
        let failed = with_stream(EgressStarting, (Status::Failed, 4, 0));
        assert!(is_news(Some(&starting), &failed), "at once");
        assert!(!is_news(Some(&starting), &with_stream(EgressStarting, (Status::Active, 4, 0))));
        assert!(!is_news(Some(&info(EgressEnding, 1)), &with_stream(EgressEnding, (Status::Finished, 5, 0))));
    }

    #[test]
    fn an_end_that_is_not_told_yet_hides_how_it_ended() {
        let mut complete =
            EgressInfo { ended_at: 9, details: "End reason: x".into(), ..info(EgressComplete, 1) };
        not_yet(&mut complete, Some(&info(EgressActive, 1)));
        assert_eq!((complete.status(), complete.ended_at), (EgressEnding, 0));
        let failed =
            || EgressInfo { error: "gone".into(), error_code: 500, ended_at: 9, ..info(EgressFailed, 1) };
        for (told, shown) in
            [(EgressActive, EgressActive), (EgressEnding, EgressEnding), (EgressFailed, EgressActive)]
        {
            let mut now = failed();
            not_yet(&mut now, Some(&info(told, 1)));
            assert_eq!((now.status(), now.error.as_str(), now.error_code), (shown, "", 0));
        }
    }

    proptest! {
        /// Whatever becomes of an egress: each status is told once, and none after a later one.
        #[test]
        fn the_order_is_livekits(states in prop::collection::vec((0..7_i32, any::<i64>()), 1..60)) {
            let mut told: Option<EgressInfo> = None;
            let mut order = Vec::new();
            for (status, updated_at) in states {
                let now = info(EgressStatus::try_from(status).unwrap(), updated_at);
                if is_news(told.as_ref(), &now) {
                    order.push(now.status());
                    told = Some(now);
                }
            }
            let live: Vec<EgressStatus> =
                order.iter().copied().take_while(|status| *status <= EgressEnding).collect();
            prop_assert!(live.windows(2).all(|two| two[0] < two[1]), "{order:?}");
            prop_assert!(order[live.len()..].iter().all(|status| *status > EgressEnding), "{order:?}");
        }
    }
}
