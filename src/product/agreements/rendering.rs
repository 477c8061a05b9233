//! Filling templates in, within bounds: they are written by people, and filled in with what other people typed.

use std::io;

use minijinja::value::{Serde, Value};
use minijinja::{Environment, Error as EngineError, ErrorKind, HtmlEscape, UndefinedBehavior};
use serde_json::{Map, Value as Json};

/// What the names in a template stand for.
pub type Words = Map<String, Json>;

/// Steps of the engine that one rendering may take; the house's templates take about a hundred.
const FUEL: u64 = 10_000;

/// The longest text that a rendering may become, in bytes.
const LONGEST: usize = 128 * 1024;

/// What a template may do beside printing names. Nothing that keeps values: they could grow beyond all bounds.
const STATEMENTS: [&str; 6] = ["if", "elif", "else", "endif", "for", "endfor"];

/// Why a text is no template, or cannot be filled in.
#[derive(Debug, thiserror::Error)]
pub enum Unrenderable {
    /// A statement that templates do not have.
    #[error("line {0}: a template has no statements but if, elif, else and for")]
    Statement(usize),
    /// What the engine says: of the template, never of the words.
    #[error("line {line}: {what}")]
    Engine {
        /// Where in the template.
        line: usize,
        /// The engine's name for it.
        what: ErrorKind,
    },
    /// It became too long.
    #[error("is longer than 128 KiB when filled in")]
    TooLong,
}

/// Fills a template in. Every word is escaped for HTML, whatever the template says; a name that stands for nothing is an
/// error.
pub fn render(template: &str, words: &Words) -> Result<String, Unrenderable> {
    check_statements(template)?;
    let engine = engine();
    let mut text = Bounded(Vec::new());
    let rendered = engine
        .template_from_str(template)
        .and_then(|template| template.render_captured_to(Value::from(Serde(words)), &mut text).map(drop));
    match rendered {
        Ok(()) => Ok(String::from_utf8_lossy(&text.0).into_owned()),
        Err(error) if error.kind() == ErrorKind::WriteFailure => Err(Unrenderable::TooLong),
        Err(error) => Err(Unrenderable::Engine { line: error.line().unwrap_or(1), what: error.kind() }),
    }
}

/// An engine without filters, functions and tests.
fn engine() -> Environment<'static> {
    let mut engine = Environment::empty();
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    engine.set_fuel(Some(FUEL));
    // Not the engine's automatic escaping, which a template could switch off.
    engine.set_formatter(|out, _, value| {
        write!(out, "{}", HtmlEscape(&value.to_string())).map_err(|_| EngineError::from(ErrorKind::WriteFailure))
    });
    engine
}

fn check_statements(template: &str) -> Result<(), Unrenderable> {
    for (start, _) in template.match_indices("{%") {
        let inside = template[start + 2..].trim_start_matches(['-', '+']).trim_start();
        let word = inside.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
        if !STATEMENTS.contains(&word) {
            return Err(Unrenderable::Statement(template[..start].matches('\n').count() + 1));
        }
    }
    Ok(())
}

/// Takes so much and no more.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > LONGEST {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use serde_json::json;

    use super::*;

    fn words() -> Words {
        let words = json!({"name": "<script>alert('x')</script> & \"Söhne\"", "many": vec!["x".repeat(1000); 100]});
        words.as_object().unwrap().clone()
    }

    fn refusal(template: &str) -> String {
        render(template, &words()).unwrap_err().to_string()
    }

    #[test]
    fn every_word_is_escaped_whatever_the_template_says() {
        let escaped = "<b>&lt;script&gt;alert(&#x27;x&#x27;)&lt;&#x2f;script&gt; &amp; &quot;Söhne&quot;</b>";
        assert_eq!(render("<b>{{ name }}</b>", &words()).unwrap(), escaped);
        assert_eq!(render("<b>{{ '' ~ name }}</b>", &words()).unwrap(), escaped);
        for trick in ["{{ name|safe }}", "{% autoescape false %}{{ name }}{% endautoescape %}", "{%-raw %}{{ name }}"] {
            assert!(render(trick, &words()).is_err(), "{trick}");
        }
    }

    #[test]
    fn a_template_is_bounded_in_steps_length_and_what_it_may_do() {
        let deep = format!("{}x{}", "{% for a in many %}".repeat(4), "{% endfor %}".repeat(4));
        insta::assert_snapshot!(refusal(&deep), @"line 1: engine ran out of fuel");
        insta::assert_snapshot!(refusal("{% for a in many %}{{ a }}{{ a }}{{ a }}{% endfor %}"), @"is longer than 128 KiB when filled in");
        insta::assert_snapshot!(refusal("\n{% set a = name %}"), @"line 2: a template has no statements but if, elif, else and for");
        insta::assert_snapshot!(refusal("{%- include 'secrets' %}"), @"line 1: a template has no statements but if, elif, else and for");
        insta::assert_snapshot!(refusal("{{ range(9) }}"), @"line 1: unknown function");
        insta::assert_snapshot!(refusal("{{ nobody }}"), @"line 1: undefined value");
        insta::assert_snapshot!(refusal("a\n{% if %}"), @"line 2: syntax error");
        insta::assert_snapshot!(refusal("{{ name"), @"line 1: syntax error");
    }

    #[test]
    fn what_goes_wrong_does_not_quote_what_people_typed() {
        let told = refusal("{{ name * name }}");
        assert!(!told.contains("script"), "{told}");
    }
}
