//! The queue against real stores: MinIO (also behind Google's interface, see `google`), Azurite and a folder,
//! each started by the test that needs it, on random loopback ports.
//!
//! Their programs are taken from `TALLYLIGHT_MINIO` and `TALLYLIGHT_AZURITE`, else from where `npm test` puts
//! them.

#![allow(clippy::unwrap_used, missing_docs)]

mod check;
mod cloud;
mod corrected;
mod faults;
mod google;
mod growing;
mod identity;
mod kill;
mod order;
mod proxy;
mod resume;
mod servers;
mod stores;
mod tools;
