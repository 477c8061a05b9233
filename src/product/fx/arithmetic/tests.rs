#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

use bigdecimal::BigDecimal;
use proptest::prelude::*;

use super::*;

fn dec(text: &str) -> Decimal {
    Decimal::from_str_exact(text).unwrap()
}

fn big(decimal: Decimal) -> BigDecimal {
    decimal.to_string().parse().unwrap()
}

fn tokens(amount: Amount, decimals: u8) -> BigDecimal {
    amount.to_decimal(decimals).parse().unwrap()
}

#[test]
fn eleven_thousand_francs_buy_what_pen_and_paper_say() {
    let rate = buying_rate(dec("560.50"), Spread(50)).unwrap();
    assert_eq!(rate.to_string(), "563.30250000");
    assert_eq!(tokens_for(dec("11000"), rate, 6).unwrap().base_units(), 19_527_696);
    let rate = selling_rate(dec("560.50"), Spread(50)).unwrap();
    assert_eq!(rate.to_string(), "557.69750000");
    let amount = Amount::from_base_units(19_527_696).unwrap();
    assert_eq!(fiat_for(amount, 6, rate, 0).unwrap().to_string(), "10890");
    assert_eq!(fiat_for(amount, 6, rate, 2).unwrap().to_string(), "10890.54");
}

#[test]
fn a_rate_is_rounded_against_the_customer() {
    assert_eq!(buying_rate(dec("0.333333333"), Spread(0)).unwrap().to_string(), "0.33333334");
    assert_eq!(selling_rate(dec("0.333333339"), Spread(0)).unwrap().to_string(), "0.33333333");
    assert_eq!(selling_rate(dec("0.000000001"), Spread(0)), None);
}

#[test]
fn what_does_not_fit_is_nothing_rather_than_wrong() {
    assert_eq!(tokens_for(Decimal::MAX, dec("0.000001"), 18), None);
    assert_eq!(fiat_for(Amount::MAX, 0, dec("1000000000"), 4), None);
    assert_eq!(tokens_for(dec("1"), Decimal::ZERO, 6), None);
    assert_eq!(tokens_for(dec("-1"), dec("1"), 6), None);
}

#[test]
fn a_spread_is_basis_points_up_to_a_half() {
    assert_eq!("50".parse(), Ok(Spread(50)));
    assert_eq!("5000".parse(), Ok(Spread(5000)));
    for bad in ["5001", "-1", "0.5", "", "50%"] {
        assert_eq!(bad.parse::<Spread>(), Err(InvalidSpread), "{bad}");
    }
}

prop_compose! {
    /// From 0.000001 to 1,000,000,000 with up to 28 digits.
    fn any_middle()(whole in 0u64..1_000_000_000, fraction in 1i64..1_000_000_000_000)(
        middle in Just(Decimal::from(whole) + Decimal::new(fraction, 12))
    ) -> Decimal {
        middle.max(Decimal::new(1, 6))
    }
}

fn any_fiat() -> impl Strategy<Value = Decimal> {
    (1i64..1_000_000_000_000_000_000, 0u32..=4).prop_map(|(units, digits)| Decimal::new(units, digits))
}

fn any_amount() -> impl Strategy<Value = Amount> {
    (1u128..1_000_000_000_000_000_000).prop_map(|units| Amount::from_base_units(units).unwrap())
}

fn any_spread() -> impl Strategy<Value = Spread> {
    (0u16..=5000).prop_map(Spread)
}

proptest! {
    #[test]
    fn a_buyer_never_gets_more_than_the_money_is_worth(
        fiat in any_fiat(), middle in any_middle(), spread in any_spread(), decimals in 0u8..=18,
    ) {
        let rate = buying_rate(middle, spread).unwrap();
        let out = tokens_for(fiat, rate, decimals).unwrap();
        let next = Amount::from_base_units(out.base_units() + 1).unwrap();
        prop_assert!(tokens(out, decimals) * big(rate) <= big(fiat));
        prop_assert!(tokens(next, decimals) * big(rate) > big(fiat), "one base unit more would have been covered");
        prop_assert!(tokens(out, decimals) * big(middle) <= big(fiat), "at the middle rate too");
        prop_assert_eq!(rate.scale(), RATE_DIGITS);
    }

    #[test]
    fn a_seller_never_gets_more_than_the_tokens_are_worth(
        amount in any_amount(), middle in any_middle(), spread in any_spread(), decimals in 6u8..=18, digits in 0u32..=4,
    ) {
        let rate = selling_rate(middle, spread).unwrap();
        let out = fiat_for(amount, decimals, rate, digits).unwrap();
        let exact = tokens(amount, decimals) * big(rate);
        prop_assert!(big(out) <= exact);
        prop_assert!(big(out + Decimal::new(1, digits)) > exact);
        prop_assert_eq!(out.scale(), digits);
        prop_assert!(big(rate) <= big(middle));
    }

    #[test]
    fn buying_and_selling_back_gains_nothing(
        units in 1i64..1_000_000_000_000, digits in 0u32..=4, middle in any_middle(), spread in any_spread(),
    ) {
        let fiat = Decimal::new(units, digits);
        let bought = tokens_for(fiat, buying_rate(middle, spread).unwrap(), 6).unwrap();
        let back = fiat_for(bought, 6, selling_rate(middle, spread).unwrap(), digits).unwrap();
        prop_assert!(back <= fiat);
    }

    #[test]
    fn more_money_buys_no_less_and_a_wider_spread_no_more(
        (less, more) in (any_fiat(), any_fiat()), middle in any_middle(), (low, high) in (any_spread(), any_spread()),
    ) {
        let (less, more) = (less.min(more), less.max(more));
        let (low, high) = (Spread(low.0.min(high.0)), Spread(low.0.max(high.0)));
        let out = |fiat, spread| tokens_for(fiat, buying_rate(middle, spread).unwrap(), 6).unwrap();
        prop_assert!(out(less, low) <= out(more, low));
        prop_assert!(out(less, high) <= out(less, low));
        prop_assert!(selling_rate(middle, high).unwrap() <= selling_rate(middle, low).unwrap());
    }
}
