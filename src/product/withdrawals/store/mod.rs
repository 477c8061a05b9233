//! SQL of withdrawals.

mod payout;
mod payout_end;
mod refund;
mod step;
mod sweep;
mod withdrawal;

pub use payout::{Asked, Due, NewPayout};
pub use payout::{add as add_payouts, asked as asked_payout, begin, claim, hurry, later, refused as refused_payouts};
pub use payout_end::{
    Note, Open, confirm_open, end as end_payout, insert_paid, open as open_payout, state_of as state_of_payout,
};
pub use refund::{
    claim as claim_refunds, end as end_refund, postpone as postpone_refund, schedule as schedule_refund,
    send as send_refund,
};
pub use step::{Step, add as add_steps};
pub use sweep::advance;
pub use withdrawal::{Contradiction, Row};
pub use withdrawal::{complete, contradictions, find, find_by_key, insert, owe, owner, refuse, retry};
