//! The lanes: one for each address and egress.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use egress::error::ApiError;
use egress::redact::redact_url;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};

use super::Target;
use super::event::{Event, Kind};
use super::send::{Patience, Sender};
use crate::keys::ApiKeys;

/// Lanes at a time. One lives for as long as something waits in it.
const LANES: usize = 2048;
/// Calls to one address at a time.
const AT_ONCE: usize = 8;

type Key = (Target, String);

/// Everything that waits to be told.
#[derive(Clone)]
pub struct Lanes {
    inner: Arc<Inner>,
}

struct Inner {
    sender: Sender,
    waiting: Mutex<Waiting>,
    /// How many lanes there are.
    count: watch::Sender<usize>,
}

#[derive(Default)]
struct Waiting {
    lanes: HashMap<Key, VecDeque<Event>>,
    /// For each address that is called, how many more calls it may get.
    places: HashMap<String, Arc<Semaphore>>,
}

impl Lanes {
    /// None yet.
    ///
    /// # Errors
    /// This computer has nothing to check certificates with.
    pub fn new(keys: ApiKeys, patience: Patience) -> Result<Self, ApiError> {
        let sender = Sender::new(keys, patience)?;
        let inner = Inner { sender, waiting: Mutex::default(), count: watch::Sender::new(0) };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Tells `target` of an event when what came before is told.
    pub fn push(&self, target: Target, egress_id: &str, event: Event) {
        let mut waiting = self.inner.waiting.lock();
        let lanes = waiting.lanes.len();
        match waiting.lanes.entry((target, egress_id.to_owned())) {
            Entry::Occupied(mut lane) => {
                let lane = lane.get_mut();
                match lane.back_mut() {
                    Some(last) if last.kind == Kind::Updated && event.kind == Kind::Updated => *last = event,
                    _ => lane.push_back(event),
                }
            }
            Entry::Vacant(place) => {
                let (target, egress_id) = place.key().clone();
                if lanes >= LANES {
                    let (url, event) = (redact_url(&target.url), event.kind.name());
                    tracing::warn!(egress_id, url, event, "webhooks: too much waits, an event is left out");
                    return;
                }
                place.insert(VecDeque::from([event]));
                let places = waiting.places.entry(target.url.clone());
                let places = places.or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE))).clone();
                self.inner.count.send_replace(waiting.lanes.len());
                tokio::spawn(self.inner.clone().work((target, egress_id), places));
            }
        }
    }

    /// Waits until nothing waits.
    pub async fn empty(&self) {
        // The sender of the count is ours, and lives for as long as we do.
        let _ = self.inner.count.subscribe().wait_for(|count| *count == 0).await;
    }

    #[cfg(test)]
    pub fn held(&self) -> (usize, usize) {
        let waiting = self.inner.waiting.lock();
        (waiting.lanes.len(), waiting.lanes.values().map(VecDeque::len).sum())
    }
}

impl Inner {
    async fn work(self: Arc<Self>, key: Key, places: Arc<Semaphore>) {
        while let Some(event) = self.next(&key) {
            self.sender.deliver(&key.0, &key.1, &event, &places).await;
        }
    }

    /// The next event of a lane. Where there is none the lane is gone.
    fn next(&self, key: &Key) -> Option<Event> {
        let mut waiting = self.waiting.lock();
        let next = waiting.lanes.get_mut(key).and_then(VecDeque::pop_front);
        if next.is_none() {
            waiting.lanes.remove(key);
            if !waiting.lanes.keys().any(|(target, _)| target.url == key.0.url) {
                waiting.places.remove(&key.0.url);
            }
            self.count.send_replace(waiting.lanes.len());
        }
        next
    }
}
