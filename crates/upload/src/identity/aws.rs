//! Who this computer is to AWS, and to whatever takes keys as S3 does.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use object_store::aws::AwsCredential;
use secrecy::SecretString;
use serde::Deserialize;
use tokio::process::Command;

use super::container::{address, of_container, of_instance};
use super::held::{Source, Taken};
use super::machine::{Environment, Machine, text};
use super::profiles::{Profile, Profiles};
use super::role::{Role, taken};
use crate::fault::StoreError;

/// Profiles that lead to one another.
const MAX_PROFILES: u8 = 5;
/// A program may ask the operator for a second factor.
const PROCESS_WITHIN: Duration = Duration::from_secs(60);

/// Credentials of AWS.
#[derive(Debug)]
pub(crate) struct Aws {
    machine: Machine,
    region: String,
}

type Found = Result<Taken<AwsCredential>, StoreError>;

/// The region that the environment or the profile names.
pub(crate) async fn region(environment: &Environment) -> Option<String> {
    if let Some(region) = environment.first(&["AWS_REGION", "AWS_DEFAULT_REGION"]) {
        return Some(region);
    }
    let profiles = Profiles::read(environment).await.ok()?;
    let named = profile_name(environment).unwrap_or_else(|| "default".to_owned());
    profiles.get(&named)?.get("region").cloned()
}

fn profile_name(environment: &Environment) -> Option<String> {
    environment.first(&["AWS_PROFILE", "AWS_DEFAULT_PROFILE"])
}

/// Address of STS in a region.
fn sts(environment: &Environment, region: &str) -> String {
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    match environment.var("AWS_ENDPOINT_URL_STS") {
        Some(endpoint) => endpoint.trim_end_matches('/').to_owned(),
        None => format!("https://sts.{region}.{domain}"),
    }
}

#[async_trait]
impl Source for Aws {
    type Credential = AwsCredential;

    async fn take(&self) -> Found {
        let environment = &self.machine.environment;
        if let Some(found) = of_environment(environment) {
            return found;
        }
        if let Some(file) = environment.var("AWS_WEB_IDENTITY_TOKEN_FILE") {
            let arn = environment.var("AWS_ROLE_ARN");
            return self.of_web_identity(&file, arn, environment.var("AWS_ROLE_SESSION_NAME")).await;
        }
        let named = profile_name(environment);
        let name = named.as_deref().unwrap_or("default");
        let of_files = |error: StoreError| {
            error.of_identity(
                &format!("the profile \"{name}\""),
                "Check ~/.aws/credentials and ~/.aws/config, or the files that AWS_SHARED_CREDENTIALS_FILE and \
                 AWS_CONFIG_FILE name.",
            )
        };
        let profiles = Profiles::read(environment).await.map_err(of_files)?;
        if named.is_some() && profiles.get(name).is_none() {
            return Err(of_files(StoreError::Odd("there is no such profile".into())));
        }
        if let Some(found) = self.of_profile(&profiles, name, 0).await.map_err(of_files)? {
            return Ok(found);
        }
        if let Some(address) = address(environment)? {
            return of_container(&self.machine, &address).await;
        }
        self.of_instance().await
    }
}

fn of_environment(environment: &Environment) -> Option<Found> {
    let key = environment.first(&["AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY"]);
    let secret = environment.first(&["AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY"]);
    let told = |error: StoreError| {
        error.of_identity(
            "the environment",
            "Set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and AWS_SESSION_TOKEN where the keys are temporary.",
        )
    };
    match (key, secret) {
        (Some(key), Some(secret)) => {
            let token = environment.var("AWS_SESSION_TOKEN");
            Some(taken(key, secret, token, None, "the environment".to_owned()).map_err(told))
        }
        (None, None) => None,
        _ => Some(Err(told(StoreError::Odd("it holds one half of a pair of keys".into())))),
    }
}

impl Aws {
    pub(crate) fn new(machine: Machine, region: &str) -> Self {
        Self { machine, region: region.to_owned() }
    }

    fn role(&self, arn: String, session: Option<String>) -> Role {
        let endpoint = sts(&self.machine.environment, &self.region);
        Role { arn, session, external_id: None, endpoint, region: self.region.clone() }
    }

    /// Whoever runs containers vouches for them, by a token in a file.
    async fn of_web_identity(&self, file: &str, arn: Option<String>, session: Option<String>) -> Found {
        let asked = async {
            let arn =
                arn.ok_or_else(|| StoreError::Odd("no role is named beside it (AWS_ROLE_ARN)".into()))?;
            let token = text(Path::new(file)).await?;
            self.role(arn, session).assume_with_token(self.machine.line(), &token).await
        };
        asked.await.map_err(|error: StoreError| {
            error.of_identity(
                "the web identity",
                "Check AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN, and that the role trusts who issued the token.",
            )
        })
    }

    async fn of_instance(&self) -> Found {
        const TO_DO: &str = "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile in AWS_PROFILE, or give \
                             the machine a role; or give the storage keys.";
        let nothing = "no keys are in the environment, in ~/.aws or with a container, and";
        match of_instance(&self.machine).await {
            Ok(Some(found)) => Ok(found),
            Ok(None) => Err(StoreError::Odd("it is switched off (AWS_EC2_METADATA_DISABLED)".into())
                .of_identity(&format!("{nothing} the instance's metadata service"), TO_DO)),
            Err(error @ StoreError::Unreachable(..)) => {
                Err(error.of_identity(&format!("{nothing} the instance's metadata service"), TO_DO))
            }
            Err(error) => Err(error.of_identity(
                "the instance's role",
                "Give the instance a role; in a container on it, raise the hop limit of its metadata service to 2.",
            )),
        }
    }

    /// What a profile says; none: nothing of keys.
    fn of_profile<'a>(
        &'a self,
        profiles: &'a Profiles,
        name: &'a str,
        depth: u8,
    ) -> BoxFuture<'a, Result<Option<Taken<AwsCredential>>, StoreError>> {
        async move {
            let Some(profile) = profiles.get(name) else { return Ok(None) };
            let odd = |text: String| Err(StoreError::Odd(text));
            if depth > MAX_PROFILES {
                return odd("its source_profile leads in a circle".into());
            }
            let set = |key: &str| profile.get(key).filter(|value| !value.is_empty());
            let role = set("role_arn");
            if let (Some(file), Some(arn)) = (set("web_identity_token_file"), role) {
                let session = set("role_session_name").cloned();
                return self.of_web_identity(file, Some(arn.clone()), session).await.map(Some);
            }
            let source = set("source_profile").filter(|_| role.is_some());
            let own = match (source, set("credential_source").filter(|_| role.is_some())) {
                (Some(source), _) if source != name => self.of_profile(profiles, source, depth + 1).await?,
                (None, Some(from)) => match from.as_str() {
                    "Environment" => of_environment(&self.machine.environment).transpose()?,
                    "Ec2InstanceMetadata" => Some(self.of_instance().await?),
                    "EcsContainer" => match address(&self.machine.environment)? {
                        Some(address) => Some(of_container(&self.machine, &address).await?),
                        None => None,
                    },
                    other => return odd(format!("its credential_source {other} is not known")),
                },
                _ => own_of(profile, name).await?,
            };
            match (role, own) {
                (None, own) => Ok(own),
                (Some(arn), Some(own)) => {
                    let role = Role {
                        external_id: set("external_id").map(|id| SecretString::from(id.as_str())),
                        ..self.role(arn.clone(), set("role_session_name").cloned())
                    };
                    role.assume(self.machine.line(), &own.credential).await.map(Some)
                }
                (Some(_), None) => odd("it names a role, and no keys to assume it with".into()),
            }
        }
        .boxed()
    }
}

/// What a profile holds itself.
async fn own_of(profile: &Profile, name: &str) -> Result<Option<Taken<AwsCredential>>, StoreError> {
    let set = |key: &str| profile.get(key).filter(|value| !value.is_empty()).cloned();
    let from = format!("the profile \"{name}\"");
    if let (Some(key), Some(secret)) = (set("aws_access_key_id"), set("aws_secret_access_key")) {
        return taken(key, secret, set("aws_session_token"), None, from).map(Some);
    }
    if let Some(command) = set("credential_process") {
        return of_process(&command, from).await.map(Some);
    }
    if set("sso_session").or_else(|| set("sso_start_url")).is_some() {
        return Err(StoreError::Odd(format!(
            "it logs in by SSO, which is not done here: give it the line \
             credential_process = aws configure export-credentials --profile {name}"
        )));
    }
    Ok(None)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Output {
    version: u32,
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    expiration: Option<String>,
}

/// A program of the operator's prints the keys.
async fn of_process(command: &str, from: String) -> Found {
    let (shell, flag) = if cfg!(windows) { ("cmd", "/C") } else { ("sh", "-c") };
    let mut process = Command::new(shell);
    process.args([flag, command]).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let failed = |how: String| StoreError::Odd(format!("its credential_process {how}"));
    // What it prints may be a key, and is told to nobody.
    let output = match tokio::time::timeout(PROCESS_WITHIN, process.output()).await {
        Err(_) => return Err(failed("does not end".into())),
        Ok(Err(error)) => return Err(failed(format!("cannot be run: {error}"))),
        Ok(Ok(output)) if !output.status.success() => {
            return Err(failed(format!("failed: {}", output.status)));
        }
        Ok(Ok(output)) => output.stdout,
    };
    let output: Output =
        serde_json::from_slice(&output).map_err(|_| failed("prints something else than keys".into()))?;
    if output.version != 1 {
        return Err(failed(format!("prints version {}, and 1 is known", output.version)));
    }
    let ends = output.expiration.and_then(|text| text.parse::<Timestamp>().ok());
    taken(output.access_key_id, output.secret_access_key, output.session_token, ends, from)
}
