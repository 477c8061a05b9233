//! Accepting deposits: those that are asked for at the same time are decided together.

use alloy::primitives::Address;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, SubsecRound, Utc};
use uuid::Uuid;

use super::deposit::{Decision, Deposits, NewDeposit};
use super::request::Wish;
use super::routes::AcceptedDeposit;
use crate::batch::Work;
use crate::db::TenantTx;
use crate::foundation::{BlindIndex, Clock, Mode, TenantId};
use crate::http::idempotency::{self, Accepted, Once, Repeated};
use crate::http::{Error, Result};
use crate::product::users::{Customer, Directory};

/// Decides what is asked for, in one transaction for all that wait.
pub struct Acceptance {
    /// What live deposits are paid from.
    pub treasury: Address,
    /// The time.
    pub clock: Clock,
}

/// A request for a deposit.
pub struct Ask {
    pub tenant: TenantId,
    pub mode: Mode,
    /// By which the customer is found.
    pub customer: BlindIndex,
    pub wish: Wish,
    pub once: Once,
}

/// A request that is decided now, and where its answer goes.
struct Open<'a> {
    ask: &'a Ask,
    answer: &'a mut Option<Result<Response>>,
}

impl Work for Acceptance {
    const NAME: &'static str = "fund";
    type Item = Ask;
    type Outcome = Result<Response>;

    fn tenant(ask: &Ask) -> TenantId {
        ask.tenant
    }

    async fn perform(&self, tx: &mut TenantTx, asks: &[Ask]) -> Result<Vec<Result<Response>>> {
        let repeated: Vec<Repeated<'_>> = asks.iter().map(Ask::repeated).collect();
        let mut answers = idempotency::replay_all(tx, &repeated).await?;
        let open = asks.iter().zip(&mut answers).filter(|(_, answer)| answer.is_none());
        let open: Vec<Open<'_>> = open.map(|(ask, answer)| Open { ask, answer }).collect();

        let names: Vec<_> = open.iter().map(|one| one.ask.customer()).collect();
        let customers = Directory::find_all(tx, &names).await?;
        let now = self.clock.now().trunc_subsecs(6);
        let (mut live, mut test) = (Vec::new(), Vec::new());
        for one in open {
            match (customers.get(&one.ask.customer()), one.ask.mode) {
                (None, _) => *one.answer = Some(Err(Directory::not_provisioned())),
                (Some(customer), Mode::Live) => live.push((one.ask.deposit(customer, now), one)),
                (Some(customer), Mode::Test) => test.push((one.ask.deposit(customer, now), one)),
            }
        }
        let mut accepted = Vec::new();
        for (mode, group) in [(Mode::Live, live), (Mode::Test, test)] {
            accepted.extend(self.decide(tx, mode, group).await?);
        }
        let kept: Vec<(Repeated<'_>, &Accepted)> =
            accepted.iter().map(|(one, accepted)| (one.ask.repeated(), accepted)).collect();
        idempotency::keep_all(tx, &kept).await?;
        for (one, accepted) in accepted {
            *one.answer = Some(Ok(accepted.response()));
        }
        Ok(answers.into_iter().map(|answer| answer.unwrap_or_else(|| Err(undecided()))).collect())
    }
}

impl Acceptance {
    /// Answers those that are refused, and returns those that are accepted.
    async fn decide<'a>(
        &self,
        tx: &mut TenantTx,
        mode: Mode,
        group: Vec<(NewDeposit, Open<'a>)>,
    ) -> Result<Vec<(Open<'a>, Accepted)>> {
        if group.is_empty() {
            return Ok(Vec::new());
        }
        let (wanted, open): (Vec<NewDeposit>, Vec<Open<'a>>) = group.into_iter().unzip();
        let decisions = match mode {
            Mode::Live => Deposits::request(tx, self.treasury, &wanted).await?,
            Mode::Test => Deposits::simulate(tx, self.treasury, &wanted).await?,
        };
        let mut accepted = Vec::with_capacity(wanted.len());
        for ((one, deposit), decision) in open.into_iter().zip(&wanted).zip(decisions) {
            match refusal(deposit, &decision) {
                Some(refusal) => *one.answer = Some(Err(refusal)),
                None => {
                    let body = serde_json::to_vec(&AcceptedDeposit::of(deposit)).map_err(Error::internal)?;
                    accepted.push((one, Accepted { status: StatusCode::ACCEPTED, body }));
                }
            }
        }
        Ok(accepted)
    }
}

impl Ask {
    fn repeated(&self) -> Repeated<'_> {
        Repeated { tenant: self.tenant, mode: self.mode, once: &self.once }
    }

    fn customer(&self) -> (TenantId, Mode, &BlindIndex) {
        (self.tenant, self.mode, &self.customer)
    }

    /// What is asked for, with an id that is fresh also when the same is tried again. The time is as precise as the
    /// database's, so that this answer and later ones agree.
    fn deposit(&self, customer: &Customer, now: DateTime<Utc>) -> NewDeposit {
        NewDeposit {
            tenant: self.tenant,
            mode: self.mode,
            id: Uuid::now_v7(),
            deposit_id: self.wish.deposit_id.clone(),
            customer: customer.id,
            wallet: customer.wallet,
            token: self.wish.token.clone(),
            amount: self.wish.amount,
            local_fiat_amount: self.wish.local_fiat_amount,
            created_at: now,
        }
    }
}

fn undecided() -> Error {
    Error::internal("a request was not decided")
}

fn refusal(deposit: &NewDeposit, decision: &Decision) -> Option<Error> {
    match decision {
        Decision::Accepted => None,
        Decision::Insufficient => Some(Error::payment_required(
            "insufficient_balance",
            format!(
                "the treasury balance of {} does not cover this deposit; top up via /v1/dashboard/treasury/topup",
                deposit.token.symbol
            ),
        )),
        Decision::Duplicate(status) => Some(
            Error::conflict(
                "duplicate_deposit",
                format!("a deposit of this deposit_id exists and is {}", status.as_str()),
            )
            .with("deposit_id", deposit.deposit_id.as_str())
            .with("status", status),
        ),
    }
}
