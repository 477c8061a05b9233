//! Who turned out to be calling, noted for the layers around the handler.

use std::sync::{Arc, OnceLock};

use axum::http::Extensions;
use sha2::{Digest, Sha256};

/// A note that travels with a request: empty until a principal's extractor has proved who is calling.
#[derive(Clone, Debug, Default)]
pub struct CallerNote(Arc<OnceLock<Proved>>);

/// A caller, however the credentials were written.
pub type CallerId = [u8; 32];

#[derive(Debug)]
struct Proved {
    kind: &'static str,
    id: Option<CallerId>,
}

impl CallerNote {
    /// Notes the kind of principal (`tenant`, `operator`, …), and which of its kind, on a request that carries a note.
    pub fn proved(extensions: &Extensions, kind: &'static str, which: &[&[u8]]) {
        let mut digest = Sha256::new_with_prefix(kind);
        which.iter().for_each(|part| digest.update(part));
        Self::note(extensions, kind, Some(digest.finalize().into()));
    }

    /// Notes a principal that anybody can be: it has no rate of its own.
    pub fn proved_anybody(extensions: &Extensions, kind: &'static str) {
        Self::note(extensions, kind, None);
    }

    fn note(extensions: &Extensions, kind: &'static str, id: Option<CallerId>) {
        if let Some(note) = extensions.get::<Self>() {
            note.0.get_or_init(|| Proved { kind, id });
        }
    }

    /// The kind of principal; `None` when nobody's credentials were checked and found good.
    pub fn kind(&self) -> Option<&'static str> {
        self.0.get().map(|proved| proved.kind)
    }

    /// Who it is; `None` also of those whom anybody can be.
    pub fn id(&self) -> Option<CallerId> {
        self.0.get()?.id
    }
}
