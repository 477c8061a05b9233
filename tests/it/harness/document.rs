//! The API's own description, from which tests learn what routes and fields there are.

use diolkos::http::openapi;
use diolkos::product;
use serde_json::{Map, Value};

/// A documented operation.
pub struct Operation {
    /// `POST`.
    pub method: String,
    /// `/v1/dashboard/deposits/{deposit_id}`.
    pub path: String,
    /// What the document says of it.
    pub described: Value,
    /// The schema of the body's fields; empty when it takes none.
    pub body: Map<String, Value>,
}

/// The whole document.
pub fn document() -> Value {
    serde_json::to_value(openapi::describe(product::router()).1).unwrap()
}

/// Every operation.
pub fn operations() -> Vec<Operation> {
    let document = document();
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, described) in methods.as_object().unwrap() {
            let schema = &described["requestBody"]["content"]["application/json"]["schema"];
            let named = schema["$ref"].as_str().map(|name| document.pointer(name.trim_start_matches('#')).unwrap());
            let body = named.unwrap_or(schema)["properties"].as_object().cloned().unwrap_or_default();
            let (method, path, described) = (method.to_uppercase(), path.clone(), described.clone());
            operations.push(Operation { method, path, described, body });
        }
    }
    operations
}

impl Operation {
    /// `POST /v1/users/fund`.
    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// Every field through which a caller can name something: of the path, the query and the body.
    pub fn fields(&self) -> Vec<String> {
        let parameters = self.described["parameters"].as_array().into_iter().flatten();
        let parameters = parameters.map(|parameter| parameter["name"].as_str().unwrap().to_owned());
        parameters.chain(self.body.keys().cloned()).collect()
    }

    /// The security schemes of which one is enough; none: anybody may call.
    pub fn schemes(&self) -> Vec<&str> {
        let schemes = self.described["security"].as_array().into_iter().flatten();
        schemes.flat_map(|scheme| scheme.as_object().unwrap().keys().map(String::as_str)).collect()
    }

    /// The path with something in place of each parameter.
    pub fn any_path(&self) -> String {
        let part = |part: &str| if part.starts_with('{') { "x".to_owned() } else { part.to_owned() };
        self.path.split('/').map(part).collect::<Vec<_>>().join("/")
    }
}
