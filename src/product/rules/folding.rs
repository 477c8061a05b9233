//! What a rule asks of one way of moving money: `direction != "in" || …` asks nothing of what goes out.
//!
//! Which way is known beforehand, and as CEL has it a side of `||` or `&&` that decides by itself decides whatever the other
//! side is, an error included. So what stands beside such a side need not be looked up.

use cel::common::ast::{Expr, IdedExpr, operators};
use cel::{Context, Value};

use super::needs::Needs;

/// The variables that are known beforehand.
pub const KNOWN: [&str; 2] = ["kind", "direction"];

/// What has to be looked up to decide a condition, where these are the values of [`KNOWN`].
pub fn needs(condition: &IdedExpr, known: &Context<'_, '_>) -> Needs {
    if decided(condition, known).is_some() {
        return Needs::default();
    }
    let of_all = |parts: &[IdedExpr]| parts.iter().fold(Needs::default(), |sum, part| sum.and(needs(part, known)));
    match operation(condition) {
        Some((operators::CONDITIONAL, [asked, yes, no])) => match decided(asked, known) {
            Some(true) => needs(yes, known),
            Some(false) => needs(no, known),
            None => of_all(&[asked.clone(), yes.clone(), no.clone()]),
        },
        Some((operators::LOGICAL_OR | operators::LOGICAL_AND | operators::LOGICAL_NOT, parts)) => of_all(parts),
        _ => {
            let asked = condition.references();
            Needs::of(|name| asked.has_variable(name))
        }
    }
}

/// What a condition is whatever else is true; `None` where that depends.
fn decided(condition: &IdedExpr, known: &Context<'_, '_>) -> Option<bool> {
    match operation(condition) {
        Some((operators::CONDITIONAL, [asked, yes, no])) => match decided(asked, known)? {
            true => decided(yes, known),
            false => decided(no, known),
        },
        Some((operators::LOGICAL_NOT, [part])) => decided(part, known).map(|is_true| !is_true),
        Some((operators::LOGICAL_OR, parts)) => joined(parts, known, true),
        Some((operators::LOGICAL_AND, parts)) => joined(parts, known, false),
        _ if condition.references().variables().iter().all(|name| KNOWN.contains(name)) => {
            match Value::resolve(condition, known) {
                Ok(Value::Bool(is_true)) => Some(is_true),
                Ok(_) | Err(_) => None,
            }
        }
        _ => None,
    }
}

/// One part of those that an operator joins decides if it is what decides that operator; else all of them together do.
fn joined(parts: &[IdedExpr], known: &Context<'_, '_>, deciding: bool) -> Option<bool> {
    let parts: Vec<Option<bool>> = parts.iter().map(|part| decided(part, known)).collect();
    if parts.contains(&Some(deciding)) {
        return Some(deciding);
    }
    parts.iter().all(Option::is_some).then_some(!deciding)
}

fn operation(condition: &IdedExpr) -> Option<(&str, &[IdedExpr])> {
    match &condition.expr {
        Expr::Call(call) if call.target.is_none() => Some((&call.func_name, &call.args)),
        Expr::Call(_)
        | Expr::Literal(_)
        | Expr::Ident(_)
        | Expr::Select(_)
        | Expr::Comprehension(_)
        | Expr::Map(_)
        | Expr::List(_)
        | Expr::Struct(_)
        | Expr::Unspecified => None,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use proptest::prelude::*;

    use crate::product::rules::check::Movement;
    use crate::product::rules::expression::{Expression, Known};
    use crate::product::rules::facts::Facts;
    use crate::product::rules::needs::{Needs, Reach};
    use crate::product::rules::usage::{Period, Tally, Usage};

    fn told(needs: Needs) -> String {
        let reaches = needs.reaches().map(|(_, reach)| match reach {
            Reach::Nothing => "-",
            Reach::Day => "day",
            Reach::Month => "month",
        });
        format!("{}{}", reaches.join(" "), if needs.stored_value { " stored" } else { "" })
    }

    #[test]
    fn only_what_a_rule_asks_of_this_movement_is_looked_up() {
        let table: String = [
            "kind != \"deposit\" || all_deposits_month < 10",
            "direction != \"in\" || all_received_month + amount <= 5",
            "all_sent_day < 7 || !(direction == \"out\")",
            "kind == \"transfer\" && direction == \"in\" ? stored_value < 5 : withdrawals_month < 3",
            "direction in [\"out\"] && deposits_day < 3",
            "(amount > 3 ? received_day : sent_day) < 5",
            "deposits_day < 3",
            "1 / 0 == 0 || deposits_day < 3",
        ]
        .map(|text| {
            let expression = Expression::parse(text).unwrap();
            let of = Movement::ALL.map(|movement| told(expression.needs(movement)));
            format!("{text}: {}\n", of.join(" | "))
        })
        .concat();
        insta::assert_snapshot!(table, @r#"
        kind != "deposit" || all_deposits_month < 10: month - - - | - - - - | - - - - | - - - -
        direction != "in" || all_received_month + amount <= 5: month month - - | month month - - | - - - - | - - - -
        all_sent_day < 7 || !(direction == "out"): - - - - | - - - - | - - day day | - - day day
        kind == "transfer" && direction == "in" ? stored_value < 5 : withdrawals_month < 3: - - - month | - - - - stored | - - - month | - - - month
        direction in ["out"] && deposits_day < 3: - - - - | - - - - | day - - - | day - - -
        (amount > 3 ? received_day : sent_day) < 5: day day day day | day day day day | day day day day | day day day day
        deposits_day < 3: day - - - | day - - - | day - - - | day - - -
        1 / 0 == 0 || deposits_day < 3: day - - - | day - - - | day - - - | day - - -
        "#);
    }

    fn condition() -> impl Strategy<Value = String> {
        let simple = prop::sample::select(vec![
            "kind == \"deposit\"",
            "kind in [\"transfer\", \"withdrawal\"]",
            "direction != \"in\"",
            "direction.startsWith(\"o\")",
            "true",
            "1 / 0 == 0",
            "deposits_month < 2",
            "transferred_in_day < 2",
            "all_sent_month > 1",
            "stored_value < 2",
            "4 / received_month > 1",
            "withdrawals_day == 0",
        ]);
        simple.prop_map(str::to_owned).prop_recursive(4, 12, 3, |inner| {
            prop_oneof![
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
                inner.clone().prop_map(|a| format!("!({a})")),
                (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            ]
        })
    }

    fn period() -> impl Strategy<Value = Period> {
        (0..3_i64, 0..3_i64).prop_map(|(day, more)| Period {
            day: Tally { count: day, volume: day },
            month: Tally { count: day + more, volume: day + more },
        })
    }

    /// What is left of a number where nobody looked further back.
    fn seen(period: Period, reach: Reach) -> Period {
        match reach {
            Reach::Nothing => Period::default(),
            Reach::Day => Period { month: Tally::default(), ..period },
            Reach::Month => period,
        }
    }

    proptest! {
        #[test]
        fn what_is_not_looked_up_decides_nothing(
            text in condition(),
            place in 0..4_usize,
            [deposits, transfers_in, transfers_out, withdrawals] in [period(), period(), period(), period()],
            stored_value in 0..3_i64,
        ) {
            let Ok(expression) = Expression::parse(&text) else { return Ok(()) };
            let movement = Movement::ALL[place];
            let usage = Usage { deposits, transfers_in, transfers_out, withdrawals };
            let (kind, direction) = (movement.kind(), movement.direction());
            let all =
                Facts { kind, direction, usage, usage_of_all: usage, stored_value, ..Facts::sample() };
            let needs = expression.needs(movement);
            let usage = Usage {
                deposits: seen(deposits, needs.deposits),
                transfers_in: seen(transfers_in, needs.transfers_in),
                transfers_out: seen(transfers_out, needs.transfers_out),
                withdrawals: seen(withdrawals, needs.withdrawals),
            };
            let stored_value = if needs.stored_value { stored_value } else { 0 };
            let looked_up = Facts { usage, usage_of_all: usage, stored_value, ..all.clone() };
            prop_assert_eq!(
                expression.is_met(&Known::of(&all)), expression.is_met(&Known::of(&looked_up)), "{} of {}", text, kind
            );
        }
    }
}
