//! What who runs the service wants Chromium to be started with.

use egress::wire::{BrowserFlag, Tuning};

/// Switches whose value is a list: what is asked for joins what is there.
const LISTS: [&str; 2] = ["disable-features", "enable-features"];
/// As LiveKit has it: a page may use what is not encrypted, from wherever it comes.
const INSECURE: [&str; 3] =
    ["--disable-web-security", "--allow-running-insecure-content", "--ignore-certificate-errors"];
/// What of Chromium keeps a page of the web from a server in the local network.
const LOCAL_NETWORK: &str = "LocalNetworkAccessChecks";

/// Our switches with those of `tuning` put over them.
pub(super) fn tuned(mut switches: Vec<String>, tuning: &Tuning) -> Vec<String> {
    if tuning.insecure_pages {
        switches.extend(INSECURE.map(str::to_owned));
        set(&mut switches, "disable-features", &BrowserFlag::Value(LOCAL_NETWORK.to_owned()));
    }
    for (name, flag) in &tuning.browser_flags {
        set(&mut switches, name.trim_start_matches('-'), flag);
    }
    switches
}

fn set(switches: &mut Vec<String>, name: &str, flag: &BrowserFlag) {
    let is_it = |switch: &str| {
        let rest = switch.strip_prefix("--").and_then(|switch| switch.strip_prefix(name));
        rest.and_then(|rest| if rest.is_empty() { Some("") } else { rest.strip_prefix('=') }).is_some()
    };
    let before = switches.iter().position(|switch| is_it(switch)).map(|at| switches.remove(at));
    match flag {
        BrowserFlag::Set(false) => {}
        BrowserFlag::Set(true) => switches.push(format!("--{name}")),
        BrowserFlag::Value(value) => match before.filter(|_| LISTS.contains(&name)) {
            Some(before) => switches.push(format!("{before},{value}")),
            None => switches.push(format!("--{name}={value}")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(flags: &[(&str, BrowserFlag)], insecure_pages: bool) -> Vec<String> {
        let ours = ["--kiosk", "--disable-gpu", "--disable-features=A,B", "--lang=en"];
        let browser_flags = flags.iter().map(|(name, flag)| (name.to_string(), flag.clone())).collect();
        let tuning = Tuning { browser_flags, insecure_pages, ..Tuning::default() };
        tuned(ours.map(str::to_owned).into(), &tuning)
    }

    #[test]
    fn what_is_asked_for_stands_over_ours() {
        let value = |value: &str| BrowserFlag::Value(value.to_owned());
        assert_eq!(with(&[], false), ["--kiosk", "--disable-gpu", "--disable-features=A,B", "--lang=en"]);
        let flags = [
            ("disable-gpu", BrowserFlag::Set(false)),
            ("disable-features", value("C")),
            ("ignore-certificate-errors", BrowserFlag::Set(true)),
            ("--lang", value("de")),
            ("lan", BrowserFlag::Set(false)),
        ];
        assert_eq!(
            with(&flags, false),
            ["--kiosk", "--lang=de", "--disable-features=A,B,C", "--ignore-certificate-errors"]
        );
    }

    #[test]
    fn insecure_is_livekits() {
        let switches = with(&[], true);
        for switch in INSECURE {
            assert!(switches.iter().any(|set| set == switch));
        }
        assert!(switches.contains(&"--disable-features=A,B,LocalNetworkAccessChecks".to_owned()));
    }
}
