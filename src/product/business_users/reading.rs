//! What a tenant tells of a business, in order: checked, in one form, and with papers named by their ids.

use chrono::NaiveDate;
use serde::Serialize;
use serde_json::Value;

use super::checks::{
    MOST_FIELDS, check_country, check_email, check_number, check_object, check_place, check_share, check_text,
    is_file_name, line, required_place,
};
use super::owner::{ControlPerson, EntityOwner, IndividualOwner};
use super::request::{BusinessDocument, NewBusinessUser, Object};
use crate::foundation::day;
use crate::http::{Error, Result};
use crate::product::customers::{Paper, Profile};

/// How deep owners of owners may lie.
const DEEPEST: usize = 5;

/// Owners, controllers and signatories at most, wherever they lie.
const MOST_PARTIES: usize = 100;

/// Papers at most.
const MOST_PAPERS: usize = 100;

/// Years that anybody has at most.
const OLDEST: u32 = 130;

/// What was told of a business: checked, with its papers.
pub struct Told {
    /// In the words of the wallet API.
    pub profile: Profile,
    /// The papers that it names.
    pub papers: Vec<Paper>,
    /// The e-mail addresses of who controls it, each once.
    pub control_emails: Vec<String>,
}

impl Told {
    /// Puts what was told in order; 400 names what is wrong with it. What names wallet, badge and business is not part of it.
    pub fn of(told: NewBusinessUser, today: NaiveDate) -> Result<Self> {
        let mut reader = Reader { today, papers: Vec::new(), parties: 0 };
        let mut profile = Profile(Object::new());
        let mut put = |name: &str, value: Result<Value>| -> Result<()> {
            profile.0.insert(name.to_owned(), value?);
            Ok(())
        };
        put("businessUserLegalName", line("businessUserLegalName", told.business_user_legal_name))?;
        put("businessUserName", line("businessUserName", told.business_user_name))?;
        put("domain", line("domain", told.domain))?;
        put("businessEntityName", line("businessEntityName", told.business_entity_name))?;
        if let Some(id) = told.business_entity_id {
            put("businessEntityId", line("businessEntityId", Some(id)))?;
        }
        put("taxId", line("taxId", told.tax_id.or(told.tax_id_number)))?;
        put("bankVerificationNumber", line("bankVerificationNumber", told.bank_verification_number))?;
        put("businessUserEmail", line("businessUserEmail", told.business_user_email))?;
        put("clientToken", line("clientToken", told.client_token))?;
        put("businessUserAddress", required_place("businessUserAddress", told.business_user_address))?;
        put("registeredOfficeAddress", required_place("registeredOfficeAddress", told.registered_office_address))?;
        let memo = told.memo_fields.ok_or_else(|| Error::missing_field("memoFields"))?;
        check_object("memoFields", &memo)?;
        put("memoFields", Ok(Value::Object(memo)))?;
        check_email("businessUserEmail", profile.text("businessUserEmail"))?;

        let mut put = |name: &str, value: Value| drop(profile.0.insert(name.to_owned(), value));
        put("incorporationDocs", reader.required("incorporationDocs", told.incorporation_docs)?);
        put("jurisdictionDocs", reader.required("jurisdictionDocs", told.jurisdiction_docs)?);
        put("proofOfAddress", reader.required("proofOfAddress", told.proof_of_address)?);
        put("otherDocs", reader.list("otherDocs", told.other_docs)?);
        put("governingDocuments", reader.list("governingDocuments", told.governing_documents)?);
        let owners = told.entity_beneficial_owners.ok_or_else(|| Error::missing_field("entityBeneficialOwners"))?;
        put("entityBeneficialOwners", json(&reader.entities("entityBeneficialOwners", owners, 1)?)?);
        let owners =
            told.individual_beneficial_owners.ok_or_else(|| Error::missing_field("individualBeneficialOwners"))?;
        put("individualBeneficialOwners", json(&reader.individuals("individualBeneficialOwners", owners)?)?);
        let persons = told.control_persons.filter(|persons| !persons.is_empty());
        let persons = persons.ok_or_else(|| Error::missing_field("controlPersons"))?;
        let persons = reader.control_persons("controlPersons", persons)?;
        let control_emails = emails_of(&persons)?;
        put("controlPersons", json(&persons)?);
        let signatories = told.signatories.ok_or_else(|| Error::missing_field("signatories"))?;
        put("signatories", json(&reader.control_persons("signatories", signatories)?)?);
        Ok(Self { profile, papers: reader.papers, control_emails })
    }
}

/// The addresses by which nobody else may control a business.
fn emails_of(persons: &[ControlPerson]) -> Result<Vec<String>> {
    let mut emails = Vec::new();
    for person in persons {
        let email =
            person.email_address.as_deref().ok_or_else(|| Error::missing_field("controlPersons.emailAddress"))?;
        let email = email.to_lowercase();
        if !emails.contains(&email) {
            emails.push(email);
        }
    }
    Ok(emails)
}

/// Goes through all that was told, and takes the papers out.
struct Reader {
    today: NaiveDate,
    papers: Vec<Paper>,
    parties: usize,
}

impl Reader {
    fn entities(&mut self, path: &str, owners: Vec<EntityOwner>, depth: usize) -> Result<Vec<EntityOwner>> {
        let mut read = Vec::new();
        for (index, owner) in owners.into_iter().enumerate() {
            // The documented example has one of whom nothing is told.
            if !is_empty(&owner)? {
                read.push(self.entity(&format!("{path}[{index}]"), owner, depth)?);
            }
        }
        Ok(read)
    }

    fn entity(&mut self, path: &str, mut owner: EntityOwner, depth: usize) -> Result<EntityOwner> {
        self.count(path)?;
        if depth > DEEPEST {
            return Err(Error::invalid_field(path, format!("lies deeper than {DEEPEST} owners of owners")));
        }
        let field = |name: &str| format!("{path}.{name}");
        check_share(&field("ownershipPercentage"), owner.ownership_percentage.as_deref())?;
        for (name, text) in [
            ("ownershipType", &owner.ownership_type),
            ("legalName", &owner.legal_name),
            ("taxIdNumber", &owner.tax_id_number),
            ("taxState", &owner.tax_state),
            ("bvn", &owner.bvn),
        ] {
            check_text(&field(name), text.as_deref())?;
        }
        check_country(owner.tax_country.as_deref())?;
        check_number(&field("phoneNumber"), owner.phone_number.as_deref())?;
        check_place(&field("address"), owner.address.as_ref())?;
        owner.incorporation_docs = self.paper(&field("incorporationDocs"), owner.incorporation_docs)?;
        owner.jurisdiction_docs = self.paper(&field("jurisdictionDocs"), owner.jurisdiction_docs)?;
        owner.proof_of_address = self.paper(&field("proofOfAddress"), owner.proof_of_address)?;
        owner.other_docs = self.papers(&field("otherDocs"), owner.other_docs)?;
        if let Some(owners) = owner.entity_beneficial_owners {
            owner.entity_beneficial_owners =
                Some(self.entities(&field("entityBeneficialOwners"), owners, depth + 1)?);
        }
        if let Some(owners) = owner.individual_beneficial_owners {
            owner.individual_beneficial_owners = Some(self.individuals(&field("individualBeneficialOwners"), owners)?);
        }
        if let Some(persons) = owner.control_persons {
            owner.control_persons = Some(self.control_persons(&field("controlPersons"), persons)?);
        }
        Ok(owner)
    }

    fn individuals(&mut self, path: &str, owners: Vec<IndividualOwner>) -> Result<Vec<IndividualOwner>> {
        let mut read = Vec::new();
        for (index, owner) in owners.into_iter().enumerate() {
            if !is_empty(&owner)? {
                read.push(self.individual(&format!("{path}[{index}]"), owner)?);
            }
        }
        Ok(read)
    }

    fn individual(&mut self, path: &str, mut owner: IndividualOwner) -> Result<IndividualOwner> {
        self.count(path)?;
        let field = |name: &str| format!("{path}.{name}");
        check_share(&field("ownershipPercentage"), owner.ownership_percentage.as_deref())?;
        for (name, text) in [
            ("ownershipType", &owner.ownership_type),
            ("title", &owner.title),
            ("firstName", &owner.first_name),
            ("lastName", &owner.last_name),
            ("phoneType", &owner.phone_type),
            ("taxIdNumber", &owner.tax_id_number),
            ("taxState", &owner.tax_state),
            ("bankVerificationNumber", &owner.bank_verification_number),
        ] {
            check_text(&field(name), text.as_deref())?;
        }
        owner.dob = self.birth(&field("dob"), owner.dob)?;
        check_email(&field("email"), owner.email.as_deref())?;
        check_country(owner.tax_country.as_deref())?;
        check_number(&field("phoneNumber"), owner.phone_number.as_deref())?;
        check_place(&field("address"), owner.address.as_ref())?;
        owner.identification = self.paper(&field("identification"), owner.identification)?;
        owner.proof_of_address = self.paper(&field("proofOfAddress"), owner.proof_of_address)?;
        owner.other_docs = self.papers(&field("otherDocs"), owner.other_docs)?;
        Ok(owner)
    }

    fn control_persons(&mut self, path: &str, persons: Vec<ControlPerson>) -> Result<Vec<ControlPerson>> {
        let read = |(index, person)| self.control_person(&format!("{path}[{index}]"), person);
        persons.into_iter().enumerate().map(read).collect()
    }

    fn control_person(&mut self, path: &str, mut person: ControlPerson) -> Result<ControlPerson> {
        self.count(path)?;
        let field = |name: &str| format!("{path}.{name}");
        for (name, is_missing) in [
            ("firstName", person.first_name.is_none()),
            ("lastName", person.last_name.is_none()),
            ("emailAddress", person.email_address.is_none()),
            ("dateOfBirth", person.date_of_birth.is_none()),
            ("identification", person.identification.is_none()),
            ("address", person.address.is_none()),
        ] {
            if is_missing {
                return Err(Error::missing_field(&field(name)));
            }
        }
        for (name, text) in [
            ("title", &person.title),
            ("firstName", &person.first_name),
            ("lastName", &person.last_name),
            ("phoneNumberType", &person.phone_number_type),
            ("taxIdNumber", &person.tax_id_number),
            ("gender", &person.gender),
            ("bvn", &person.bvn),
        ] {
            check_text(&field(name), text.as_deref())?;
        }
        person.date_of_birth = self.birth(&field("dateOfBirth"), person.date_of_birth)?;
        check_email(&field("emailAddress"), person.email_address.as_deref())?;
        check_number(&field("phoneNumber"), person.phone_number.as_deref())?;
        check_place(&field("address"), person.address.as_ref())?;
        if let Some(tax) = &person.tax {
            check_object(&field("tax"), tax)?;
            check_country(tax.get("country").and_then(Value::as_str))?;
        }
        let attributes = person.custom_attributes.as_deref().unwrap_or_default();
        if attributes.len() > MOST_FIELDS {
            return Err(Error::invalid_field(&field("customAttributes"), "has too many entries"));
        }
        attributes.iter().try_for_each(|attribute| check_object(&field("customAttributes"), attribute))?;
        person.identification = self.paper(&field("identification"), person.identification)?;
        person.proof_of_address = self.paper(&field("proofOfAddress"), person.proof_of_address)?;
        person.documents = self.papers(&field("documents"), person.documents)?;
        Ok(person)
    }

    fn count(&mut self, path: &str) -> Result<()> {
        self.parties += 1;
        if self.parties <= MOST_PARTIES {
            return Ok(());
        }
        Err(Error::invalid_field(
            path,
            format!("is one of more than {MOST_PARTIES} owners, controllers and signatories"),
        ))
    }

    fn birth(&self, path: &str, text: Option<String>) -> Result<Option<String>> {
        let Some(text) = text else { return Ok(None) };
        let day = day::read(&text).filter(|day| self.today.years_since(*day).is_some_and(|years| years <= OLDEST));
        let wrong = || Error::invalid_field(path, "must be a day that is past, such as 2000-12-01 or 01-12-2000");
        Ok(Some(day.ok_or_else(wrong)?.to_string()))
    }

    fn required(&mut self, path: &str, document: Option<BusinessDocument>) -> Result<Value> {
        let document = document.ok_or_else(|| Error::missing_field(path))?;
        json(&self.paper(path, Some(document))?)
    }

    fn list(&mut self, path: &str, documents: Option<Vec<BusinessDocument>>) -> Result<Value> {
        let documents = documents.ok_or_else(|| Error::missing_field(path))?;
        json(&self.papers(path, Some(documents))?)
    }

    fn papers(
        &mut self,
        path: &str,
        documents: Option<Vec<BusinessDocument>>,
    ) -> Result<Option<Vec<BusinessDocument>>> {
        let Some(documents) = documents else { return Ok(None) };
        let mut read = Vec::new();
        for (index, document) in documents.into_iter().enumerate() {
            read.extend(self.paper(&format!("{path}[{index}]"), Some(document))?);
        }
        Ok(Some(read))
    }

    /// A paper's description with its id in place of the paper.
    fn paper(&mut self, path: &str, document: Option<BusinessDocument>) -> Result<Option<BusinessDocument>> {
        let Some(mut document) = document else { return Ok(None) };
        let field = |name: &str| format!("{path}.{name}");
        let name = document.file_name.as_deref().ok_or_else(|| Error::missing_field(&field("fileName")))?;
        if !is_file_name(name) {
            let why = "must be letters, digits and dashes with an extension such as .png or .pdf";
            return Err(Error::invalid_field(&field("fileName"), why));
        }
        let kind = document.document_type.as_deref().ok_or_else(|| Error::missing_field(&field("documentType")))?;
        if !matches!(kind.parse(), Ok(1u8..=9)) {
            return Err(Error::invalid_field(&field("documentType"), "must be a number from 1 to 9"));
        }
        let country = document.country_code.as_deref().ok_or_else(|| Error::missing_field(&field("countryCode")))?;
        check_country(Some(country))?;
        let content = document.content.take().ok_or_else(|| Error::missing_field(&field("content")))?;
        let paper = Paper::read_filed(&content).map_err(|why| Error::invalid_field(&field("content"), why))?;
        if self.papers.len() >= MOST_PAPERS {
            return Err(Error::invalid_field(path, format!("is one of more than {MOST_PAPERS} papers")));
        }
        document.content = Some(paper.id.to_string());
        self.papers.push(paper);
        Ok(Some(document))
    }
}

fn json(value: &impl Serialize) -> Result<Value> {
    serde_json::to_value(value).map_err(Error::internal)
}

fn is_empty(value: &impl Serialize) -> Result<bool> {
    Ok(json(value)?.as_object().is_some_and(Object::is_empty))
}

#[cfg(test)]
mod tests;
