//! Names of channels on Redis: `Service|Method|topic|KIND`.

use std::fmt::Write;

use super::Method;

/// Where calls of a method go. An empty topic is none.
pub fn request(method: &Method, topic: &str) -> String {
    join(&[method.service, method.name, topic, "REQ"])
}

/// Where callers say who of those that bid is to answer.
pub fn grant(method: &Method, topic: &str) -> String {
    join(&[method.service, method.name, topic, "RCLAIM"])
}

/// Where a caller hears bids.
pub fn claim(service: &str, client_id: &str) -> String {
    join(&[service, client_id, "CLAIM"])
}

/// Where a caller hears answers.
pub fn response(service: &str, client_id: &str) -> String {
    join(&[service, client_id, "RES"])
}

fn join(parts: &[&str]) -> String {
    let mut name = String::new();
    for part in parts.iter().filter(|part| !part.is_empty()) {
        if !name.is_empty() {
            name.push('|');
        }
        for letter in part.chars() {
            let known = match letter {
                '0'..='9' | 'A'..='Z' | 'a'..='z' | '_' => {
                    name.push(letter);
                    Ok(())
                }
                letter if u32::from(letter) <= 0xffff => write!(name, "u+{:04x}", u32::from(letter)),
                letter => write!(name, "U+{:08x}", u32::from(letter)),
            };
            known.expect("a string takes whatever is written to it");
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Method =
        Method { service: "EgressInternal", name: "StartEgress", claim: true, queue: false };
    const STOP: Method = Method { service: "EgressHandler", name: "StopEgress", claim: true, queue: true };

    #[test]
    fn names_are_those_of_a_real_server() {
        assert_eq!(request(&START, ""), "EgressInternal|StartEgress|REQ");
        assert_eq!(grant(&START, ""), "EgressInternal|StartEgress|RCLAIM");
        assert_eq!(request(&STOP, "EG_xyz"), "EgressHandler|StopEgress|EG_xyz|REQ");
        assert_eq!(claim("IOInfo", "CLI_1"), "IOInfo|CLI_1|CLAIM");
        assert_eq!(response("IOInfo", "CLI_1"), "IOInfo|CLI_1|RES");
        assert_eq!(
            request(&START, "eu-west.é😀"),
            "EgressInternal|StartEgress|euu+002dwestu+002eu+00e9U+0001f600|REQ"
        );
    }

    proptest! {
        #[test]
        fn no_topic_reaches_another_channel(topic in ".*") {
            let name = request(&STOP, &topic);
            let parts = name.split('|').count();
            prop_assert_eq!(parts, if topic.is_empty() { 3 } else { 4 });
            prop_assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || "_|+".contains(c)));
        }
    }
}
