#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// A picture, as far as its first bytes go.
const PICTURE: &str = "base64,iVBORw0KGgoAAAANSUhEUgAAAZ4AAAEDCAYAAAAFhGKSAAAAAXNSR0IArs4c6QAAAARnQU1BAACxjwv8YQUA";

fn document() -> Value {
    json!({"documentType": "8", "fileName": "filename.png", "content": PICTURE, "countryCode": "US"})
}

fn address() -> Value {
    json!({"address1": "x", "city": "Lorem", "state": "CA", "isoCountryCode": "US", "postalCode": "90213"})
}

fn person(email: &str) -> Value {
    json!({
        "title": "supervisor", "identification": document(), "documents": [document()], "dateOfBirth": "2000-12-01",
        "emailAddress": email, "firstName": "First name", "lastName": "Last name", "phoneNumber": "9100000000",
        "phoneNumberType": 0, "address": address(), "tax": {"idNumber": "1", "country": "US", "state": "NY"},
    })
}

fn business() -> Value {
    json!({
        "businessUserLegalName": "Jone Doe", "domain": "jonedoe", "businessUserName": "Jone Doe",
        "businessUserAddress": address(), "businessEntityName": "Not Applicable", "incorporationDocs": document(),
        "jurisdictionDocs": document(), "otherDocs": [], "entityBeneficialOwners": [], "individualBeneficialOwners": [],
        "memoFields": {"name": "<string>"}, "bankVerificationNumber": "b", "businessUserEmail": "lorem@mygmail.com",
        "taxId": "122", "phoneNumber": "123456789", "controlPersons": person("Test@test.com"),
        "registeredOfficeAddress": address(), "proofOfAddress": document(), "signatories": [person("test@test.com")],
        "governingDocuments": [document()], "clientToken": "CLT",
    })
}

fn read(business: Value) -> Result<Told> {
    let told = serde_json::from_value(business).map_err(|error| Error::bad_request("unread", error.to_string()))?;
    Told::of(told, NaiveDate::from_ymd_opt(2026, 1, 1).unwrap())
}

fn with(path: &str, value: Value) -> std::result::Result<Told, String> {
    let mut told = business();
    let (parent, field) = path.rsplit_once('/').unwrap();
    told.pointer_mut(parent).unwrap()[field] = value;
    read(told).map_err(|error| error.message().to_owned())
}

#[test]
fn what_is_told_is_kept_with_papers_by_their_ids() {
    let told = read(business()).unwrap();
    assert_eq!(told.papers.len(), 8);
    assert_eq!(told.control_emails, ["test@test.com"]);
    let id = told.profile.0["incorporationDocs"]["content"].as_str().unwrap();
    assert!(told.papers.iter().any(|paper| paper.id.to_string() == id));
    assert!(!serde_json::to_string(&told.profile).unwrap().contains("iVBOR"));
    // As the first document called it, and with several who control it.
    let mut older = business();
    older["taxIdNumber"] = older["taxId"].take();
    older["controlPersons"] = json!([person("a@b.example"), person("A@b.example"), person("c@b.example")]);
    let told = read(older).unwrap();
    assert_eq!(told.profile.0["taxId"], "122");
    assert_eq!(told.control_emails, ["a@b.example", "c@b.example"]);
}

#[test]
fn what_is_wrong_is_named_by_where_it_lies() {
    let wrong = |path, value| with(path, value).map(drop).unwrap_err();
    assert_eq!(wrong("/incorporationDocs/content", json!("MZ")), "incorporationDocs.content is not base64");
    assert_eq!(wrong("/incorporationDocs/content", json!(null)), "incorporationDocs.content is required");
    assert_eq!(wrong("/otherDocs", json!([{}])), "otherDocs[0].fileName is required");
    assert_eq!(wrong("/controlPersons/firstName", json!(null)), "controlPersons[0].firstName is required");
    assert_eq!(
        wrong("/controlPersons/dateOfBirth", json!("2030-01-01")),
        "controlPersons[0].dateOfBirth must be a day that is past, such as 2000-12-01 or 01-12-2000"
    );
    assert_eq!(
        wrong("/signatories/0/phoneNumber", json!("x")),
        "signatories[0].phoneNumber must be a telephone number"
    );
    assert_eq!(
        wrong("/entityBeneficialOwners", json!([{"entityBeneficialOwners": [{"ownershipPercentage": 100.5}]}])),
        "entityBeneficialOwners[0].entityBeneficialOwners[0].ownershipPercentage must be a percentage from 0 to 100"
    );
    assert_eq!(
        wrong("/individualBeneficialOwners", json!([{"email": "x"}])),
        "individualBeneficialOwners[0].email must be an e-mail address"
    );
    assert_eq!(
        wrong("/memoFields/deep", json!({"a": {}})),
        "memoFields must be a few texts and numbers by their names"
    );
    for (path, value) in [
        ("/businessUserAddress/isoCountryCode", json!("XX")),
        ("/businessUserAddress/state", json!("ZZ")),
        ("/incorporationDocs/countryCode", json!("usa")),
    ] {
        assert_eq!(wrong(path, value), "Please provide a valid ISO 3166-1 alpha-2 country and state code");
    }
    for name in ["filename", "file name.png", "../x.png", "x.exe", ".png", "x.png.exe"] {
        assert!(with("/proofOfAddress/fileName", json!(name)).is_err(), "{name}");
    }
    for kind in [json!("0"), json!("10"), json!("x"), json!(1.5), json!(true)] {
        assert!(with("/proofOfAddress/documentType", kind.clone()).is_err(), "{kind}");
    }
    assert!(with("/proofOfAddress/documentType", json!(8)).is_ok());
}

#[test]
fn placeholders_and_owners_of_whom_nothing_is_told_say_nothing() {
    let owners = json!([{}, {"legalName": "<string>"}, {"legalName": "Holding", "entityBeneficialOwners": [{}]}]);
    let told = with("/entityBeneficialOwners", owners).unwrap();
    assert_eq!(
        told.profile.0["entityBeneficialOwners"],
        json!([{"legalName": "Holding", "entityBeneficialOwners": []}])
    );
}

/// Owners of owners so deep, each beside so many others.
fn nested(depth: usize, beside: usize) -> Value {
    let mut owners = json!([]);
    for level in 0..depth {
        let mut all: Vec<Value> = (0..beside).map(|index| json!({"legalName": format!("{level} {index}")})).collect();
        all.push(json!({"legalName": format!("{level}"), "entityBeneficialOwners": owners}));
        owners = json!(all);
    }
    owners
}

proptest! {
    #[test]
    fn owners_lie_five_deep_and_are_a_hundred_at_most(depth in 0usize..12, beside in 0usize..40) {
        // Two more control the business and sign for it.
        let is_within = depth <= DEEPEST && depth * (beside + 1) + 2 <= MOST_PARTIES;
        let read = with("/entityBeneficialOwners", nested(depth, beside));
        prop_assert_eq!(read.is_ok(), is_within, "{:?}", read.err());
    }

    #[test]
    fn no_value_anywhere_makes_it_panic(field in 0usize..30, text in "\\PC{0,40}") {
        let told = business();
        let name = told.as_object().unwrap().keys().nth(field % 21).unwrap().clone();
        for value in [json!(text), json!([text]), json!({ text.clone(): text }), json!([{"fileName": text}]), json!(1e300)] {
            let _ = with(&format!("/{name}"), value);
        }
    }
}

#[test]
fn a_share_is_a_percentage() {
    for good in ["0", "20", "33.333333", "100", "100.00"] {
        assert!(check_share("s", Some(good)).is_ok(), "{good}");
    }
    for bad in ["", "-1", "100.01", "101", "1e2", "1.2.3", ".5", "20%", "0x10", "33.3333333"] {
        assert!(check_share("s", Some(bad)).is_err(), "{bad}");
    }
}
