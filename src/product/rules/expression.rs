//! A rule's expression: read, checked and evaluated.

use std::sync::{Arc, LazyLock};
use std::thread;

use cel::common::ast::{Expr, LiteralValue, operators};
use cel::common::types::{CelInt, CelString, STRING_TYPE};
use cel::common::value::CowVal;
use cel::{Context, Env, ExecutionError, IdedExpr, Value};

use super::check::Movement;
use super::facts::Facts;
use super::folding;
use super::needs::Needs;
use super::types::{TOKENS, Type, type_of};
use super::usage::read_tokens;

/// How long an expression may be, in characters.
pub const LONGEST: usize = 1000;
/// How many characters of operators and brackets it may have, so that reading it needs little of a stack.
const MOST_OPERATORS: usize = 150;
/// How deep brackets may be nested.
const DEEPEST: u16 = 20;
/// What reading may take of a stack, in bytes: of a thread's own, and only as far as it is used.
const STACK: usize = 64 << 20;

/// What expressions are evaluated with: operators, texts' functions and `tokens`; nothing that repeats.
static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::default().with_optional_support(false).with_stdlib();
    let added = env.add_overload(TOKENS, "tokens_string", vec![STRING_TYPE], tokens);
    if let Err(error) = added {
        tracing::error!(%error, "rules do without tokens()");
    }
    Arc::new(env)
});

fn tokens<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let text = arguments.first().and_then(|argument| argument.downcast_ref::<CelString>());
    match text.and_then(|text| read_tokens(text.inner())) {
        Some(millionths) => Ok(CowVal::owned(CelInt::from(millionths))),
        None => Err(ExecutionError::function_error(TOKENS, "no decimal")),
    }
}

/// Why a text is no rule, in words that follow "expression".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidExpression(String);

impl InvalidExpression {
    fn unreadable(why: &str) -> Self {
        Self(format!("cannot be read: {why}").trim_end_matches([':', ' ']).to_owned())
    }
}

/// An expression that yields true of what is allowed.
#[derive(Debug)]
pub struct Expression {
    root: IdedExpr,
    /// Of each way of moving money.
    needs: [(Movement, Needs); 4],
}

impl Expression {
    /// Reads and checks an expression as [`Expression::parse`] does, while others go on.
    pub async fn read(text: String) -> Result<Self, InvalidExpression> {
        let parsed = tokio::task::spawn_blocking(move || Self::parse(&text)).await;
        parsed.unwrap_or_else(|_| Err(InvalidExpression::unreadable("")))
    }

    /// Reads and checks an expression: within the bounds, of the language, of known variables, and of type bool.
    pub fn parse(text: &str) -> Result<Self, InvalidExpression> {
        if text.chars().count() > LONGEST {
            return Err(InvalidExpression(format!("has more than {LONGEST} characters")));
        }
        if text.chars().filter(|c| "+-*/%<>=!&|?:([{.".contains(*c)).count() > MOST_OPERATORS {
            return Err(InvalidExpression(format!("has more than {MOST_OPERATORS} operators")));
        }
        // The reader calls itself for each rule of the grammar at each level: it has a stack of its own to do so, and if it
        // gives up it takes nothing with it.
        let source = text.to_owned();
        let reader = thread::Builder::new().name("rules".to_owned()).stack_size(STACK);
        match reader.spawn(move || Self::parse_here(&source)).map(thread::JoinHandle::join) {
            Ok(Ok(parsed)) => parsed,
            Ok(Err(_)) | Err(_) => Err(InvalidExpression::unreadable("")),
        }
    }

    fn parse_here(text: &str) -> Result<Self, InvalidExpression> {
        let parser = ENVIRONMENT.parser().max_recursion_depth(DEEPEST).error_recovery_limit(1);
        let root = parser.parse(text).map_err(|errors| {
            let first = errors.errors.first().map(|error| error.msg.chars().take(200).collect::<String>());
            InvalidExpression::unreadable(&first.unwrap_or_default())
        })?;
        match type_of(&root).map_err(InvalidExpression)? {
            Type::Bool => {}
            Type::Int | Type::Text | Type::Ints | Type::Texts => {
                return Err(InvalidExpression("must be a condition, which is true or false".to_owned()));
            }
        }
        let needs = Movement::ALL.map(|movement| (movement, folding::needs(&root, &known_of(movement))));
        Ok(Self { root, needs })
    }

    /// What has to be looked up to decide a movement by it.
    pub fn needs(&self, movement: Movement) -> Needs {
        self.needs.iter().find(|(of, _)| *of == movement).map(|(_, needs)| *needs).unwrap_or_default()
    }

    /// Whether what it says of a variable may be another after a name that the variable tells is changed: it quotes the
    /// old name and not the new one, or looks for a part of the old one that the new one does not have.
    pub fn depends_on_name(&self, variable: &str, old: &str, new: &str) -> bool {
        let mut texts = Vec::new();
        texts_beside(variable, &self.root, &mut texts);
        let quotes_new = texts.contains(&new);
        texts.iter().filter(|text| !text.is_empty()).any(|text| match *text == old {
            true => !quotes_new,
            false => old.contains(text) && !new.contains(text),
        })
    }

    /// Whether it is true of these facts. What cannot be reckoned (an overflow, a division by zero) is not met.
    pub fn is_met(&self, facts: &Known<'_>) -> bool {
        match Value::resolve(&self.root, &facts.0) {
            Ok(Value::Bool(met)) => met,
            Ok(_) => false,
            Err(error) => {
                // The facts are not quoted: they are a customer's.
                tracing::warn!(kind = error_name(&error), "a rule could not be reckoned and counts as not met");
                false
            }
        }
    }
}

/// The texts that the comparisons of a variable quote, which are what && and the like join.
fn texts_beside<'a>(variable: &str, condition: &'a IdedExpr, texts: &mut Vec<&'a str>) {
    match &condition.expr {
        Expr::Call(call) if JOINING.contains(&call.func_name.as_str()) => {
            call.args.iter().for_each(|joined| texts_beside(variable, joined, texts));
        }
        _ if condition.references().has_variable(variable) => texts_of(condition, texts),
        _ => {}
    }
}

/// Operators that join conditions to one.
const JOINING: [&str; 4] =
    [operators::LOGICAL_AND, operators::LOGICAL_OR, operators::LOGICAL_NOT, operators::CONDITIONAL];

/// The texts that an expression quotes. It is of the language, and so no deeper than that allows.
fn texts_of<'a>(expression: &'a IdedExpr, texts: &mut Vec<&'a str>) {
    match &expression.expr {
        Expr::Literal(LiteralValue::String(text)) => texts.push(text.inner()),
        Expr::List(list) => list.elements.iter().for_each(|element| texts_of(element, texts)),
        Expr::Call(call) => {
            call.target.iter().for_each(|target| texts_of(target, texts));
            call.args.iter().for_each(|argument| texts_of(argument, texts));
        }
        Expr::Literal(_)
        | Expr::Ident(_)
        | Expr::Select(_)
        | Expr::Comprehension(_)
        | Expr::Map(_)
        | Expr::Struct(_)
        | Expr::Unspecified => {}
    }
}

fn error_name(error: &ExecutionError) -> &'static str {
    match error {
        ExecutionError::Overflow(..) => "overflow",
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => "division by zero",
        _ => "other",
    }
}

/// What is known of a movement before anything is looked up.
fn known_of(movement: Movement) -> Context<'static, 'static> {
    let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
    for (name, value) in folding::KNOWN.into_iter().zip([movement.kind(), movement.direction()]) {
        context.add_variable_from_value(name, value);
    }
    context
}

/// Facts as expressions see them.
pub struct Known<'a>(Context<'a, 'a>);

impl Known<'_> {
    /// Of these facts.
    pub fn of(facts: &Facts) -> Self {
        let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
        for (name, value) in facts.values() {
            context.add_variable_from_value(name, value);
        }
        Self(context)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        Expression::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn what_is_no_condition_of_known_facts_is_refused() {
        for (text, why) in [
            ("", "cannot be read"),
            ("amount <", "cannot be read"),
            ("amount", "must be a condition"),
            ("\"true\"", "must be a condition"),
            ("amount < volume", "names volume, which is no variable"),
            ("amount < 10.5", "floating-point"),
            ("amount < \"10\"", "must be an int, not a string"),
            ("amount && true", "must be a bool, not an int"),
            ("kind == 1", "must be a string, not an int"),
            ("kind == \"deposit\" ? 5 : true", "must be an int, not a bool"),
            ("kind == \"deposit\" ? true : 5", "must be a bool, not an int"),
            ("kind in []", "empty list"),
            ("kind in [\"deposit\", 1]", "must be a string, not an int"),
            ("[1, 2].all(x, x > 0)", "calls .all"),
            ("[1, 2].map(x, x).size() > 0", "calls .map"),
            ("size(kind) > 0", "calls size"),
            ("kind.matches(\"(a+)+\")", "calls .matches"),
            ("has(kind.x)", "selects .x"),
            ("has(kind)", "calls has"),
            ("kind.x == \"\"", "selects .x"),
            ("{\"a\": 1}[\"a\"] == 1", "uses a construct"),
            ("tokens(\"1e3\") < amount", "no decimal"),
            ("tokens(\"0.0000001\") < amount", "no decimal"),
            ("tokens(kind) < amount", "something else than one text"),
            ("b\"x\" == b\"x\"", "no bool, int or string"),
            ("null == null", "no bool, int or string"),
            ("true; drop table tenant", "cannot be read"),
            ("type(amount) == int", "calls type"),
            ("dyn(amount) == 1", "calls dyn"),
            ("optional.none().hasValue()", ""),
        ] {
            let refusal = refused(text);
            assert!(refusal.contains(why), "{text}: {refusal}");
        }
    }

    #[test]
    fn an_expression_is_bounded_in_length_depth_and_operators() {
        assert!(refused(&format!("kind == \"{}\"", "x".repeat(LONGEST))).contains("characters"));
        assert!(refused(&format!("{}true{}", "(".repeat(100), ")".repeat(100))).contains("cannot be read"));
        assert!(refused(&format!("{}true", "!".repeat(900))).contains("operators"));
        assert!(refused(&format!("0{} > 0", "+1".repeat(60))).contains("nested too deep"));
        assert!(refused(&format!("0{} > 0", "+1".repeat(400))).contains("operators"));
        assert!(refused(&"true?".repeat(190)).contains("operators"));
        assert!(refused(&"[".repeat(900)).contains("operators"));
        for hostile in
            ["\0", "ma[[[[\x0c\0[[[putTo?[[[[ep", "\u{10ffff}", "`a`", "\"\\u0000", "'''", "//", "a.b.c.d.e()"]
        {
            assert!(Expression::parse(hostile).is_err(), "{hostile:?}");
        }
        assert!(Expression::parse(&format!("amount{} > 0", " + 1".repeat(15))).is_ok());
    }

    #[test]
    fn the_deepest_expressions_need_little_of_a_tasks_stack() {
        let nested = |open: &str, inside: &str, close: &str, depth: usize| {
            format!("{}{inside}{}", open.repeat(depth), close.repeat(depth))
        };
        let deepest = [
            format!("amount{} > 0", " + 1".repeat(18)),
            nested("!(", "amount > 0", ")", 18),
            nested("1 + (", "1", ")", 17) + " > 0",
            nested("false ? true : (", "amount > 0", ")", 9),
            format!("{}amount > 0", "false ? true : ".repeat(17)),
            nested("true && (false || ", "amount > 0", ")", 9),
            format!("amount > 0{}", " == true".repeat(17)),
        ];
        for text in deepest {
            let expression = Expression::parse(&text).map_err(|why| format!("{text}: {why}")).unwrap();
            let evaluate = move || expression.is_met(&Known::of(&Facts::sample()));
            thread::Builder::new().stack_size(1 << 20).spawn(evaluate).unwrap().join().unwrap();
        }
    }

    #[test]
    fn what_cannot_be_reckoned_is_not_met() {
        let facts = Facts::sample();
        let is_met = |text: &str| Expression::parse(text).unwrap().is_met(&Known::of(&facts));
        assert!(!is_met("9223372036854775807 + amount > 0"));
        assert!(!is_met("1 / (amount - amount) == 0"));
        assert!(!is_met("!(1 / (amount - amount) == 0)"));
        // As CEL has it, a condition that decides by itself makes the other's failure immaterial.
        assert!(is_met("true || 1 / (amount - amount) == 0"));
    }

    #[test]
    fn every_variable_can_be_asked_and_has_its_type() {
        let known = Known::of(&Facts::sample());
        for (name, value) in Facts::sample().values() {
            let question = match value {
                Value::Int(_) => format!("{name} == {name} && {name} >= 0"),
                Value::String(_) => format!("{name} == {name} && !{name}.contains(\"\\n\")"),
                _ => format!("!(\"nobody\" in {name})"),
            };
            assert!(Expression::parse(&question).unwrap().is_met(&known), "{question}");
        }
    }

    #[test]
    fn a_name_that_a_rule_quotes_is_not_changed_behind_its_back() {
        let depends = |text: &str, new: &str| Expression::parse(text).unwrap().depends_on_name("badge", "Gold", new);
        assert!(depends("badge == \"Gold\"", "Golden"));
        assert!(depends("amount > 1 ? badge in [\"Silver\", 'Gold'] : true", "Platinum"));
        assert!(depends("badge.startsWith(\"Go\")", "Platinum"));
        assert!(!depends("badge.startsWith(\"Go\")", "Golden"));
        assert!(!depends("badge in [\"Gold\", \"Platinum\"]", "Platinum"));
        assert!(!depends("badge == \"Silver\" || badge == \"\"", "Platinum"));
        assert!(!depends("\"Gold\" in information_badges", "Platinum"));
        assert!(depends("!(amount > 1 && (amount > 2 ? badge : \"x\") == \"Gold\")", "Platinum"));
        assert!(!depends("token == \"Gold\" && badge == \"Silver\"", "Platinum"));
    }

    #[test]
    fn tokens_are_read_exactly() {
        let known = Known::of(&Facts::sample());
        let is_met = |text: &str| Expression::parse(text).unwrap().is_met(&known);
        assert!(is_met("tokens(\"12.5\") == 12500000"));
        assert!(is_met("tokens(\"0.000001\") == 1"));
        assert!(is_met("amount == tokens(\"1.5\")"));
        assert!(is_met("direction in [\"in\", \"out\"] && token.startsWith(\"US\")"));
        assert!(!is_met("amount > tokens(\"1.5\")"));
    }
}
