//! The part of the Common Expression Language that rules are written in, and that an expression stays within it.
//!
//! Every node has one of a handful of types, so that an expression that is accepted can fail only by arithmetic. Nothing
//! in it repeats (no macros) and nothing grows, so that evaluating costs as much as the expression is long.

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, operators};

use super::facts;
use super::usage::read_tokens;

/// How deep operators may be nested, so that evaluating an expression cannot exhaust a task's stack.
const DEPTH: usize = 20;

/// What an expression's node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// True or false.
    Bool,
    /// A signed integer of 64 bits.
    Int,
    /// A text.
    Text,
    /// A list of integers.
    Ints,
    /// A list of texts.
    Texts,
}

impl Type {
    const fn name(self) -> &'static str {
        match self {
            Self::Bool => "a bool",
            Self::Int => "an int",
            Self::Text => "a string",
            Self::Ints => "a list of ints",
            Self::Texts => "a list of strings",
        }
    }

    const fn list_of(self) -> Option<Self> {
        match self {
            Self::Int => Some(Self::Ints),
            Self::Text => Some(Self::Texts),
            Self::Bool | Self::Ints | Self::Texts => None,
        }
    }
}

/// The type of an expression; in words what is wrong with one that is outside of the language.
pub fn type_of(expression: &IdedExpr) -> Result<Type, String> {
    at_depth(expression, DEPTH)
}

fn at_depth(expression: &IdedExpr, depth: usize) -> Result<Type, String> {
    let depth = depth.checked_sub(1).ok_or("is nested too deep")?;
    match &expression.expr {
        Expr::Literal(literal) => literal_type(literal),
        Expr::Ident(name) => facts::type_of(name).ok_or_else(|| format!("names {name}, which is no variable of rules")),
        Expr::List(list) => {
            let mut elements = list.elements.iter().map(|element| at_depth(element, depth));
            let first = elements.next().ok_or("has an empty list")??;
            for element in elements {
                expect(first, element?, "a list's elements")?;
            }
            first.list_of().ok_or_else(|| format!("has a list whose elements are each {}", first.name()))
        }
        Expr::Call(call) => match &call.target {
            None => operation(call, depth),
            Some(target) => method(call, at_depth(target, depth)?, depth),
        },
        Expr::Select(select) => Err(format!("selects .{}: rules' variables have no fields", select.field)),
        Expr::Comprehension(_) | Expr::Map(_) | Expr::Struct(_) | Expr::Unspecified => {
            Err("uses a construct that rules do without".to_owned())
        }
    }
}

fn literal_type(literal: &LiteralValue) -> Result<Type, String> {
    match literal {
        LiteralValue::Boolean(_) => Ok(Type::Bool),
        LiteralValue::Int(_) => Ok(Type::Int),
        LiteralValue::String(_) => Ok(Type::Text),
        LiteralValue::Double(_) => Err("has a floating-point number; write amounts as tokens(\"12.50\")".to_owned()),
        LiteralValue::Bytes(_) | LiteralValue::Null | LiteralValue::UInt(_) => {
            Err("has a literal that is no bool, int or string".to_owned())
        }
    }
}

/// An operator, or `tokens`.
fn operation(call: &CallExpr, depth: usize) -> Result<Type, String> {
    let name = call.func_name.as_str();
    if name == TOKENS {
        return tokens(call);
    }
    let types: Vec<Type> = call.args.iter().map(|argument| at_depth(argument, depth)).collect::<Result<_, _>>()?;
    match (name, types.as_slice()) {
        (operators::LOGICAL_AND | operators::LOGICAL_OR, [left, right]) => {
            expect(Type::Bool, *left, "what && or || joins")?;
            expect(Type::Bool, *right, "what && or || joins")
        }
        (operators::LOGICAL_NOT, [negated]) => expect(Type::Bool, *negated, "what ! negates"),
        (operators::CONDITIONAL, [condition, yes, no]) => {
            expect(Type::Bool, *condition, "what stands before ?")?;
            expect(*yes, *no, "what stands after :")
        }
        (operators::EQUALS | operators::NOT_EQUALS, [left, right]) => {
            expect(*left, *right, "what is compared").map(|_| Type::Bool)
        }
        (operators::LESS | operators::LESS_EQUALS | operators::GREATER | operators::GREATER_EQUALS, [left, right]) => {
            expect(Type::Int, *left, "what is compared")?;
            expect(Type::Int, *right, "what is compared").map(|_| Type::Bool)
        }
        (
            operators::ADD | operators::SUBSTRACT | operators::MULTIPLY | operators::DIVIDE | operators::MODULO,
            [left, right],
        ) => {
            expect(Type::Int, *left, "what is reckoned with")?;
            expect(Type::Int, *right, "what is reckoned with")
        }
        (operators::NEGATE, [negated]) => expect(Type::Int, *negated, "what - negates"),
        (operators::IN, [element, list]) => match element.list_of() {
            Some(wanted) => expect(wanted, *list, "what stands after in").map(|_| Type::Bool),
            None => Err(format!("looks in a list for {}", element.name())),
        },
        _ => Err(format!("calls {name}, which is no function of rules")),
    }
}

/// The function that reads a decimal.
pub const TOKENS: &str = "tokens";

fn tokens(call: &CallExpr) -> Result<Type, String> {
    let [IdedExpr { expr: Expr::Literal(LiteralValue::String(text)), .. }] = call.args.as_slice() else {
        return Err("calls tokens with something else than one text, such as tokens(\"12.50\")".to_owned());
    };
    match read_tokens(text.inner()) {
        Some(_) => Ok(Type::Int),
        None => Err("calls tokens with a text that is no decimal of at most six fraction digits".to_owned()),
    }
}

fn method(call: &CallExpr, target: Type, depth: usize) -> Result<Type, String> {
    let name = call.func_name.as_str();
    let [argument] = call.args.as_slice() else { return Err(format!("calls .{name}, which is no function of rules")) };
    let argument = at_depth(argument, depth)?;
    match name {
        "startsWith" | "endsWith" | "contains" => {
            expect(Type::Text, target, "what stands before .")?;
            expect(Type::Text, argument, "what a text is searched for").map(|_| Type::Bool)
        }
        _ => Err(format!("calls .{name}, which is no function of rules")),
    }
}

fn expect(wanted: Type, found: Type, what: &str) -> Result<Type, String> {
    if wanted == found {
        Ok(found)
    } else {
        Err(format!("is wrong: {what} must be {}, not {}", wanted.name(), found.name()))
    }
}
