use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;

fn read<T: de::DeserializeOwned>(text: &str) -> Result<T, Error> {
    T::deserialize(parse(text)?)
}

#[test]
fn values_are_what_their_fields_are() {
    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Fields {
        on: bool,
        port: u16,
        cost: f64,
        name: String,
        list: Vec<String>,
    }
    let switches = |text: &str| read::<Fields>(&format!("on: {text}")).map(|fields| fields.on);
    for yes in ["true", "True", "TRUE", "y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "\"yes\""] {
        assert!(switches(yes).unwrap(), "{yes}");
    }
    for no in ["false", "n", "N", "no", "No", "NO", "off", "Off", "OFF", "~", ""] {
        assert!(!switches(no).unwrap(), "{no}");
    }
    for neither in ["1", "maybe", "[]", "yEs", "\"true\""] {
        assert!(switches(neither).is_err(), "{neither}");
    }
    for name in ["yes", "on", "0123", "1e5", "1.10", "0x1f", "true", "12345678901234567890123"] {
        let fields: Fields = read(&format!("name: {name}\nlist: [{name}]")).unwrap();
        assert_eq!((fields.name.as_str(), fields.list), (name, vec![name.to_owned()]));
    }
    let fields: Fields = read("port: 9090.0\ncost: 4\nname:\nlist:").unwrap();
    assert_eq!(fields, Fields { port: 9090, cost: 4.0, ..Fields::default() });
    for wrong in ["port: \"9090\"", "port: 9090.5", "port: 70000", "port: -1", "cost: much", "name: [a]"] {
        assert!(read::<Fields>(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn maps_take_others_in() {
    let text = "
a: &a { one: 1, two: 2 }
b: &b { two: 20, three: 3 }
c: { <<: *a, two: 22 }
d: { two: 22, <<: [*a, *b] }
e: *a
";
    let maps: BTreeMap<String, BTreeMap<String, u32>> = read(text).unwrap();
    let of = |name: &str| maps[name].iter().map(|(key, value)| format!("{key}{value}")).collect::<String>();
    assert_eq!([of("c"), of("d"), of("e")], ["one1two22", "one1three3two22", "one1two2"]);
    assert!(read::<BTreeMap<String, BTreeMap<String, u32>>>("c: { <<: 1 }").is_err());
}

#[test]
fn of_several_documents_the_first_counts_and_of_none_nothing_is_said() {
    for (text, keys) in [("", 0), ("---\n", 0), ("# nothing", 0), ("a: 1\n---\nb: 2\nc: 3", 1)] {
        assert_eq!(read::<BTreeMap<String, u32>>(text).unwrap().len(), keys, "{text}");
    }
}

#[test]
fn faults_are_told_by_their_place_and_without_values() {
    type Nested = BTreeMap<String, BTreeMap<String, Vec<u16>>>;
    for (text, words) in [
        ("a: { b: [1, hunter2] }", "a.b.1: a text where u16 is expected"),
        ("a: { b: hunter2 }", "a.b: a text where a sequence is expected"),
        ("a: hunter2", "a: a text where a map is expected"),
        ("a: {}\na: {}", "a: it is there twice"),
        ("a: [hunter2", "not YAML at line"),
        ("a: !hunter2 {}", "not YAML"),
    ] {
        let error = read::<Nested>(text).unwrap_err().to_string();
        assert!(error.starts_with(words) && !error.contains("hunter2"), "{text}: {error}");
    }
}

#[test]
fn no_text_makes_it_panic() {
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned()
        + &(1..12).fold(String::new(), |text, at| {
            let before = if at == 1 { "a".to_owned() } else { format!("b{}", at - 1) };
            format!("{text}b{at}: &b{at} [{}]\n", vec![format!("*{before}"); 9].join(","))
        });
    for text in [bomb.as_str(), "&a [*a]", "a: *b", "{{{{", "? [1]\n: 2", "<<: {<<: {a: 1}}"] {
        let _ = parse(text);
    }
}
