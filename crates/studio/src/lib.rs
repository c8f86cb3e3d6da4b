//! The one command surface that every front end calls.
//!
//! The studio supervises and runs no media: each job, and the room monitor, is a process of its own
//! ([`process`]) that it talks to over a local socket ([`link`]). What it knows is in the journal
//! ([`journal`]) before it is acted on, so that its own death loses nothing: the next start adopts the
//! jobs that still run and saves the files of those that died.
//!
//! Its calls give boxed futures. Each reaches through the whole studio into libraries, and a program that awaited it as
//! it is would compile all of that anew: the window, the worker and every test.

mod auto;
mod board;
mod conversation;
mod destinations;
mod egress_api;
mod elsewhere;
mod error;
mod fold;
mod frames;
mod history;
mod jobs;
pub mod journal;
mod keys;
mod layouts;
mod link;
mod machine;
mod monitor;
mod names;
mod open;
mod options;
mod process;
mod project_calls;
pub mod projects;
mod recovery;
mod rooms;
pub mod secrets;
mod storages;
mod studio;
mod supervisor;
pub mod surface;
mod tool;
mod uploads;

pub use egress_api::{EgressFilter, StartEgress};
pub use options::{
    ConfiguredStorage, EgressDefaults, S3Role, StudioOptions, default_data_dir, default_recordings_folder,
};
pub use studio::Studio;
