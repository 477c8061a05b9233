//! What rules may ask about: the variables of their language.

use cel::Value;

use super::types::Type;
use super::usage::Usage;

/// What is known of a movement and of the customer whose money it is. Amounts are in millionths of a token.
#[derive(Clone, Debug)]
pub struct Facts {
    /// `deposit`, `transfer` or `withdrawal`.
    pub kind: &'static str,
    /// `in` to the customer's wallet, or `out` of it.
    pub direction: &'static str,
    /// The token's symbol.
    pub token: String,
    /// How much is to be moved.
    pub amount: i64,
    /// What the customer's wallet holds by our records.
    pub stored_value: i64,
    /// What the customer moved of this token before,
    pub usage: Usage,
    /// and of all tokens together.
    pub usage_of_all: Usage,
    /// What the customer's identification badge is called.
    pub badge: String,
    /// What the customer's information badges are called.
    pub information_badges: Vec<String>,
    /// `WALLET_USER` or `BUSINESS_USER`.
    pub user_group: String,
    /// How far the customer's identity has been checked.
    pub kyc: String,
    /// What the newest compliance check says.
    pub compliance: String,
    /// Whether the customer was accepted as one.
    pub onboarding: String,
    /// Whether the customer's account is in use.
    pub account: String,
}

/// The variables that are not [`Usage`]'s.
const VARIABLES: [(&str, Type); 12] = [
    ("kind", Type::Text),
    ("direction", Type::Text),
    ("token", Type::Text),
    ("amount", Type::Int),
    ("stored_value", Type::Int),
    ("badge", Type::Text),
    ("information_badges", Type::Texts),
    ("user_group", Type::Text),
    ("kyc", Type::Text),
    ("compliance", Type::Text),
    ("onboarding", Type::Text),
    ("account", Type::Text),
];

/// The type of a variable; `None` when there is none of this name.
pub fn type_of(name: &str) -> Option<Type> {
    let named = VARIABLES.iter().find(|(variable, _)| *variable == name).map(|(_, type_)| *type_);
    let is_count = || Usage::NAMES.contains(&name) || Usage::NAMES_OF_ALL.contains(&name);
    named.or_else(|| is_count().then_some(Type::Int))
}

impl Facts {
    /// Every variable with its value.
    pub fn values(&self) -> impl Iterator<Item = (&'static str, Value)> {
        let own: [(&'static str, Value); 12] = [
            ("kind", self.kind.into()),
            ("direction", self.direction.into()),
            ("token", self.token.as_str().into()),
            ("amount", Value::Int(self.amount)),
            ("stored_value", Value::Int(self.stored_value)),
            ("badge", self.badge.as_str().into()),
            ("information_badges", self.information_badges.clone().into()),
            ("user_group", self.user_group.as_str().into()),
            ("kyc", self.kyc.as_str().into()),
            ("compliance", self.compliance.as_str().into()),
            ("onboarding", self.onboarding.as_str().into()),
            ("account", self.account.as_str().into()),
        ];
        let usage = Usage::NAMES.into_iter().zip(self.usage.values());
        let of_all = Usage::NAMES_OF_ALL.into_iter().zip(self.usage_of_all.values());
        own.into_iter().chain(usage.chain(of_all).map(|(name, value)| (name, Value::Int(value))))
    }

    /// A deposit of 1.5 USDC, the customer's first.
    #[cfg(test)]
    pub fn sample() -> Self {
        Self {
            kind: "deposit",
            direction: "in",
            token: "USDC".to_owned(),
            amount: 1_500_000,
            stored_value: 0,
            usage: Usage::default(),
            usage_of_all: Usage::default(),
            badge: "Bronze".to_owned(),
            information_badges: vec!["Staff".to_owned()],
            user_group: "WALLET_USER".to_owned(),
            kyc: "NONE".to_owned(),
            compliance: "NONE".to_owned(),
            onboarding: "NONE".to_owned(),
            account: "NONE".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variable_has_a_value_of_its_type_and_no_other_has_one() {
        let facts = Facts::sample();
        let values: Vec<_> = facts.values().collect();
        assert_eq!(values.len(), VARIABLES.len() + 2 * Usage::NAMES.len());
        for (name, value) in values {
            let fits = matches!(
                (type_of(name), &value),
                (Some(Type::Int), Value::Int(_))
                    | (Some(Type::Text), Value::String(_))
                    | (Some(Type::Texts), Value::List(_))
            );
            assert!(fits, "{name} is {value:?}");
        }
        assert_eq!(type_of("password"), None);
    }
}
