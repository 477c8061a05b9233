//! Who turned out to be calling, noted for the layers around the handler.

use std::sync::{Arc, OnceLock};

use axum::http::Extensions;

/// A note that travels with a request: empty until a principal's extractor has proved who is calling.
#[derive(Clone, Debug, Default)]
pub struct CallerNote(Arc<OnceLock<&'static str>>);

impl CallerNote {
    /// Notes the kind of principal (`tenant`, `operator`, …) on a request that carries a note.
    pub fn proved(extensions: &Extensions, kind: &'static str) {
        if let Some(note) = extensions.get::<Self>() {
            note.0.get_or_init(|| kind);
        }
    }

    /// The kind of principal; `None` when nobody's credentials were checked and found good.
    pub fn kind(&self) -> Option<&'static str> {
        self.0.get().copied()
    }
}
