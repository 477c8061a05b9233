//! The mobile-money networks that payouts go through, from configuration.

use std::collections::BTreeSet;
use std::str::FromStr;

use crate::foundation::{Country, Phone};
use crate::providers::fx::Currency;

/// A network in one country.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// As callers know it, such as `orange_money`; several countries may have one of this name.
    pub name: String,
    /// Whose numbers it has.
    pub country: Country,
    /// What it pays in.
    pub currency: Currency,
    /// Beginnings of its national numbers; none when every mobile number of the country may be one of its.
    prefixes: Vec<String>,
}

/// All networks, in the order of configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Networks(Vec<Network>);

/// Why a number cannot be paid through a network. The words go to callers and name no number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// There is no network of this name; these are there.
    #[error("payout_network must be one of {}", known.join(", "))]
    UnknownNetwork {
        /// The names of all networks.
        known: Vec<String>,
    },
    /// The network is not in the number's country; these are.
    #[error("{}", not_in_country(network, there))]
    NotInCountry {
        /// The network that was asked for.
        network: String,
        /// The names of the networks that are in the number's country.
        there: Vec<String>,
    },
    /// The number is of a fixed line or a service.
    #[error("payout_mobile is not a mobile number")]
    NotMobile,
    /// The number's beginning is that of another network.
    #[error("payout_mobile is not a number of {network}")]
    OtherNetwork {
        /// The network that was asked for.
        network: String,
    },
}

fn not_in_country(network: &str, there: &[String]) -> String {
    match there {
        [] => "payout_mobile is of a country without payouts".to_owned(),
        _ => format!("payout_network {network} is not in the country of payout_mobile, which has {}", there.join(", ")),
    }
}

impl Network {
    fn has(&self, phone: &Phone) -> bool {
        self.prefixes.is_empty() || self.prefixes.iter().any(|prefix| phone.national_begins_with(prefix))
    }
}

impl Networks {
    /// The networks of a server that is told of none: by the numbering plans of 2026.
    ///
    /// A network has prefixes here where numbers do not move between networks and the whole list of its prefixes is
    /// public. Benin, Cameroon and Ghana let customers keep their number when they change network, and Uganda gives
    /// MTN new ranges as the old ones run out.
    pub const DEFAULT: &str = concat!(
        "orange_money:CI:XOF:07,mtn_momo:CI:XOF:05,moov_money:CI:XOF:01,wave:CI:XOF,",
        "orange_money:SN:XOF:71|77|78,wave:SN:XOF,",
        "mtn_momo:BJ:XOF,moov_money:BJ:XOF,",
        "orange_money:CM:XAF,mtn_momo:CM:XAF,",
        "mtn_momo:GH:GHS,mtn_momo:UG:UGX",
    );

    /// The network through which this number is paid, or why it cannot be.
    pub fn fit(&self, name: &str, phone: &Phone) -> Result<&Network, Unfit> {
        let network = || name.to_owned();
        if !self.0.iter().any(|known| known.name == name) {
            return Err(Unfit::UnknownNetwork { known: names(self.0.iter()) });
        }
        let country = phone.country();
        let there = || self.0.iter().filter(|known| Some(known.country) == country);
        let Some(found) = there().find(|known| known.name == name) else {
            return Err(Unfit::NotInCountry { network: network(), there: names(there()) });
        };
        if !phone.is_mobile() {
            return Err(Unfit::NotMobile);
        }
        if found.has(phone) { Ok(found) } else { Err(Unfit::OtherNetwork { network: network() }) }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Network> {
        self.0.iter()
    }
}

/// Each name once, in order.
fn names<'a>(networks: impl Iterator<Item = &'a Network>) -> Vec<String> {
    networks.map(|network| network.name.as_str()).collect::<BTreeSet<_>>().into_iter().map(str::to_owned).collect()
}

/// A part of the list that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a network is written name:COUNTRY:CURRENCY or name:COUNTRY:CURRENCY:PREFIX|PREFIX, such as orange_money:CI:XOF:07, \
     once a country; {0:?} is not"
)]
pub struct InvalidNetwork(String);

impl FromStr for Networks {
    type Err = InvalidNetwork;

    /// Reads `orange_money:CI:XOF:07,wave:CI:XOF`.
    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let mut networks: Vec<Network> = Vec::new();
        for part in text.split(',').map(str::trim) {
            let network = read(part).ok_or_else(|| InvalidNetwork(part.to_owned()))?;
            if networks.iter().any(|known| (&known.name, known.country) == (&network.name, network.country)) {
                return Err(InvalidNetwork(part.to_owned()));
            }
            networks.push(network);
        }
        Ok(Self(networks))
    }
}

fn read(part: &str) -> Option<Network> {
    let mut fields = part.split(':').map(str::trim);
    let (name, country, currency) = (fields.next()?, fields.next()?, fields.next()?);
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    let is_prefix = |prefix: &str| (1..=9).contains(&prefix.len()) && prefix.bytes().all(|b| b.is_ascii_digit());
    let prefixes: Vec<String> =
        fields.next().map_or_else(Vec::new, |text| text.split('|').map(str::to_owned).collect());
    if !is_name || fields.next().is_some() || !prefixes.iter().all(|prefix| is_prefix(prefix)) {
        return None;
    }
    let (country, currency) = (country.parse().ok()?, Currency::from_code(currency)?);
    Some(Network { name: name.to_owned(), country, currency, prefixes })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use super::*;

    fn fit(name: &str, number: &str) -> Result<String, String> {
        let networks: Networks = Networks::DEFAULT.parse().unwrap();
        let found = networks.fit(name, &Phone::parse(number).unwrap());
        found
            .map(|network| format!("{} {}", network.country.as_ref(), network.currency.code()))
            .map_err(|unfit| unfit.to_string())
    }

    #[test]
    fn a_number_is_paid_through_the_network_that_it_belongs_to() {
        for (name, number, country) in [
            ("orange_money", "+2250700000001", "CI XOF"),
            ("mtn_momo", "+2250500000001", "CI XOF"),
            ("moov_money", "+2250100000001", "CI XOF"),
            ("wave", "+2250700000001", "CI XOF"),
            ("wave", "+2250100000001", "CI XOF"),
            ("orange_money", "+221771234567", "SN XOF"),
            ("orange_money", "+221781234567", "SN XOF"),
            ("wave", "+221761234567", "SN XOF"),
            ("mtn_momo", "+2290195123456", "BJ XOF"),
            ("moov_money", "+2290161123456", "BJ XOF"),
            ("orange_money", "+237691234567", "CM XAF"),
            ("mtn_momo", "+237671234567", "CM XAF"),
            ("mtn_momo", "+233241234567", "GH GHS"),
            ("mtn_momo", "+256772123456", "UG UGX"),
        ] {
            assert_eq!(fit(name, number), Ok(country.to_owned()), "{name} {number}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_in_words_without_the_number() {
        for (name, number, words) in [
            ("", "+2250700000001", "payout_network must be one of moov_money, mtn_momo, orange_money, wave"),
            ("Wave", "+2250700000001", "payout_network must be one of moov_money, mtn_momo, orange_money, wave"),
            ("orange_money", "+2250500000001", "payout_mobile is not a number of orange_money"),
            ("mtn_momo", "+2250700000001", "payout_mobile is not a number of mtn_momo"),
            ("orange_money", "+221761234567", "payout_mobile is not a number of orange_money"),
            ("wave", "+2252123456789", "payout_mobile is not a mobile number"),
            ("wave", "+233241234567", "payout_network wave is not in the country of payout_mobile, which has mtn_momo"),
            (
                "orange_money",
                "+2290195123456",
                "payout_network orange_money is not in the country of payout_mobile, which has moov_money, mtn_momo",
            ),
            ("wave", "+14155552671", "payout_mobile is of a country without payouts"),
            ("wave", "+80012345678", "payout_mobile is of a country without payouts"),
        ] {
            assert_eq!(fit(name, number), Err(words.to_owned()), "{name} {number}");
        }
    }

    #[test]
    fn countries_that_share_a_code_are_told_apart() {
        let networks: Networks = "wallet:CA:CAD,wallet:JM:JMD".parse().unwrap();
        let country = |number: &str| networks.fit("wallet", &Phone::parse(number).unwrap()).unwrap().country;
        assert_eq!(country("+15062345678"), Country::CA);
        assert_eq!(country("+18762101234"), Country::JM);
        let usa = Phone::parse("+14155552671").unwrap();
        assert!(matches!(networks.fit("wallet", &usa), Err(Unfit::NotInCountry { there, .. }) if there.is_empty()));
    }

    #[test]
    fn a_list_is_read_as_it_is_documented_or_not_at_all() {
        let networks: Networks = "a:CI:XOF:07|0501, b_2:GH:GHS ,a:SN:XOF".parse().unwrap();
        let first = networks.iter().next().unwrap();
        assert_eq!((first.name.as_str(), first.country, first.currency), ("a", Country::CI, Currency::XOF));
        assert_eq!(first.prefixes, ["07", "0501"]);
        assert_eq!(networks.iter().count(), 3);
        for wrong in [
            "",
            ",",
            "a",
            "a:CI",
            ":CI:XOF",
            "A:CI:XOF",
            "a b:CI:XOF",
            "a:ci:XOF",
            "a:CIV:XOF",
            "a:ZZ:XOF",
            "a:CI:XYZ",
            "a:CI:xof",
            "a:CI:XOF:",
            "a:CI:XOF:07|",
            "a:CI:XOF:x",
            "a:CI:XOF:07:08",
            "a:CI:XOF:+22507",
            "a:CI:XOF,",
            "a:CI:XOF,a:CI:XOF",
            "a:CI:XOF:07,a:CI:GHS:08",
        ] {
            assert!(wrong.parse::<Networks>().is_err(), "{wrong:?}");
        }
    }
}
