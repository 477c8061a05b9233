//! Countries and their parts (ISO 3166).

use rust_iso3166::{from_alpha2, iso3166_2};

/// Whether it is a country (ISO 3166-1 alpha-2), and the state, if one is named, a part of it (ISO 3166-2, with or
/// without the country before it).
pub fn is_place(country: &str, state: Option<&str>) -> bool {
    let Some(country) = from_alpha2(country) else { return false };
    let Some(state) = state.filter(|state| !state.is_empty()) else { return true };
    let code = match state.split_once('-') {
        Some(_) => state.to_owned(),
        None => format!("{}-{state}", country.alpha2),
    };
    iso3166_2::from_code(&code).is_some_and(|part| part.country_code == country.alpha2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_of_its_country() {
        for (country, state) in
            [("US", "KY"), ("US", "US-KY"), ("US", ""), ("IN", "KA"), ("CI", "AB"), ("GB", "GB-EDH")]
        {
            assert!(is_place(country, Some(state)), "{country} {state}");
        }
        assert!(is_place("SN", None));
        for (country, state) in
            [("us", "KY"), ("USA", "KY"), ("XX", "KY"), ("", ""), ("US", "ky"), ("US", "IN-KA"), ("US", "ZZ")]
        {
            assert!(!is_place(country, Some(state)), "{country} {state}");
        }
    }
}
