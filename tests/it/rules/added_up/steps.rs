//! What may happen to Jane: any history, and any steps after it.

use super::*;

#[derive(Clone, Debug)]
pub struct Planted {
    pub kind: u8,
    pub many: i32,
    pub id_hours: i64,
    pub hours: i64,
    pub state: State,
    pub token: &'static str,
    pub amount: u32,
}

#[derive(Clone, Debug)]
pub enum Step {
    Plant(Planted),
    /// Some of those that had not ended do.
    End(&'static str),
    Outside(&'static str, i64),
    Undone,
    /// Some deposits are reversed, and what is written down is thrown away with that.
    Reverse,
}

/// Movements whose ids are of so many hours ago.
pub fn planted(id_hours: Vec<i64>) -> impl Strategy<Value = Planted> {
    let planted = (
        0..4_u8,
        prop::sample::select(vec![1, 3, 120, 260]),
        prop::sample::select(id_hours),
        // Today, this month, and before it.
        prop::sample::select(vec![1_i64, 14, 16, 100, 300, 500]),
        prop::sample::select(vec![State::Open, State::Done, State::Done, State::Done, State::Failed]),
        prop::sample::select(vec!["USDC", "USDC", "USDT"]),
        1..1000_u32,
    );
    planted.prop_map(|(kind, many, id_hours, hours, state, token, amount)| {
        // What happened today has an id of these two days.
        let id_hours = if hours < 16 { id_hours % 47 } else { id_hours };
        Planted { kind, many, id_hours, hours, state, token, amount }
    })
}

/// Movements as they may be before anybody has added any up: of any age.
pub fn history() -> impl Strategy<Value = Vec<Planted>> {
    prop::collection::vec(planted(vec![1, 30, 49, 60, 100, 200]), 1..12)
}

/// What happens afterwards, when no old ones come to be any more.
pub fn step() -> impl Strategy<Value = Step> {
    let planted = planted(vec![1, 30, 46]).prop_map(Step::Plant);
    let end = prop::sample::select(vec![
        "update deposit set status = 'SETTLED' where id in (select id from deposit where status = 'QUEUED' limit 200)",
        "update deposit set status = 'FAILED' where id in (select id from deposit where status = 'QUEUED' limit 200)",
        "update transfer set status = 'SETTLED', ended_at = now()
            where id in (select id from transfer where status = 'QUEUED' limit 200)",
        "update transfer set status = 'FAILED', ended_at = now()
            where id in (select id from transfer where status = 'QUEUED' limit 200)",
        "update withdrawal set status = 'PAYOUT_FAILED', refund = 'due', ended_at = now(), received_at = now()
            where id in (select id from withdrawal where status = 'PENDING' limit 200)",
        "update withdrawal set refund = 'returned', refund_op_id = id
            where id in (select id from withdrawal where refund = 'due' limit 200)",
        "update withdrawal set refund = 'failed', refund_op_id = id
            where id in (select id from withdrawal where refund = 'due' limit 200)",
        "update withdrawal set refund = null, status = 'COMPLETED', payout_reference = 'r'
            where id in (select id from withdrawal where refund = 'failed' limit 200)",
    ]);
    prop_oneof![
        6 => planted,
        3 => end.prop_map(Step::End),
        1 => (prop::sample::select(vec!["in", "out"]), prop::sample::select(vec![2_i64, 50, 150]))
            .prop_map(|(direction, hours)| Step::Outside(direction, hours)),
        1 => Just(Step::Undone),
        1 => Just(Step::Reverse),
    ]
}
