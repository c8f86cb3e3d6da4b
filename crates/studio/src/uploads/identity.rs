//! What requests may upload as, that bring no keys with them.

use egress::error::{ApiError, ErrorCode, Fault};
use egress::storage::{Asked, Storage, StorageKeys, StorageSecret};
use secrecy::ExposeSecret;

use crate::options::EgressDefaults;

/// What a request asks for, as the configuration allows it: LiveKit's rules. A role that only the request names needs
/// the key that is configured for that; else any caller could choose among all roles that this computer may assume.
///
/// # Errors
/// The request brings no keys, and may not use those of this computer.
pub(crate) fn allowed(defaults: &EgressDefaults, mut asked: Asked) -> Result<Asked, ApiError> {
    let role = &defaults.s3_role;
    if let Storage::S3(s3) = &mut asked.storage {
        let own_role = !s3.assume_role_arn.is_empty();
        if !own_role && !role.arn.is_empty() {
            s3.assume_role_arn.clone_from(&role.arn);
            if let StorageKeys::S3 { assume_role_external_id, .. } = &mut asked.secret.keys {
                assume_role_external_id.clone_from(&role.external_id);
            }
        }
        if s3.machine_identity && !s3.assume_role_arn.is_empty() {
            if role.key.is_some() {
                // It stays in the configuration, and is put in when it is needed.
                s3.machine_identity = false;
            } else if own_role {
                return Err(refused(
                    "The request names a role of AWS and no keys, and no key for that is configured here.",
                    "Send keys with the request, or set s3_assume_role_key and s3_assume_role_secret.",
                )
                .with_detail("S3 upload using AssumeRole is disabled for this account"));
            } else {
                // The operator has named the role: this computer may assume it.
                return Ok(asked);
            }
        }
    }
    if asked.storage.machine_identity() && !defaults.machine_identity {
        return Err(refused(
            "The request names a storage without keys, and may not upload as this computer itself.",
            "Send the keys of the storage with the request.",
        ));
    }
    Ok(asked)
}

/// Puts the configured key into what was kept for a request that assumes a role without one of its own.
pub(super) fn fill(defaults: &EgressDefaults, kept: &mut StorageSecret) {
    if let (StorageKeys::S3 { access_key, secret, .. }, Some((key, its_secret))) =
        (&mut kept.keys, &defaults.s3_role.key)
        && access_key.expose_secret().is_empty()
    {
        (*access_key, *secret) = (key.clone(), its_secret.clone());
    }
}

fn refused(message: &str, remedy: &str) -> ApiError {
    ApiError::new(ErrorCode::PermissionDenied, Fault::Input, message, remedy)
}

#[cfg(test)]
mod tests {
    use livekit_protocol as proto;

    use super::*;
    use crate::options::S3Role;

    const ROLE: &str = "arn:aws:iam::123456789012:role/configured";
    const OWN: &str = "arn:aws:iam::123456789012:role/of-the-request";

    fn s3(key: &str, role: &str) -> Asked {
        Asked::of_s3(&proto::S3Upload {
            access_key: key.into(),
            secret: key.into(),
            bucket: "shows".into(),
            assume_role_arn: role.into(),
            ..Default::default()
        })
        .unwrap()
    }

    fn defaults(machine_identity: bool, arn: &str, key: bool) -> EgressDefaults {
        let key = key.then(|| ("CONFIGURED".into(), "hidden".into()));
        let s3_role = S3Role { arn: arn.into(), external_id: Some("id".into()), key };
        EgressDefaults { machine_identity, s3_role, ..EgressDefaults::default() }
    }

    /// The role, whether it is this computer's identity, and the external id.
    fn of(asked: &Asked) -> (&str, bool, Option<&str>) {
        let Storage::S3(s3) = &asked.storage else { panic!("{asked:?}") };
        let StorageKeys::S3 { assume_role_external_id, .. } = &asked.secret.keys else { panic!() };
        let id = assume_role_external_id.as_ref().map(|id| id.expose_secret());
        (&s3.assume_role_arn, s3.machine_identity, id)
    }

    #[test]
    fn a_bucket_alone_is_uploaded_to_as_this_computer_where_that_is_allowed() {
        let asked = allowed(&defaults(true, "", false), s3("", "")).unwrap();
        assert_eq!(of(&asked), ("", true, None));
        for asked in [
            s3("", ""),
            Asked::of_gcp(&proto::GcpUpload { bucket: "shows".into(), ..Default::default() }).unwrap(),
            Asked::of_azure(&proto::AzureBlobUpload {
                account_name: "studio".into(),
                container_name: "shows".into(),
                ..Default::default()
            })
            .unwrap(),
        ] {
            let error = allowed(&EgressDefaults::default(), asked).unwrap_err();
            assert_eq!(error.code, ErrorCode::PermissionDenied);
        }
        // Its own keys are nobody else's matter.
        assert_eq!(of(&allowed(&EgressDefaults::default(), s3("AKIA", OWN)).unwrap()), (OWN, false, None));
    }

    #[test]
    fn roles_are_livekits() {
        // With the configured key: that of the request, else the configured one with its external id.
        let with_key = defaults(false, ROLE, true);
        assert_eq!(of(&allowed(&with_key, s3("", OWN)).unwrap()), (OWN, false, None));
        assert_eq!(of(&allowed(&with_key, s3("", "")).unwrap()), (ROLE, false, Some("id")));
        assert_eq!(of(&allowed(&with_key, s3("AKIA", "")).unwrap()), (ROLE, false, Some("id")));
        // Without one: the operator's role may be assumed, and none that the request chooses.
        let without = defaults(false, ROLE, false);
        assert_eq!(of(&allowed(&without, s3("", "")).unwrap()), (ROLE, true, Some("id")));
        for defaults in [without, defaults(true, "", false)] {
            let error = allowed(&defaults, s3("", OWN)).unwrap_err();
            assert_eq!(error.detail, "S3 upload using AssumeRole is disabled for this account");
        }
    }

    #[test]
    fn the_configured_key_is_put_in_where_none_came_with_the_request() {
        let with_key = defaults(false, ROLE, true);
        let asked = allowed(&with_key, s3("", "")).unwrap();
        // What is kept holds nothing of it.
        let kept = asked.secret.to_keyring();
        assert!(!kept.expose_secret().contains("hidden"));
        let mut kept = StorageSecret::from_keyring(&kept).unwrap();
        fill(&with_key, &mut kept);
        assert!(kept.texts().iter().any(|text| text.expose_secret() == "hidden"));
        kept.check(&asked.storage).unwrap();
        let mut own = s3("AKIA", "").secret;
        fill(&with_key, &mut own);
        assert!(own.texts().iter().all(|text| text.expose_secret() != "hidden"));
    }
}
