//! Who this computer is to a cloud, where a storage names no keys.
//!
//! Where it is looked, in which order and under which names is what the clouds' own SDKs do, and so LiveKit's service.
//! The first source that is there is used. If it fails that is told, and no other is tried: whoever set it up wants to
//! hear of it. What a source gives lives in memory alone and is taken anew before it ends.
//!
//! `object_store` has providers for a part of this. They read the environment of the process themselves, do not tell
//! when what they give ends, count its life by a clock that stands still while a laptop sleeps, and know neither AWS's
//! shared files nor Google's external accounts. Its signers are used for all requests, and its service accounts.

pub(crate) mod aws;
pub(crate) mod azure;
mod container;
pub(crate) mod google;
mod held;
mod machine;
mod profiles;
pub(crate) mod role;
#[cfg(test)]
mod tests;

pub(crate) use held::{Held, SourceName};
pub use machine::Environment;
pub(crate) use machine::Machine;
