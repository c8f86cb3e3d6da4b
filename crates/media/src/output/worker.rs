//! The thread behind an output.

use std::thread::{Builder, JoinHandle};

use egress::error::{ApiError, ErrorCode, Fault};

/// A thread that works for an output. Dropping it leaves the thread to itself.
#[derive(Debug)]
pub(crate) struct Worker(Option<JoinHandle<()>>);

impl Worker {
    /// Starts one.
    pub(crate) fn start(name: &str, work: impl FnOnce() + Send + 'static) -> Self {
        let started = Builder::new().name(name.to_owned()).spawn(work);
        if let Err(error) = &started {
            tracing::error!(%error, name, "a thread cannot be had");
        }
        Self(started.ok())
    }

    /// Whether it works. One that has told what came of it does not; one that has not has died, or never was.
    pub(crate) fn is_running(&self) -> bool {
        self.0.as_ref().is_some_and(|thread| !thread.is_finished())
    }
}

/// Something of ours has broken that cannot break.
pub(crate) fn defect(what: &str) -> ApiError {
    ApiError::new(
        ErrorCode::Internal,
        Fault::Ours,
        "Something in Tallylight has broken. What was recorded until then is saved.",
        "Record again, and please report this with the job's log.",
    )
    .with_detail(what)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn a_thread_that_panics_is_seen_to_be_gone() {
        let (go, wait) = channel::<()>();
        let worker = Worker::start("doomed", move || wait.recv().expect("a message"));
        assert!(worker.is_running());
        drop(go);
        let until = Instant::now() + Duration::from_secs(60);
        while worker.is_running() {
            assert!(Instant::now() < until, "it goes on");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
