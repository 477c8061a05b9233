//! PawaPay's names of networks (docs.pawapay.io/v2/docs/providers).

/// The code of a network by its name and its country (ISO 3166-1 alpha-2).
pub fn provider(network: &str, country: &str) -> Option<&'static str> {
    let code = match (network, country) {
        ("orange_money", "BF") => "ORANGE_BFA",
        ("orange_money", "CI") => "ORANGE_CIV",
        ("orange_money", "CM") => "ORANGE_CMR",
        ("orange_money", "SN") => "ORANGE_SEN",
        ("wave", "CI") => "WAVE_CIV",
        ("wave", "SN") => "WAVE_SEN",
        ("mtn_momo", "BJ") => "MTN_MOMO_BEN",
        ("mtn_momo", "CG") => "MTN_MOMO_COG",
        ("mtn_momo", "CI") => "MTN_MOMO_CIV",
        ("mtn_momo", "CM") => "MTN_MOMO_CMR",
        ("mtn_momo", "GH") => "MTN_MOMO_GHA",
        ("mtn_momo", "RW") => "MTN_MOMO_RWA",
        ("mtn_momo", "UG") => "MTN_MOMO_UGA",
        ("mtn_momo", "ZM") => "MTN_MOMO_ZMB",
        ("moov_money", "BF") => "MOOV_BFA",
        ("moov_money", "BJ") => "MOOV_BEN",
        ("moov_money", "CI") => "MOOV_CIV",
        _ => return None,
    };
    Some(code)
}
