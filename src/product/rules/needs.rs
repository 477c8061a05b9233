//! What has to be looked up for rules to be decided: no more than their expressions ask for.

use super::check::Movement;
use super::usage::Usage;

/// How far back movements of a kind are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// Nobody asks.
    #[default]
    Nothing,
    /// To the beginning of the day.
    Day,
    /// To the beginning of the month.
    Month,
}

/// What rules ask of a customer's movements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Deposits.
    pub deposits: Reach,
    /// Transfers from other customers.
    pub transfers_in: Reach,
    /// Transfers to other customers.
    pub transfers_out: Reach,
    /// Withdrawals.
    pub withdrawals: Reach,
    /// What the customer holds of the movement's token.
    pub stored_value: bool,
}

impl Needs {
    /// Of an expression that asks for these variables.
    pub fn of(asks_for: impl Fn(&str) -> bool) -> Self {
        let mut needs = Self { stored_value: asks_for("stored_value"), ..Self::default() };
        for (own, all) in Usage::NAMES.into_iter().zip(Usage::NAMES_OF_ALL) {
            if asks_for(own) || asks_for(all) {
                needs = needs.and(Self::of_count(own));
            }
        }
        needs
    }

    fn of_count(name: &str) -> Self {
        let (what, period) = name.rsplit_once('_').unwrap_or((name, "month"));
        let reach = if period == "day" { Reach::Day } else { Reach::Month };
        let none = Self::default();
        match what {
            "deposits" | "deposited" => Self { deposits: reach, ..none },
            "transfers_in" | "transferred_in" => Self { transfers_in: reach, ..none },
            "transfers_out" | "transferred_out" => Self { transfers_out: reach, ..none },
            "withdrawals" | "withdrawn" => Self { withdrawals: reach, ..none },
            "received" => Self { deposits: reach, transfers_in: reach, ..none },
            "sent" => Self { transfers_out: reach, withdrawals: reach, ..none },
            _ => Self { deposits: reach, transfers_in: reach, transfers_out: reach, withdrawals: reach, ..none },
        }
    }

    /// What both need.
    pub fn and(self, other: Self) -> Self {
        Self {
            deposits: self.deposits.max(other.deposits),
            transfers_in: self.transfers_in.max(other.transfers_in),
            transfers_out: self.transfers_out.max(other.transfers_out),
            withdrawals: self.withdrawals.max(other.withdrawals),
            stored_value: self.stored_value || other.stored_value,
        }
    }

    /// How far back movements of each kind are counted.
    pub const fn reaches(self) -> [(Movement, Reach); 4] {
        [
            (Movement::Deposit, self.deposits),
            (Movement::TransferIn, self.transfers_in),
            (Movement::TransferOut, self.transfers_out),
            (Movement::Withdrawal, self.withdrawals),
        ]
    }

    /// Whether any movements are counted.
    pub fn counts_movements(self) -> bool {
        self.reaches().iter().any(|(_, reach)| *reach != Reach::Nothing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str) -> String {
        let needs = Needs::of(|asked| asked == name);
        let reaches = [needs.deposits, needs.transfers_in, needs.transfers_out, needs.withdrawals];
        let words = reaches.map(|reach| match reach {
            Reach::Nothing => "-",
            Reach::Day => "day",
            Reach::Month => "month",
        });
        format!("{name}: {}{}\n", words.join(" "), if needs.stored_value { " stored" } else { "" })
    }

    #[test]
    fn what_is_looked_up_follows_from_what_is_asked() {
        let told: String = Usage::NAMES.into_iter().chain(["stored_value", "amount", "all_sent_day"]).map(of).collect();
        insta::assert_snapshot!(told, @"
        deposits_day: day - - -
        deposits_month: month - - -
        deposited_day: day - - -
        deposited_month: month - - -
        transfers_in_day: - day - -
        transfers_in_month: - month - -
        transferred_in_day: - day - -
        transferred_in_month: - month - -
        transfers_out_day: - - day -
        transfers_out_month: - - month -
        transferred_out_day: - - day -
        transferred_out_month: - - month -
        withdrawals_day: - - - day
        withdrawals_month: - - - month
        withdrawn_day: - - - day
        withdrawn_month: - - - month
        received_day: day day - -
        received_month: month month - -
        sent_day: - - day day
        sent_month: - - month month
        stored_value: - - - - stored
        amount: - - - -
        all_sent_day: - - day day
        ");
        let both = Needs::of(|name| matches!(name, "deposits_day" | "all_deposited_month"));
        assert_eq!(both, Needs { deposits: Reach::Month, ..Needs::default() });
    }
}
