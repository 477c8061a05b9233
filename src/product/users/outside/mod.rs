//! Tokens that reached a customer's wallet, or left it, by no operation of ours.
//!
//! The indexer tells of every final transfer that touches a wallet. Those that an operation of the tenant explains are
//! that operation's; while an unfinished operation might, nobody decides. The rest becomes the customer's history.

mod store;

use std::collections::BTreeSet;

use crate::chain::indexer::{MovementFollower, MovementNews, take_note_of_movements};
use crate::db;
use crate::foundation::TenantId;
use crate::product::App;

use store::Explanation;

/// Enters movements that nothing here explains.
pub struct OutsideMovements(pub App);

impl MovementFollower for OutsideMovements {
    const KIND: &'static str = "wallet";
    type Error = db::Error;

    async fn settle(&self, news: &[MovementNews]) -> Result<(), db::Error> {
        let tenants: BTreeSet<TenantId> = news.iter().map(|item| item.tenant).collect();
        let mut tx = self.0.db.tenants(&Vec::from_iter(tenants)).begin().await?;
        let explanations = store::explain(&mut tx, news).await?;
        let of = |item: &MovementNews| explanations.get(&(item.tenant, item.id)).copied();
        let decided: Vec<MovementNews> =
            news.iter().filter(|item| of(item) != Some(Explanation::Open)).cloned().collect();
        let won = take_note_of_movements(&mut tx, &decided).await?;
        let (present, undone): (Vec<_>, Vec<_>) = won.iter().partition(|item| item.is_present);
        let outside: Vec<_> = present.into_iter().filter(|item| of(item).is_none()).collect();
        let entered = store::enter(&mut tx, &self.0.tokens, &outside).await?;
        let reversed = store::reverse(&mut tx, &undone).await?;
        tx.commit().await?;
        metrics::counter!("diolkos_outside_movements_total").increment(entered);
        if reversed > 0 {
            tracing::error!(movements = reversed, "a reorg undid final movements of customers' wallets");
        }
        Ok(())
    }
}
