//! SQL of withdrawals.

mod payout;
mod refund;
mod step;
mod sweep;
mod withdrawal;

pub use payout::{
    Asked, Due, Note, add as add_payouts, begin, claim, end as end_payout, hurry, later, owner_of_withdrawal,
};
pub use payout::{NewPayout, confirm_open, insert_paid, open as open_payout, refused as refused_payout};
pub use refund::{
    due as due_refunds, end as end_refund, postpone as postpone_refund, schedule as schedule_refund,
    send as send_refund,
};
pub use step::{Step, add as add_steps};
pub use sweep::advance;
pub use withdrawal::{Contradiction, Row, complete, contradictions, find, find_by_key, insert, refuse, retry};
