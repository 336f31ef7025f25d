//! Holds a JSON value against a schema: the few words of JSON Schema that `perf/report.schema.json` uses.
//!
//! Shape:  `type` (one or a list), `required`, `properties`, `items`, `enum`, `minimum`, `anyOf`; other words are refused, so that none
//!         is written there in vain. `title`, `description`, `$schema` say nothing.
//! Errors: one line each, with the path of the value.
//! Source: JSON Schema 2020-12.

use serde_json::Value;

/// All that is wrong.
pub(super) fn faults(schema: &Value, value: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    check(schema, value, "report", &mut faults);
    faults
}

fn check(schema: &Value, value: &Value, path: &str, faults: &mut Vec<String>) {
    let Some(words) = schema.as_object() else { return faults.push(format!("{path}: the schema is no object")) };
    for (word, rule) in words {
        match word.as_str() {
            "type" if !kinds(rule).any(|kind| is(kind, value)) => faults.push(format!("{path}: must be {rule}, is {value}")),
            "enum" if !rule.as_array().is_some_and(|all| all.contains(value)) => {
                faults.push(format!("{path}: must be one of {rule}, is {value}"));
            }
            "minimum" if value.as_f64() < rule.as_f64() && value.is_number() => {
                faults.push(format!("{path}: must be at least {rule}, is {value}"));
            }
            "required" if value.is_object() => {
                let names = rule.as_array().into_iter().flatten().filter_map(Value::as_str);
                faults.extend(names.filter(|name| value.get(name).is_none()).map(|name| format!("{path}: `{name}` is missing")));
            }
            "properties" => {
                for (name, schema) in rule.as_object().into_iter().flatten() {
                    if let Some(value) = value.get(name) {
                        check(schema, value, &format!("{path}.{name}"), faults);
                    }
                }
            }
            "items" => {
                for (n, value) in value.as_array().into_iter().flatten().enumerate() {
                    check(rule, value, &format!("{path}[{n}]"), faults);
                }
            }
            "anyOf" => {
                let tries: Vec<Vec<String>> = rule
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|schema| {
                        let mut faults = Vec::new();
                        check(schema, value, path, &mut faults);
                        faults
                    })
                    .collect();
                if tries.iter().all(|faults| !faults.is_empty()) {
                    // The nearest form is the one that was meant.
                    faults.extend(tries.into_iter().min_by_key(Vec::len).unwrap_or_default());
                }
            }
            "type" | "enum" | "minimum" | "required" | "title" | "description" | "$schema" => {}
            unknown => faults.push(format!("{path}: the schema says `{unknown}`, which is not understood here")),
        }
    }
}

fn kinds(rule: &Value) -> impl Iterator<Item = &str> {
    rule.as_str().into_iter().chain(rule.as_array().into_iter().flatten().filter_map(Value::as_str))
}

fn is(kind: &str, value: &Value) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        _ => false,
    }
}
