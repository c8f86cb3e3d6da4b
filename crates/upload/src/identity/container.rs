//! Services of a container and of an instance that hand out AWS's credentials.

use http::Method;
use jiff::Timestamp;
use object_store::aws::AwsCredential;
use serde::Deserialize;
use url::{Host, Url};

use super::held::Taken;
use super::machine::{Environment, Machine, request, text};
use super::role::taken;
use crate::fault::StoreError;

/// Where ECS answers paths.
const ECS: &str = "http://169.254.170.2";
/// The instance metadata service of EC2, by both kinds of address.
const EC2: &str = "http://169.254.169.254";
const EC2_V6: &str = "http://[fd00:ec2::254]";
/// How long a token for that service lasts, s: as long as it may.
const TOKEN_TTL_S: &str = "21600";
const TO_DO: &str = "Check that the container has a role; its runtime sets the AWS_CONTAINER_* variables.";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    /// Of an instance: `Success`.
    code: Option<String>,
    access_key_id: Option<String>,
    secret_access_key: Option<String>,
    token: Option<String>,
    expiration: Option<String>,
}

impl Answer {
    fn taken(body: &[u8], from: &str) -> Result<Taken<AwsCredential>, StoreError> {
        let answer: Self = serde_json::from_slice(body)
            .map_err(|_| StoreError::Odd("it answers something else than credentials".into()))?;
        if let Some(code) = answer.code.filter(|code| code != "Success") {
            return Err(StoreError::Odd(format!("it answers {code}")));
        }
        let (Some(key), Some(secret)) = (answer.access_key_id, answer.secret_access_key) else {
            return Err(StoreError::Odd("its answer holds no keys".into()));
        };
        let ends = answer.expiration.and_then(|text| text.parse::<Timestamp>().ok());
        taken(key, secret, answer.token, ends, from.to_owned())
    }
}

/// The address at which a container's runtime hands out credentials; none: this is no such container.
pub(super) fn address(environment: &Environment) -> Result<Option<String>, StoreError> {
    if let Some(path) = environment.var("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
        return Ok(Some(format!("{ECS}/{}", path.trim_start_matches('/'))));
    }
    let Some(full) = environment.var("AWS_CONTAINER_CREDENTIALS_FULL_URI") else { return Ok(None) };
    // The token must not go to just anybody in the clear.
    let near = |url: &Url| match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback() || matches!(ip.octets(), [169, 254, 170, 2 | 23]),
        Some(Host::Ipv6(ip)) => ip.is_loopback() || ip.to_string() == "fd00:ec2::23",
        None => false,
    };
    match Url::parse(&full) {
        Ok(url) if url.scheme() == "https" || (url.scheme() == "http" && near(&url)) => Ok(Some(full)),
        _ => Err(StoreError::Odd(
            "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor an address of this machine".into(),
        )
        .of_identity("the container's role", TO_DO)),
    }
}

/// The role of a container: ECS, EKS, and whatever speaks as they do.
pub(super) async fn of_container(
    machine: &Machine,
    address: &str,
) -> Result<Taken<AwsCredential>, StoreError> {
    let environment = &machine.environment;
    let asked = async {
        let token = match environment.var("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
            // Written anew now and then, so it is read each time.
            Some(file) => Some(text(file).await?),
            None => environment.var("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
        };
        let headers: Vec<_> = token.iter().map(|token| ("authorization", token.as_str())).collect();
        let (_, body) = machine.near(request(Method::GET, address, &headers, String::new())?).await?;
        Answer::taken(&body, "the container's role")
    };
    asked.await.map_err(|error: StoreError| error.of_identity("the container's role", TO_DO))
}

/// The role of an EC2 instance, by the second version of its metadata service. None: it is switched off.
pub(super) async fn of_instance(machine: &Machine) -> Result<Option<Taken<AwsCredential>>, StoreError> {
    let environment = &machine.environment;
    if environment.var("AWS_EC2_METADATA_DISABLED").is_some_and(|text| text.eq_ignore_ascii_case("true")) {
        return Ok(None);
    }
    let v6 = environment
        .var("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE")
        .is_some_and(|mode| mode.eq_ignore_ascii_case("ipv6"));
    let service = environment
        .var("AWS_EC2_METADATA_SERVICE_ENDPOINT")
        .unwrap_or_else(|| if v6 { EC2_V6 } else { EC2 }.to_owned());
    let service = service.trim_end_matches('/');
    let ttl = ("x-aws-ec2-metadata-token-ttl-seconds", TOKEN_TTL_S);
    let put = request(Method::PUT, &format!("{service}/latest/api/token"), &[ttl], String::new())?;
    let (_, token) = machine.near(put).await?;
    let token = String::from_utf8_lossy(&token).trim().to_owned();
    let get = async |path: &str| {
        let headers = [("x-aws-ec2-metadata-token", token.as_str())];
        let url = format!("{service}/latest/meta-data/iam/security-credentials/{path}");
        Ok::<_, StoreError>(machine.near(request(Method::GET, &url, &headers, String::new())?).await?.1)
    };
    let roles = match get("").await {
        Err(error) if error.is(404) => return Err(StoreError::Odd("the instance has no role".into())),
        roles => roles?,
    };
    let roles = String::from_utf8_lossy(&roles).into_owned();
    let Some(role) = roles.lines().map(str::trim).find(|role| !role.is_empty()) else {
        return Err(StoreError::Odd("the instance has no role".into()));
    };
    Answer::taken(&get(role).await?, &format!("the instance's role {role}")).map(Some)
}
