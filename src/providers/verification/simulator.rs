//! A provider that looks at numbers and fingerprints, and sends nothing.

use async_trait::async_trait;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Begun, Finding, Person, Residence, Start, TrustScore, VerificationError, VerificationProvider};

/// Goes by the last digits of numbers: nothing reaches `…9001`, `…9002` is refused, for `…9003` there is no answer.
/// A fingerprint `denied` proves nothing, `unavailable` gets no answer, `forgotten` is of no check; `Jane-Doe` is Jane Doe
/// and `Jane-Doe-300` is trusted by 300 only; every other one is Tod Weedall. The day of birth and the last digits of the
/// social security number are those that were told at the start.
///
/// It remembers nothing: what was told travels in its reference.
pub struct Simulator;

/// What the reference says.
#[derive(Serialize, Deserialize)]
struct Told {
    date_of_birth: Option<NaiveDate>,
    ssn: Option<String>,
}

const NO_ANSWER: &str = "the simulator does not answer for this one";

/// Of whom nothing was told.
const SSN: &str = "565228370";

impl Told {
    /// Nine digits that end as those that were told.
    fn whole_ssn(&self) -> String {
        let told = self.ssn.as_deref().unwrap_or_default();
        let begun = SSN.get(..SSN.len().saturating_sub(told.len())).unwrap_or_default();
        format!("{begun}{told}")
    }
}

/// Two names, and perhaps a score, in a fingerprint.
fn read(fingerprint: &str) -> Option<(&str, &str, TrustScore)> {
    let is_name = |name: &str| !name.is_empty() && name.chars().all(char::is_alphanumeric);
    let mut parts = fingerprint.splitn(3, '-');
    let (first, last) = (parts.next()?, parts.next()?);
    let score = parts.next().map_or(Some(1000), |score| score.parse().ok())?;
    (is_name(first) && is_name(last) && (0..=1000).contains(&score)).then_some((first, last, score))
}

#[async_trait]
impl VerificationProvider for Simulator {
    async fn start(&self, start: &Start) -> Result<Begun, VerificationError> {
        let number = &start.mobile_number;
        match number.get(number.len().saturating_sub(4)..).unwrap_or_default() {
            "9001" => Ok(Begun::Unreachable),
            "9002" => Ok(Begun::Refused),
            "9003" => Err(VerificationError::Unsure(NO_ANSWER.to_owned())),
            _ => {
                let told = Told { date_of_birth: start.date_of_birth, ssn: start.ssn.clone() };
                let reference = serde_json::to_string(&told);
                let reference =
                    reference.map_err(|_| VerificationError::Ours("the simulator cannot write".to_owned()))?;
                Ok(Begun::Sent { reference })
            }
        }
    }

    async fn validate(&self, _: Uuid, reference: &str, fingerprint: &str) -> Result<Finding, VerificationError> {
        let Ok(told) = serde_json::from_str::<Told>(reference) else { return Ok(Finding::Unknown) };
        match fingerprint {
            "denied" => return Ok(Finding::NotProven),
            "forgotten" => return Ok(Finding::Unknown),
            "unavailable" => return Err(VerificationError::Unsure(NO_ANSWER.to_owned())),
            _ => {}
        }
        let (first, last, trust_score) = read(fingerprint).unwrap_or(("Tod", "Weedall", 1000));
        Ok(Finding::Proven(Box::new(Person {
            first_name: first.to_owned(),
            last_name: last.to_owned(),
            address: Residence {
                address: Some("39 South Trail".to_owned()),
                extended_address: Some(String::new()),
                city: Some("San Antonio".to_owned()),
                region: Some("TX".to_owned()),
                postal_code: Some("78285".to_owned()),
            },
            email_addresses: vec![format!("{}@mail.invalid", last.to_lowercase())],
            ssn: Some(told.whole_ssn()),
            date_of_birth: told.date_of_birth.or_else(|| NaiveDate::from_ymd_opt(1984, 12, 10)),
            trust_score,
        })))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use super::*;

    fn start(number: &str, ssn: Option<&str>) -> Start {
        Start {
            check: Uuid::now_v7(),
            source_ip: "127.0.0.1".parse().unwrap(),
            final_target_url: "https://example.com".parse().unwrap(),
            mobile_number: number.to_owned(),
            date_of_birth: NaiveDate::from_ymd_opt(1994, 1, 1),
            ssn: ssn.map(str::to_owned),
        }
    }

    #[tokio::test]
    async fn it_goes_by_the_last_digits_of_numbers() {
        assert!(matches!(Simulator.start(&start("+12001009001", None)).await, Ok(Begun::Unreachable)));
        assert!(matches!(Simulator.start(&start("+12001009002", None)).await, Ok(Begun::Refused)));
        assert!(Simulator.start(&start("+12001009003", None)).await.is_err());
        assert!(matches!(Simulator.start(&start("+12001001686", None)).await, Ok(Begun::Sent { .. })));
    }

    #[tokio::test]
    async fn a_fingerprint_says_who_it_is_and_the_start_when_they_were_born() {
        let start = start("+12001001686", Some("1232"));
        let reference = match Simulator.start(&start).await {
            Ok(Begun::Sent { reference }) => reference,
            _ => String::new(),
        };
        let ask = async |fingerprint: &str| Simulator.validate(start.check, &reference, fingerprint).await;
        let who = async |fingerprint: &str| match ask(fingerprint).await {
            Ok(Finding::Proven(person)) => {
                let born = person.date_of_birth.unwrap();
                format!(
                    "{} {} {} {} {born}",
                    person.first_name,
                    person.last_name,
                    person.trust_score,
                    person.ssn.as_deref().unwrap()
                )
            }
            _ => "nobody".to_owned(),
        };
        assert_eq!(who("string").await, "Tod Weedall 1000 565221232 1994-01-01");
        assert_eq!(who("Jane-Doe").await, "Jane Doe 1000 565221232 1994-01-01");
        assert_eq!(who("Jane-Doe-300").await, "Jane Doe 300 565221232 1994-01-01");
        assert_eq!(who("Jane-Doe-3000").await, "Tod Weedall 1000 565221232 1994-01-01");
        for nobody in ["denied", "forgotten", "unavailable"] {
            assert_eq!(who(nobody).await, "nobody");
        }
        assert!(ask("unavailable").await.is_err());
    }
}
