//! The contract against the routes: every path, every method, every answer of the other tests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde_json::{Map, Number};
use yaml_rust2::{Yaml, YamlLoader};

use super::channel::media;
use super::*;

static CONTRACT: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(super::super::status::OPENAPI).unwrap());

/// Fails unless the answer to `method target` is one that the contract describes.
pub(super) fn assert_described(method: Method, target: &str, status: u16, body: &Value) {
    let operation = operation(method, target);
    let schema = operation.and_then(|operation| {
        let response = resolve(&operation["responses"][status.to_string()]);
        let content = response.get("content")?.as_object()?;
        content.values().next().map(|media| &media["schema"])
    });
    let problem = match schema {
        // A call of an array that could not be placed gives its status to the whole, which stays an array.
        Some(_) if status >= 400 && body.is_array() => None,
        // Metrics are text, which the tests see as null.
        Some(_) if body.is_null() => None,
        Some(schema) => problem(schema, body, "the answer"),
        // Refusals common to all paths need not stand at each.
        None if status >= 400 => problem(&CONTRACT["components"]["schemas"]["Error"], body, "the refusal"),
        None => Some("a success that the contract does not know".to_owned()),
    };
    assert_eq!(problem, None, "{} {target} {status}: {body}", method.word());
}

/// The operation for a concrete target: a path written out wins over a template.
fn operation(method: Method, target: &str) -> Option<&'static Value> {
    let method = if method == Method::Head { Method::Get } else { method };
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    let wanted: Vec<&str> = path.trim_end_matches('/').split('/').collect();
    let paths = CONTRACT["paths"].as_object()?;
    let fits = |template: &str| {
        let have: Vec<&str> = template.trim_end_matches('/').split('/').collect();
        // A file may be in a folder.
        let len_fits = have.len() == wanted.len() || have.last() == Some(&"{file}") && have.len() <= wanted.len();
        len_fits && have.iter().zip(&wanted).all(|(have, wanted)| have.starts_with('{') || have == wanted)
    };
    let mut found: Vec<(&String, &Value)> = paths.iter().filter(|(template, _)| fits(template)).collect();
    found.sort_by_key(|(template, _)| template.matches('{').count());
    found.into_iter().find_map(|(_, item)| item.get(method.word().to_lowercase()))
}

fn resolve(value: &'static Value) -> &'static Value {
    match value.get("$ref").and_then(Value::as_str) {
        Some(reference) => CONTRACT.pointer(reference.trim_start_matches('#')).unwrap_or_else(|| panic!("{reference} leads nowhere")),
        None => value,
    }
}

/// The first way in which `value` is not what `schema` says; keys that no schema names are a problem too.
fn problem(schema: &'static Value, value: &Value, path: &str) -> Option<String> {
    let schema = resolve(schema);
    if let Some(options) = schema.get("oneOf").and_then(Value::as_array) {
        let all: Vec<String> = options.iter().filter_map(|option| problem(option, value, path)).collect();
        return (all.len() == options.len()).then(|| all.join("; "));
    }
    let mut parts = vec![schema];
    if let Some(all) = schema.get("allOf").and_then(Value::as_array) {
        parts.extend(all.iter().map(resolve));
    }
    for part in &parts {
        if let Some(types) = part.get("type") {
            let names: Vec<&str> =
                types.as_array().map_or_else(|| types.as_str().into_iter().collect(), |all| all.iter().filter_map(Value::as_str).collect());
            // An integer is a number too.
            let fits = names.contains(&type_name(value)) || (names.contains(&"number") && value.is_number());
            if !fits {
                return Some(format!("{path} is {} and not {names:?}", type_name(value)));
            }
        }
        if let Some(words) = part.get("enum").and_then(Value::as_array).filter(|words| !words.contains(value)) {
            return Some(format!("{path} is {value} and none of {words:?}"));
        }
    }
    match value {
        Value::Object(map) => object_problem(&parts, map, path),
        Value::Array(items) => {
            let schema = parts.iter().find_map(|part| part.get("items"))?;
            items.iter().enumerate().find_map(|(index, item)| problem(schema, item, &format!("{path}[{index}]")))
        }
        _ => None,
    }
}

fn object_problem(parts: &[&'static Value], map: &Map<String, Value>, path: &str) -> Option<String> {
    let required = parts.iter().filter_map(|part| part.get("required")?.as_array()).flatten().filter_map(Value::as_str);
    if let Some(missing) = required.into_iter().find(|key| !map.contains_key(*key)) {
        return Some(format!("{path} has no {missing}"));
    }
    if let Some(key) = map.keys().next().filter(|_| parts.iter().any(|part| part.get("maxProperties") == Some(&value!(0)))) {
        return Some(format!("{path} has {key} where it must be empty"));
    }
    let properties: BTreeMap<&String, &'static Value> =
        parts.iter().filter_map(|part| part.get("properties")?.as_object()).flatten().collect();
    let additional = parts.iter().find_map(|part| part.get("additionalProperties"));
    map.iter().find_map(|(key, value)| {
        let path = format!("{path}.{key}");
        match (properties.get(key), additional) {
            (Some(schema), _) => problem(schema, value, &path),
            (None, Some(Value::Bool(true))) => None,
            (None, Some(schema)) => problem(schema, value, &path),
            (None, None) if properties.is_empty() => None,
            (None, None) => Some(format!("{path} is not in the contract")),
        }
    })
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[test]
fn every_path_takes_the_methods_of_the_contract_and_no_other() {
    let (sip, rtp) = (api(), media());
    for (template, item) in CONTRACT["paths"].as_object().unwrap() {
        let methods: BTreeSet<String> =
            item.as_object().unwrap().keys().filter(|key| *key != "parameters").map(|key| key.to_uppercase()).collect();
        let tags: BTreeSet<&str> =
            item.as_object().unwrap().values().filter_map(|op| op.get("tags")?.as_array()).flatten().filter_map(Value::as_str).collect();
        let target = template.replace("{action}", "ring").replace(['{', '}'], "");
        let allowed = |response: &Response| -> BTreeSet<String> {
            let allow = response.headers.iter().find(|(name, _)| *name == "Allow").map(|(_, value)| value.clone());
            allow.unwrap_or_default().split(", ").map(str::to_owned).collect()
        };
        let everyone = tags.contains("every program");
        if everyone || tags.contains("project-sip") {
            let mut methods = methods.clone();
            if template == "/dialog/invite" {
                // It is also `/dialog/{name}`.
                methods.extend(["GET", "PUT", "DELETE"].map(str::to_owned));
            }
            assert_eq!(allowed(&ask(&sip, Method::Other, &target, "").2), methods, "{template}");
        }
        if everyone || tags.contains("project-rtp") {
            assert_eq!(allowed(&ask(&rtp, Method::Other, &target, "").2), methods, "{template}");
        }
    }
}

#[test]
fn the_contract_is_served() {
    for response in [ask(&api(), Method::Get, "/openapi.json", ""), ask(&media(), Method::Get, "/openapi.json", "")] {
        assert_eq!((response.0, &response.1["openapi"]), (200, &value!("3.1.0")));
    }
}

#[test]
fn the_actions_and_events_of_the_contract_are_ours() {
    let words = &CONTRACT["components"]["schemas"]["ActionWord"]["enum"];
    assert_eq!(words, &value!(crate::json::ACTIONS));
    let events = &CONTRACT["components"]["schemas"]["Snapshot"]["properties"]["event"]["enum"];
    use sip::api::EventKind as Kind;
    let ours = [
        Kind::New,
        Kind::Ringing,
        Kind::Progress,
        Kind::Answered,
        Kind::Hold,
        Kind::Unhold,
        Kind::Reinvite,
        Kind::Refer,
        Kind::Dtmf,
        Kind::Hangup,
    ];
    assert_eq!(events, &value!(ours.map(Kind::word)));
}

#[test]
fn what_is_served_is_what_docs_say() {
    let here = env!("CARGO_MANIFEST_DIR");
    let yaml = std::fs::read_to_string(format!("{here}/../docs/openapi.yaml")).unwrap();
    let contract = json_of(&YamlLoader::load_from_str(&yaml).unwrap()[0]);
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(format!("{here}/openapi.json"), serde_json::to_string(&contract).unwrap() + "\n").unwrap();
    }
    let served: Value = serde_json::from_str(&std::fs::read_to_string(format!("{here}/openapi.json")).unwrap()).unwrap();
    assert!(served == contract, "docs/openapi.yaml has changed: UPDATE_OPENAPI=1 cargo test -p control-http openapi");
}

fn json_of(yaml: &Yaml) -> Value {
    match yaml {
        Yaml::String(text) => text.as_str().into(),
        Yaml::Integer(number) => (*number).into(),
        Yaml::Real(text) => Value::Number(Number::from_f64(text.parse().unwrap()).unwrap()),
        Yaml::Boolean(flag) => (*flag).into(),
        Yaml::Null => Value::Null,
        Yaml::Array(items) => items.iter().map(json_of).collect(),
        Yaml::Hash(map) => map.iter().map(|(key, value)| (key.as_str().unwrap().to_owned(), json_of(value))).collect(),
        Yaml::Alias(_) | Yaml::BadValue => panic!("not plain YAML: {yaml:?}"),
    }
}
