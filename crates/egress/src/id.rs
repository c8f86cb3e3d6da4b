//! Identifiers in the shapes LiveKit gives them.

use rand::Rng;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Letters and digits without the ones that are easily confused, as LiveKit's own id generator uses.
const ALPHABET: &[u8] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS)]
        pub struct $name(pub String);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }
    };
}

id!(
    /// One egress job: `EG_` and twelve characters. It is also the identity of the job's hidden
    /// participant in the room.
    EgressId
);
id!(
    /// One output of a job. Unique within its job.
    OutputId
);
id!(
    /// A track's server-side id, `TR_…`.
    TrackId
);
id!(
    /// A saved project (a LiveKit URL with its key). Ours, not LiveKit's.
    ProjectId
);
id!(
    /// A saved destination of live streams. Ours, not LiveKit's.
    DestinationId
);
id!(
    /// A saved storage. Ours, not LiveKit's.
    StorageId
);

id!(
    /// A rule of auto egress. Ours, not LiveKit's.
    RuleId
);

impl EgressId {
    /// A new random id.
    pub fn random() -> Self {
        Self(random_id("EG_"))
    }
}

impl ProjectId {
    /// A new random id.
    pub fn random() -> Self {
        Self(random_id("PJ_"))
    }
}

impl DestinationId {
    /// A new random id.
    pub fn random() -> Self {
        Self(random_id("DS_"))
    }
}

impl StorageId {
    /// A new random id.
    pub fn random() -> Self {
        Self(random_id("ST_"))
    }
}

impl RuleId {
    /// A new random id.
    pub fn random() -> Self {
        Self(random_id("RU_"))
    }
}

fn random_id(prefix: &str) -> String {
    let mut rng = rand::rng();
    let tail = (0..12).map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())]));
    prefix.chars().chain(tail).collect()
}
