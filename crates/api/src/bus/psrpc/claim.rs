//! Who waits for whom: calls that a bid is out for, and calls that wait for a bid or an answer. No clock: time is
//! told.

use std::collections::HashMap;

use super::code::{Code, RpcError};
use super::envelope::{ClaimRequest, ClaimResponse, Response};

/// Longest that anything is kept, ns, whatever a message says of its own expiry.
pub const LONGEST_NS: i64 = 120_000_000_000;

/// Calls that a bid is out for. `T` is what is done once the grant is here.
#[derive(Debug)]
pub struct Bids<T> {
    out: HashMap<String, Bid<T>>,
    most: usize,
}

#[derive(Debug)]
struct Bid<T> {
    expires_ns: i64,
    what: T,
}

/// What a grant means for us.
#[derive(Debug, PartialEq, Eq)]
pub enum Granted<T> {
    /// The call is ours.
    Ours(T),
    /// It is somebody else's.
    Theirs,
    /// No bid of ours is out for it.
    Unknown,
}

impl<T> Bids<T> {
    /// None yet, and never more than `most`.
    pub fn new(most: usize) -> Self {
        Self { out: HashMap::new(), most }
    }

    /// Notes a bid, before it is sent. False: a bid is out for the call already, there are too many, or nobody waits
    /// for it any more. Then it must not be sent.
    pub fn note(&mut self, request_id: &str, expires_ns: i64, now_ns: i64, what: T) -> bool {
        self.expire(now_ns);
        if now_ns >= expires_ns || self.out.len() >= self.most || self.out.contains_key(request_id) {
            return false;
        }
        let expires_ns = expires_ns.min(now_ns.saturating_add(LONGEST_NS));
        self.out.insert(request_id.to_owned(), Bid { expires_ns, what });
        true
    }

    /// A grant came.
    pub fn granted(&mut self, grant: &ClaimResponse, our_id: &str, now_ns: i64) -> Granted<T> {
        match self.out.remove(&grant.request_id) {
            None => Granted::Unknown,
            Some(_) if grant.server_id != our_id => Granted::Theirs,
            // Whoever granted it has given up since.
            Some(bid) if now_ns >= bid.expires_ns => Granted::Unknown,
            Some(bid) => Granted::Ours(bid.what),
        }
    }

    /// Takes back a bid that could not be sent.
    pub fn withdraw(&mut self, request_id: &str) {
        self.out.remove(request_id);
    }

    /// Lets go of what nobody granted in time.
    pub fn expire(&mut self, now_ns: i64) {
        self.out.retain(|_, bid| now_ns < bid.expires_ns);
    }

    /// How many are out.
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether none is out.
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }
}

/// How far a call of ours is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nobody has bid.
    Asked,
    /// Somebody has the grant.
    Granted,
}

/// What a caller does next.
#[derive(Debug, PartialEq)]
pub enum Next {
    /// Publish this grant, then wait for the answer.
    Grant(ClaimResponse),
    /// Nothing: wait.
    Wait,
    /// The call is over.
    Done(Result<bytes::Bytes, RpcError>),
}

/// One call of ours: the first bid gets it.
#[derive(Debug)]
pub struct Call {
    request_id: String,
    claim: bool,
    stage: Stage,
}

impl Call {
    /// A call that was published, of a method that wants bids or does not.
    pub fn new(request_id: impl Into<String>, claim: bool) -> Self {
        Self { request_id: request_id.into(), claim, stage: Stage::Asked }
    }

    /// Its id.
    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    /// Somebody bids.
    pub fn bid(&mut self, bid: &ClaimRequest) -> Next {
        if !self.claim || self.stage == Stage::Granted || bid.request_id != self.request_id {
            return Next::Wait;
        }
        self.stage = Stage::Granted;
        if bid.handling {
            return Next::Wait;
        }
        Next::Grant(ClaimResponse { request_id: self.request_id.clone(), server_id: bid.server_id.clone() })
    }

    /// Somebody answers. One that could not read the request answers without a grant.
    pub fn answer(&mut self, response: Response) -> Next {
        if response.request_id != self.request_id {
            return Next::Wait;
        }
        if !response.error.is_empty() {
            return Next::Done(Err(RpcError::new(Code::parse(&response.code), response.error)));
        }
        if self.claim && self.stage == Stage::Asked {
            return Next::Wait;
        }
        Next::Done(Ok(response.raw_response))
    }

    /// Nobody is waited for any longer.
    pub fn timed_out(&self) -> RpcError {
        match self.stage {
            Stage::Asked if self.claim => RpcError::new(Code::Unavailable, "no response from servers"),
            _ => RpcError::new(Code::DeadlineExceeded, "request timed out"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn grant(request: &str, server: &str) -> ClaimResponse {
        ClaimResponse { request_id: request.into(), server_id: server.into() }
    }

    fn bid(request: &str, server: &str, handling: bool) -> ClaimRequest {
        ClaimRequest { request_id: request.into(), server_id: server.into(), affinity: 1.0, handling }
    }

    fn answer(request: &str, error: &str) -> Response {
        let code = if error.is_empty() { "" } else { "not_found" };
        Response {
            request_id: request.into(),
            server_id: "S".into(),
            error: error.into(),
            code: code.into(),
            raw_response: bytes::Bytes::from_static(b"yes"),
            ..Response::default()
        }
    }

    #[test]
    fn a_grant_is_taken_once_and_only_by_whom_it_names() {
        let mut bids = Bids::new(10);
        assert!(bids.note("R1", 100, 0, "one"));
        assert!(bids.note("R2", 100, 0, "two"));
        assert!(!bids.note("R1", 100, 0, "again"));
        assert_eq!(bids.granted(&grant("R1", "us"), "us", 10), Granted::Ours("one"));
        assert_eq!(bids.granted(&grant("R1", "us"), "us", 10), Granted::Unknown);
        assert_eq!(bids.granted(&grant("R2", "them"), "us", 10), Granted::Theirs);
        assert_eq!(bids.granted(&grant("R2", "us"), "us", 10), Granted::Unknown);
        assert!(bids.is_empty());
    }

    #[test]
    fn what_nobody_waits_for_is_not_bid_for_and_a_late_grant_is_none() {
        let mut bids = Bids::new(10);
        assert!(!bids.note("R1", 100, 100, ()));
        assert!(bids.note("R1", 100, 99, ()));
        assert_eq!(bids.granted(&grant("R1", "us"), "us", 100), Granted::Unknown);
        assert!(bids.note("R2", i64::MAX, 0, ()));
        bids.expire(LONGEST_NS);
        assert!(bids.is_empty());
    }

    #[test]
    fn the_first_bid_gets_the_grant_and_one_that_is_at_it_needs_none() {
        let mut call = Call::new("R", true);
        assert_eq!(call.timed_out().code, Code::Unavailable);
        assert_eq!(call.bid(&bid("other", "A", false)), Next::Wait);
        assert_eq!(call.bid(&bid("R", "A", false)), Next::Grant(grant("R", "A")));
        assert_eq!(call.bid(&bid("R", "B", false)), Next::Wait);
        assert_eq!(call.timed_out().code, Code::DeadlineExceeded);
        assert_eq!(call.answer(answer("R", "")), Next::Done(Ok(bytes::Bytes::from_static(b"yes"))));
        let mut call = Call::new("R", true);
        assert_eq!(call.bid(&bid("R", "A", true)), Next::Wait);
        assert_eq!(call.bid(&bid("R", "B", false)), Next::Wait);
        assert!(matches!(call.answer(answer("R", "")), Next::Done(Ok(_))));
    }

    #[test]
    fn an_error_ends_a_call_at_any_time_and_an_answer_nobody_was_asked_for_does_not() {
        let mut call = Call::new("R", true);
        assert_eq!(call.answer(answer("R", "")), Next::Wait);
        assert_eq!(call.answer(answer("S", "no")), Next::Wait);
        let error = RpcError::new(Code::NotFound, "no");
        assert_eq!(call.answer(answer("R", "no")), Next::Done(Err(error)));
    }

    #[derive(Debug, Clone)]
    enum Event {
        Note { id: u8, expires: i64 },
        Grant { id: u8, ours: bool },
        Withdraw { id: u8 },
        Pass { ns: i64 },
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            (any::<u8>(), any::<i64>()).prop_map(|(id, expires)| Event::Note { id, expires }),
            (any::<u8>(), 0..1_000_i64).prop_map(|(id, expires)| Event::Note { id, expires }),
            (any::<u8>(), any::<bool>()).prop_map(|(id, ours)| Event::Grant { id, ours }),
            any::<u8>().prop_map(|id| Event::Withdraw { id }),
            (0..LONGEST_NS).prop_map(|ns| Event::Pass { ns }),
        ]
    }

    proptest! {
        /// Whatever comes in whatever order: never more than agreed, never one call handled twice for one bid, and
        /// nothing is kept for ever.
        #[test]
        fn bids_are_bounded_and_taken_once(events in prop::collection::vec(event(), 0..300)) {
            let mut bids = Bids::new(8);
            let mut open = std::collections::HashSet::new();
            let mut now = 0_i64;
            for event in events {
                match event {
                    Event::Note { id, expires } => {
                        if bids.note(&id.to_string(), expires, now, id) {
                            open.insert(id);
                        }
                    }
                    Event::Grant { id, ours } => {
                        let server = if ours { "us" } else { "them" };
                        if let Granted::Ours(taken) = bids.granted(&grant(&id.to_string(), server), "us", now) {
                            prop_assert!(ours);
                            prop_assert_eq!(taken, id);
                            prop_assert!(open.remove(&id));
                        }
                    }
                    Event::Withdraw { id } => bids.withdraw(&id.to_string()),
                    Event::Pass { ns } => now = now.saturating_add(ns),
                }
                prop_assert!(bids.len() <= 8);
            }
            bids.expire(now.saturating_add(LONGEST_NS));
            prop_assert!(bids.is_empty());
        }

        /// Whatever comes in: one grant at most, and no success without one.
        #[test]
        fn a_call_grants_once(steps in prop::collection::vec((any::<bool>(), any::<bool>(), any::<bool>()), 0..40)) {
            let mut call = Call::new("R", true);
            let (mut grants, mut asked) = (0, false);
            for (is_bid, matching, flag) in steps {
                let id = if matching { "R" } else { "Q" };
                let next = if is_bid {
                    asked |= matching;
                    call.bid(&bid(id, "A", flag))
                } else {
                    call.answer(answer(id, if flag { "no" } else { "" }))
                };
                match next {
                    Next::Grant(_) => grants += 1,
                    Next::Done(Ok(_)) => prop_assert!(asked),
                    Next::Done(Err(_)) | Next::Wait => {}
                }
            }
            prop_assert!(grants <= 1);
        }
    }
}
