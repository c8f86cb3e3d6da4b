//! The program of a `tallylight-job` process: it joins a room, and either takes a selection of it to
//! outputs ([`recording`]) or shows it to the window ([`monitor`]). The studio may go and come back.

pub mod awake;
pub mod cache;
pub mod core;
pub mod ending;
pub mod engine;
pub mod facts;
pub mod levels;
pub mod link;
pub mod lock;
pub mod log;
pub mod media;
pub mod monitor;
pub mod outputs;
pub mod preview;
pub mod process;
pub mod programs;
pub mod proxy;
pub mod recording;
pub mod shape;
pub mod signal;
pub mod sleep;
pub mod source;
pub mod stage;
pub mod takes;
pub mod usage;

use room::event::RoomEvent;
use room::session::Room;
use tokio::sync::mpsc;

pub use facts::{Facts, Recorder};

/// A joined room.
pub type Joined = (Room, mpsc::Receiver<RoomEvent>);
