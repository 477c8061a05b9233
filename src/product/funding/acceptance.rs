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
use crate::product::rules::{Movement, Operation, Passed, Rules};
use crate::product::users::{Customer, Directory};

/// Decides what is asked for, in one transaction for all that wait.
pub struct Acceptance {
    /// What live deposits are paid from.
    pub treasury: Address,
    /// The time.
    pub clock: Clock,
    /// What customers' badges forbid.
    pub rules: Rules,
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

/// A deposit that is decided now.
struct Candidate<'a> {
    deposit: NewDeposit,
    /// Whether rules have a say,
    is_badged: bool,
    /// and whether nobody else has.
    is_barred: bool,
    /// Of those on which rules have a say, whether what was weighed later counts it.
    was_counted: Option<bool>,
    open: Open<'a>,
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
                (Some(customer), Mode::Live) => live.push(Candidate::of(one, customer, now)),
                (Some(customer), Mode::Test) => test.push(Candidate::of(one, customer, now)),
            }
        }
        let mut accepted = Vec::new();
        for (mode, group) in [(Mode::Live, live), (Mode::Test, test)] {
            self.decide(tx, mode, now, group, &mut accepted).await?;
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
    /// Answers those that are refused, and adds those that are accepted.
    async fn decide<'a>(
        &self,
        tx: &mut TenantTx,
        mode: Mode,
        now: DateTime<Utc>,
        group: Vec<Candidate<'a>>,
        accepted: &mut Vec<(Open<'a>, Accepted)>,
    ) -> Result<()> {
        let is_alone = group.len() == 1;
        let operations: Vec<Operation> = group.iter().map(Candidate::operation).collect();
        let (admitted, passed) = match Passed::unrestricted(&operations) {
            Some(passed) => (group, passed),
            None => self.admit(tx, mode, now, group, &operations).await?,
        };
        self.request(tx, mode, admitted, passed, is_alone, accepted).await
    }

    /// Answers those that are forbidden; the others in their order.
    ///
    /// Rules count what was decided before, and a rule may well ask for more of it. So a deposit that repeats another, or
    /// that the treasury does not cover, must not be counted: what will become of each is known before the next is weighed.
    async fn admit<'a>(
        &self,
        tx: &mut TenantTx,
        mode: Mode,
        now: DateTime<Utc>,
        group: Vec<Candidate<'a>>,
        operations: &[Operation],
    ) -> Result<(Vec<Candidate<'a>>, Passed)> {
        let mut weighing = self.rules.weigh(tx, now, operations).await?;
        let deposits: Vec<&NewDeposit> = group.iter().map(|candidate| &candidate.deposit).collect();
        let mut prospects = Deposits::prospects(tx, mode, &deposits).await?;
        let mut admitted = Vec::with_capacity(group.len());
        for (place, mut candidate) in group.into_iter().enumerate() {
            // A repetition learns what became of the first, whatever the rules say by now.
            let forbidden = if prospects.is_new(&candidate.deposit) { weighing.forbids(place) } else { None };
            if let Some(forbidden) = forbidden {
                *candidate.open.answer = Some(Err(forbidden.into()));
                continue;
            }
            let will_happen = prospects.ask(&candidate.deposit);
            if will_happen {
                weighing.happens(place);
            }
            candidate.was_counted = candidate.is_badged.then_some(will_happen);
            admitted.push(candidate);
        }
        Ok((admitted, weighing.passed()))
    }

    /// Asks for what the rules admit.
    async fn request<'a>(
        &self,
        tx: &mut TenantTx,
        mode: Mode,
        admitted: Vec<Candidate<'a>>,
        passed: Passed,
        is_alone: bool,
        accepted: &mut Vec<(Open<'a>, Accepted)>,
    ) -> Result<()> {
        if admitted.is_empty() {
            return Ok(());
        }
        let mut counted = Vec::with_capacity(admitted.len());
        let (wanted, open): (Vec<NewDeposit>, Vec<Open<'a>>) = admitted
            .into_iter()
            .map(|candidate| {
                counted.push(candidate.was_counted);
                (candidate.deposit, candidate.open)
            })
            .unzip();
        let decisions = match mode {
            Mode::Live => Deposits::request(tx, self.treasury, &wanted, passed).await?,
            Mode::Test => Deposits::simulate(tx, self.treasury, &wanted, passed).await?,
        };
        for (((one, deposit), decision), counted) in open.into_iter().zip(&wanted).zip(decisions).zip(counted) {
            let happens = decision == Decision::Accepted;
            // Another server took the name meanwhile, on another account. What was weighed after it counted it: the batch
            // is undone, and done in parts.
            if !is_alone && counted.is_some_and(|counted| counted != happens) {
                return Err(Error::internal("a deposit came to something else than what rules have counted"));
            }
            match refusal(deposit, &decision) {
                Some(refusal) => *one.answer = Some(Err(refusal)),
                None => {
                    let body = serde_json::to_vec(&AcceptedDeposit::of(deposit)).map_err(Error::internal)?;
                    accepted.push((one, Accepted { status: StatusCode::ACCEPTED, body }));
                }
            }
        }
        Ok(())
    }
}

impl<'a> Candidate<'a> {
    fn of(open: Open<'a>, customer: &Customer, now: DateTime<Utc>) -> Self {
        let (is_badged, is_barred) = (customer.is_badged, customer.is_barred);
        Self { deposit: open.ask.deposit(customer, now), is_badged, is_barred, was_counted: None, open }
    }

    fn operation(&self) -> Operation {
        Operation {
            tenant: self.deposit.tenant,
            customer: self.deposit.customer,
            is_badged: self.is_badged,
            is_barred: self.is_barred,
            wallet: self.deposit.wallet,
            movement: Movement::Deposit,
            token: self.deposit.token.clone(),
            amount: self.deposit.amount,
        }
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
