use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use object_store::CredentialProvider;
use proptest::prelude::*;

use super::container::address;
use super::held::{Source, Taken, renew_at};
use super::profiles::parse;
use super::{Environment, Held};
use crate::fault::StoreError;

fn environment(variables: &[(&str, &str)]) -> Environment {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Environment::of(variables.collect::<HashMap<_, _>>(), PathBuf::from("/nowhere"))
}

#[test]
fn profiles_are_read_as_aws_writes_them() {
    let config = parse(
        "# who we are\n[default]\nregion = eu-west-1\ns3 =\n  max_concurrent_requests = 20\n\n\
         [profile shows]\nrole_arn=arn:aws:iam::1:role/a=b\nSource_Profile = default # the base\n\
         [profile \"two words\"]\ncredential_process = /bin/a --b=c #d\n[sso-session x]\nregion = us-west-2\n\
         [shows]\nregion = not-a-profile\n",
        true,
    );
    assert_eq!(config.keys().collect::<Vec<_>>(), ["default", "shows", "two words"]);
    assert_eq!(config["default"]["region"], "eu-west-1");
    assert!(!config["default"].contains_key("max_concurrent_requests"));
    assert_eq!(config["shows"]["role_arn"], "arn:aws:iam::1:role/a=b");
    assert_eq!(config["shows"]["source_profile"], "default");
    assert_eq!(config["two words"]["credential_process"], "/bin/a --b=c");
    let credentials =
        parse("[ shows ]\r\naws_access_key_id=AKIA\r\naws_secret_access_key = a#b;c\r\n", false);
    assert_eq!(credentials["shows"]["aws_secret_access_key"], "a#b;c");
}

#[test]
fn a_containers_token_stays_on_the_machine() {
    let full = |uri| address(&environment(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri)]));
    for near in [
        "http://127.0.0.1:9/creds",
        "http://localhost/creds",
        "http://[::1]/creds",
        "http://169.254.170.23/v1/credentials",
        "http://[fd00:ec2::23]/v1/credentials",
        "https://credentials.example.com/",
    ] {
        assert_eq!(full(near).unwrap().as_deref(), Some(near));
    }
    for far in ["http://credentials.example.com/", "http://10.0.0.1/", "file:///etc/passwd", "nothing"] {
        assert!(full(far).is_err(), "{far}");
    }
    let both = environment(&[
        ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/1"),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://localhost/"),
    ]);
    assert_eq!(address(&both).unwrap().as_deref(), Some("http://169.254.170.2/v2/credentials/1"));
    assert_eq!(address(&environment(&[])).unwrap(), None);
}

#[tokio::test]
async fn the_region_comes_from_the_environment_or_the_profile() {
    let home = tempfile::TempDir::new().unwrap();
    std::fs::create_dir(home.path().join(".aws")).unwrap();
    let file = "[default]\nregion = eu-north-1\n[profile shows]\nregion = eu-south-1\n";
    std::fs::write(home.path().join(".aws/config"), file).unwrap();
    let region = async |variables: &[(&str, &str)]| {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        super::aws::region(&Environment::of(variables.collect(), home.path().into())).await
    };
    let all = [("AWS_REGION", "a"), ("AWS_DEFAULT_REGION", "b"), ("AWS_PROFILE", "shows")];
    assert_eq!(region(&all).await.as_deref(), Some("a"));
    assert_eq!(region(&all[1..]).await.as_deref(), Some("b"));
    assert_eq!(region(&all[2..]).await.as_deref(), Some("eu-south-1"));
    assert_eq!(region(&[("AWS_REGION", " ")]).await.as_deref(), Some("eu-north-1"));
}

#[test]
fn what_ends_is_renewed_before() {
    let now = Timestamp::now();
    let after = |s: i64| SignedDuration::from_secs(s);
    let renewed = |s: i64| renew_at(now, Some(now + after(s))).duration_since(now).as_secs();
    assert_eq!((renewed(3600), renewed(480), renewed(4)), (3300, 240, 2));
    assert_eq!((renewed(0), renewed(-60)), (1, 1));
    assert_eq!(renew_at(now, None), now + after(300));
}

#[derive(Debug)]
struct Count(AtomicUsize, SignedDuration);

#[async_trait]
impl Source for Count {
    type Credential = usize;

    async fn take(&self) -> Result<Taken<usize>, StoreError> {
        let count = self.0.fetch_add(1, Ordering::SeqCst);
        if count == 1 {
            return Err(StoreError::Odd("not now".into()));
        }
        let ends = Some(Timestamp::now() + self.1);
        Ok(Taken { credential: count, ends, from: "the counter".into() })
    }
}

#[tokio::test]
async fn what_has_ended_is_taken_anew_and_a_failure_is_told() {
    let get = async |held: &Held<Count>| held.get_credential().await.map(|credential| *credential).ok();
    let held = Held::new(Count(AtomicUsize::new(0), SignedDuration::from_hours(1)));
    assert_eq!((get(&held).await, get(&held).await), (Some(0), Some(0)));
    assert_eq!(held.name().lock().as_deref(), Some("the counter"));
    // What has ended already is taken anew after a second; the failure is told then.
    let held = Held::new(Count(AtomicUsize::new(0), SignedDuration::ZERO));
    assert_eq!(get(&held).await, Some(0));
    let until = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    while get(&held).await == Some(0) {
        assert!(tokio::time::Instant::now() < until);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(get(&held).await, Some(2));
    assert!(!format!("{held:?}").contains("credential"));
}

proptest! {
    #[test]
    fn no_file_of_profiles_panics(text in any::<String>(), lines in "([\\[\\]a-z =#;\"\n\t]|profile ){0,60}") {
        for is_config in [true, false] {
            parse(&text, is_config);
            parse(&lines, is_config);
        }
    }
}
