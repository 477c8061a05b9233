//! Naming the field that is wrong, whoever found it: serde or a validation rule.

use validator::{ValidationError, ValidationErrors, ValidationErrorsKind};

use super::Error;

const LONGEST: usize = 300;

/// The 400 for serde's complaint about the value at `path` (`.` for the whole).
pub fn refuse(path: &str, complaint: &str) -> Error {
    let inside = if path == "." || path == "?" { "" } else { path };
    let quoted = |prefix: &str| complaint.strip_prefix(prefix).and_then(|rest| rest.split('`').next());
    if let Some(name) = quoted("missing field `") {
        return Error::missing_field(&join(inside, name));
    }
    if let Some(name) = quoted("unknown field `") {
        let name = if inside.ends_with(name) { inside.to_owned() } else { join(inside, name) };
        return Error::invalid_field(&shorten(&name), "is not known");
    }
    if let Some(name) = quoted("duplicate field `") {
        return Error::invalid_field(name, "is given twice");
    }
    let why = match complaint.strip_prefix("invalid type: ") {
        Some(types) => format!("has the wrong type: {types}"),
        None => format!("is not valid: {complaint}"),
    };
    if inside.is_empty() {
        return Error::bad_request("invalid_body", shorten(&format!("the body {why}")));
    }
    Error::invalid_field(&shorten(inside), shorten(&why))
}

/// The 400 for the first broken rule, in order of field names.
pub fn refuse_rules(errors: &ValidationErrors) -> Error {
    first("", errors).unwrap_or_else(|| Error::bad_request("invalid_body", "the body is not valid"))
}

fn first(inside: &str, errors: &ValidationErrors) -> Option<Error> {
    let mut fields: Vec<_> = errors.errors().iter().collect();
    fields.sort_by_key(|(name, _)| *name);
    fields.into_iter().find_map(|(name, kind)| {
        let path = join(inside, name);
        match kind {
            ValidationErrorsKind::Field(broken) => broken.first().map(|rule| Error::invalid_field(&path, why(rule))),
            ValidationErrorsKind::Struct(inner) => first(&path, inner),
            ValidationErrorsKind::List(items) => {
                items.iter().find_map(|(index, inner)| first(&format!("{path}[{index}]"), inner))
            }
        }
    })
}

fn why(rule: &ValidationError) -> String {
    let bound = |name: &str| rule.params.get(name).map(ToString::to_string);
    match (&rule.message, rule.code.as_ref(), bound("min"), bound("max")) {
        (Some(message), ..) => message.to_string(),
        (None, "length", Some(min), Some(max)) => format!("must have {min} to {max} characters"),
        (None, "length", None, Some(max)) => format!("must have at most {max} characters"),
        (None, "length", Some(min), None) => format!("must have at least {min} characters"),
        (None, "range", Some(min), Some(max)) => format!("must be from {min} to {max}"),
        (None, code, ..) => format!("is not valid ({code})"),
    }
}

fn join(inside: &str, name: &str) -> String {
    if inside.is_empty() { name.to_owned() } else { format!("{inside}.{name}") }
}

/// Complaints quote what the caller sent: a hint, not an echo of a megabyte.
fn shorten(text: &str) -> String {
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    text.chars().take(LONGEST).chain(['…']).collect()
}
