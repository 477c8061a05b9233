//! Withdrawals: what is asked for and what is decided.

use alloy::primitives::Address;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{KIND, PREFIX, Status, events, reconciliation, store};
use crate::chain::{self, NewOperation, Payer, SmartWallet};
use crate::db::{self, TenantTx};
use crate::foundation::{Amount, ClientKey, Mode, Phone, PublicId, Sealed, TenantId, Token};
use crate::http::{Error, Result};
use crate::ledger::{self, AccountKind, Outcome, Posting};
use crate::product::fx::Payout;
use crate::product::rules::Passed;
use crate::webhooks;

/// A withdrawal that somebody asks for.
pub struct NewWithdrawal {
    /// Whose.
    pub tenant: TenantId,
    /// Live or test.
    pub mode: Mode,
    /// Its id, a fresh UUIDv7, which its operation and its ledger transfer bear as well.
    pub id: Uuid,
    /// Who pays.
    pub customer: Uuid,
    /// From which wallet.
    pub wallet: SmartWallet,
    /// What is paid.
    pub token: Token,
    /// How much, in the token's base units.
    pub amount: Amount,
    /// Who receives the local money.
    pub mobile: Recipient,
    /// Through which network, as callers know it.
    pub network: String,
    /// In which country, ISO 3166-1 alpha-2.
    pub country: String,
    /// How much local money, and at which rate.
    pub payout: Payout,
    /// The tenant's own name for it.
    pub idempotency_key: Option<ClientKey>,
    /// What was asked for under that name.
    pub digest: [u8; 32],
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
}

/// The mobile number that receives local money, as it is stored.
pub struct Recipient {
    /// Under the customer's key.
    pub sealed: Sealed,
    /// For people to recognise.
    pub hint: String,
}

impl Recipient {
    /// What a number is sealed for.
    pub fn context(tenant: TenantId, withdrawal: Uuid) -> String {
        format!("payout number of withdrawal {tenant} {withdrawal}")
    }

    /// The number with all but its beginning and its end hidden: `+225********02`.
    pub fn hint(mobile: &Phone) -> String {
        let digits = mobile.e164();
        let (start, end) = (4, digits.len().saturating_sub(2));
        digits.char_indices().map(|(at, digit)| if (start..end).contains(&at) { '*' } else { digit }).collect()
    }
}

/// A stored withdrawal, as an answer tells it.
#[derive(Clone, Debug)]
pub struct Known {
    /// Its id.
    pub id: Uuid,
    /// Where it stands.
    pub status: Status,
}

impl Known {
    /// The id as callers see it: `wdrl_0197…`.
    pub fn public_id(&self) -> String {
        PublicId::format(PREFIX, self.id)
    }
}

/// A tenant's withdrawals.
pub struct Withdrawals;

impl Withdrawals {
    /// Whether a customer may still be paid local money, or have it tried again: until then the number is needed.
    pub async fn owe(tx: &mut TenantTx, customer: Uuid) -> db::Result<bool> {
        store::owe(tx, customer).await
    }

    /// The withdrawal that was asked for under this name before; 409 when something else was.
    pub(super) async fn repeated(
        tx: &mut TenantTx,
        mode: Mode,
        key: &ClientKey,
        digest: [u8; 32],
    ) -> Result<Option<Known>> {
        match store::find_by_key(tx, mode, key).await? {
            None => Ok(None),
            Some((known, asked)) if asked == digest => Ok(Some(known)),
            Some(_) => Err(key_reused()),
        }
    }

    /// Stores a withdrawal that its wallet covers, with the ledger's reservation, the operation that sweeps the tokens
    /// to `treasury`, and its event. Of several at once with one name the first wins: 409 for the others.
    pub(super) async fn accept(
        tx: &mut TenantTx,
        treasury: Address,
        withdrawal: &NewWithdrawal,
        _: Passed,
    ) -> Result<Known> {
        if withdrawal.mode == Mode::Live {
            let outcomes = ledger::reserve(tx, &[reservation(withdrawal)]).await?;
            if outcomes != [Outcome::Accepted] {
                return Err(Error::internal("the ledger refuses the reservation of a new withdrawal"));
            }
        }
        chain::enqueue(tx, &[sweep(treasury, withdrawal)]).await?;
        let row = store::insert(tx, withdrawal).await?;
        store::add_steps(tx, &[store::Step::of(&row, Status::Pending.as_str(), row.created_at)]).await?;
        webhooks::emit(tx, &[events::told(&row, Status::Pending, row.created_at, Some(&withdrawal.token))?]).await?;
        Ok(Known { id: withdrawal.id, status: Status::Pending })
    }

    /// Where the withdrawals of the transaction's tenants and the ledger's transfers contradict each other, in words.
    pub async fn contradictions(tx: &mut TenantTx) -> db::Result<Vec<String>> {
        reconciliation::contradictions(tx).await
    }
}

/// 409: the name stands for another withdrawal.
#[track_caller]
pub fn key_reused() -> Error {
    Error::conflict("idempotency_key_reused", "this idempotency_key was sent with another withdrawal")
}

fn reservation(withdrawal: &NewWithdrawal) -> Posting {
    Posting {
        tenant: withdrawal.tenant,
        id: withdrawal.id,
        debit: AccountKind::Customers,
        credit: AccountKind::Payouts,
        token: withdrawal.token.symbol.to_string(),
        amount: withdrawal.amount,
        reason: KIND,
        reference: format!("{KIND}:{}", withdrawal.id),
    }
}

fn sweep(treasury: Address, withdrawal: &NewWithdrawal) -> NewOperation {
    NewOperation {
        tenant: withdrawal.tenant,
        mode: withdrawal.mode,
        id: withdrawal.id,
        kind: KIND,
        reference: PublicId::format(PREFIX, withdrawal.id),
        payer: Payer::Wallet(withdrawal.wallet),
        token: withdrawal.token.contract,
        recipient: treasury,
        amount: withdrawal.amount,
        rehearsed_failure: chain::rehearsed_failure(withdrawal.mode, &withdrawal.token, withdrawal.amount),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use super::*;

    #[test]
    fn a_hint_hides_the_number() {
        let hint = |text| Recipient::hint(&Phone::parse(text).unwrap());
        assert_eq!(hint("+2250700000002"), "+225********02");
        assert_eq!(hint("+14155552671"), "+141******71");
    }
}
