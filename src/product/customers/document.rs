//! Papers that customers send: decoded from base64, known by what is in them, never by what they are called.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use uuid::Uuid;

/// Bytes of one paper at most.
pub const LARGEST: usize = 5 << 20;

/// Papers of one request at most.
pub const MOST: usize = 20;

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Pictures and PDF.
const KINDS: [&str; 7] =
    ["image/jpeg", "image/png", "image/webp", "image/tiff", "image/heif", "image/gif", "application/pdf"];

/// What offices write.
const FILED: [&str; 8] = [
    "image/bmp",
    "application/msword",
    "application/vnd.ms-excel",
    "application/vnd.ms-powerpoint",
    "application/x-ole-storage",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
];

/// A paper that was read. It has no `Debug`.
#[derive(Clone)]
pub struct Paper {
    /// By which it is known from now on.
    pub id: Uuid,
    /// What its first bytes say it is.
    pub media_type: &'static str,
    /// What is in it.
    pub content: Vec<u8>,
}

/// The text holds no paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPaper {
    /// Nothing is there.
    #[error("is empty")]
    Empty,
    /// It cannot be decoded.
    #[error("is not base64")]
    NotBase64,
    /// There is more than a paper has.
    #[error("is larger than 5 MiB")]
    TooLarge,
    /// It is neither a picture nor a PDF.
    #[error("is neither a picture (JPEG, PNG, WebP, TIFF, HEIF, GIF) nor a PDF")]
    OtherKind,
    /// It is nothing that businesses file.
    #[error("is neither a picture, a PDF, a text nor a paper of an office")]
    NotFiled,
    /// A PDF where a face is wanted.
    #[error("is not a picture")]
    NotAPicture,
}

impl Paper {
    /// Reads base64, with or without what browsers (`data:image/png;base64,`) and some clients (`base64,`) put before it.
    pub fn read(text: &str) -> Result<Self, InvalidPaper> {
        let content = decode(text)?;
        let kind = infer::get(&content).map(|kind| kind.mime_type()).ok_or(InvalidPaper::OtherKind)?;
        let media_type = KINDS.into_iter().find(|known| *known == kind).ok_or(InvalidPaper::OtherKind)?;
        Ok(Self { id: Uuid::now_v7(), media_type, content })
    }

    /// The same for what a business files: papers of its own making and plain text too.
    pub fn read_filed(text: &str) -> Result<Self, InvalidPaper> {
        let content = decode(text)?;
        let media_type = match infer::get(&content).map(|kind| kind.mime_type()) {
            Some(kind) => KINDS.into_iter().chain(FILED).find(|known| *known == kind),
            None => is_plain_text(&content).then_some("text/plain"),
        };
        let media_type = media_type.ok_or(InvalidPaper::NotFiled)?;
        Ok(Self { id: Uuid::now_v7(), media_type, content })
    }

    /// The same for a picture of a face.
    pub fn read_picture(text: &str) -> Result<Self, InvalidPaper> {
        let paper = Self::read(text)?;
        if paper.media_type.starts_with("image/") { Ok(paper) } else { Err(InvalidPaper::NotAPicture) }
    }
}

/// What is in base64, with or without what browsers and some clients put before it.
fn decode(text: &str) -> Result<Vec<u8>, InvalidPaper> {
    let encoded = text.split_once("base64,").map_or(text, |(_, encoded)| encoded).trim();
    if encoded.is_empty() {
        return Err(InvalidPaper::Empty);
    }
    if encoded.len() / 4 * 3 > LARGEST + 3 {
        return Err(InvalidPaper::TooLarge);
    }
    let content = LENIENT.decode(encoded).map_err(|_| InvalidPaper::NotBase64)?;
    if content.len() > LARGEST { Err(InvalidPaper::TooLarge) } else { Ok(content) }
}

/// Text without what moves a terminal's cursor; markup is none.
fn is_plain_text(content: &[u8]) -> bool {
    let is_plain = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r');
    std::str::from_utf8(content).is_ok_and(|text| !text.trim_start().starts_with('<') && text.chars().all(is_plain))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
    use proptest::prelude::*;

    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01";

    fn read(text: &str) -> Result<&'static str, InvalidPaper> {
        Paper::read(text).map(|paper| paper.media_type)
    }

    #[test]
    fn a_paper_is_known_by_what_is_in_it_however_it_is_wrapped() {
        let encoded = STANDARD.encode(PNG);
        for text in [
            encoded.clone(),
            STANDARD_NO_PAD.encode(PNG),
            format!("base64,{encoded}"),
            format!("data:image/png;base64,{encoded}"),
            format!("data:application/pdf;base64,{encoded}"),
            format!(" {encoded}\n"),
        ] {
            assert_eq!(read(&text), Ok("image/png"), "{text}");
        }
        // The documented one, which breaks off.
        let documented = "base64,iVBORw0KGgoAAAANSUhEUgAAAZ4AAAEDCAYAAAAFhGKSAAAAAXNSR0IArs4c6QAAAARnQU1BAACxjwv8YQUA";
        assert_eq!(read(documented), Ok("image/png"));
        assert_eq!(read(&STANDARD.encode(b"%PDF-1.7\n")), Ok("application/pdf"));
        assert_eq!(Paper::read_picture(&STANDARD.encode(b"%PDF-1.7\n")).map(|_| ()), Err(InvalidPaper::NotAPicture));
    }

    #[test]
    fn programs_pages_and_too_much_are_refused() {
        assert_eq!(read(""), Err(InvalidPaper::Empty));
        assert_eq!(read("base64,"), Err(InvalidPaper::Empty));
        assert_eq!(read("not base64!"), Err(InvalidPaper::NotBase64));
        assert_eq!(read("string"), Err(InvalidPaper::OtherKind));
        for other in [&b"MZ\x90\0\x03\0\0\0"[..], b"\x7fELF\x02\x01\x01", b"<html><script>", b"PK\x03\x04", b"<svg/>"] {
            assert_eq!(read(&STANDARD.encode(other)), Err(InvalidPaper::OtherKind), "{other:?}");
        }
        let mut large = PNG.to_vec();
        large.resize(LARGEST, 0);
        assert_eq!(read(&STANDARD.encode(&large)), Ok("image/png"));
        large.push(0);
        assert_eq!(read(&STANDARD.encode(&large)), Err(InvalidPaper::TooLarge));
    }

    #[test]
    fn a_business_may_file_text_and_no_page_or_program() {
        let filed = |content: &[u8]| Paper::read_filed(&STANDARD.encode(content)).map(|paper| paper.media_type);
        assert_eq!(filed(PNG), Ok("image/png"));
        assert_eq!(filed(b"%PDF-1.7\n"), Ok("application/pdf"));
        assert_eq!(filed("name;share\r\nJané;20\n".as_bytes()), Ok("text/plain"));
        assert_eq!(filed(b"BM\x36\x00\x00\x00\x00\x00"), Ok("image/bmp"));
        for other in
            [&b"MZ\x90\0\x03\0\0\0"[..], b"\x7fELF\x02\x01\x01", b"<html><script>", b" <svg/>", b"\x1b[2J", b"\xff\xfe"]
        {
            assert_eq!(filed(other), Err(InvalidPaper::NotFiled), "{other:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,200}") {
            let _ = Paper::read(&text);
        }

        #[test]
        fn what_is_read_is_what_was_sent(rest in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let content = [PNG, &rest].concat();
            let paper = Paper::read(&STANDARD.encode(&content)).unwrap();
            prop_assert_eq!(paper.content, content);
            prop_assert_eq!(paper.media_type, "image/png");
        }

        #[test]
        fn nothing_else_is_taken_for_a_paper(content in proptest::collection::vec(any::<u8>(), 1..200)) {
            if let Ok(paper) = Paper::read(&STANDARD.encode(&content)) {
                prop_assert!(KINDS.contains(&paper.media_type) && paper.content == content);
            }
        }
    }
}
