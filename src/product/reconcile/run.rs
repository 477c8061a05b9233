//! One run of reconciliation.

use std::time::Duration;

use alloy::primitives::Address;
use serde::Serialize;
use tokio::time::{Instant, sleep};
use utoipa::ToSchema;

use super::books;
use super::compare::{self, Compared};
use super::difference::{Difference, in_order};
use super::store::{self, Checkpoint};
use crate::chain::indexer::{Mark, balances_at, progress};
use crate::chain::{Chain, RpcError};
use crate::db;
use crate::foundation::{Amount, Tokens};
use crate::http;
use crate::product::App;
use crate::product::treasury::Audit;

/// How long the treasury's balances may take to be read at one block, and the indexer to get to it.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(100);

const UNINDEXED: &str = "no process has begun to index: nothing can be compared";

/// From where a run looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// From the last block up to which everything agreed and which the chain still has.
    SinceAgreed,
    /// From where reconciliation began.
    Full,
}

/// Why nothing could be said.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The database failed.
    #[error(transparent)]
    Database(#[from] db::Error),
    /// The chain did not answer.
    #[error("the chain cannot be read: {0}")]
    Chain(#[from] RpcError),
    /// The tenants' books could not be read.
    #[error("the tenants' books cannot be verified: {0}")]
    Books(http::Error),
}

/// What a run found.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Reconciliation)]
pub struct Report {
    /// Whether everything agrees.
    pub ok: bool,
    /// Up to which block operations and transfers were compared; null when there was nothing to compare yet.
    #[schema(example = 81_234_567)]
    pub block: Option<u64>,
    /// After which block.
    #[schema(example = 81_230_000)]
    pub since: Option<u64>,
    /// Whether that is where reconciliation began.
    pub full: bool,
    /// The treasury at that block.
    pub tokens: Vec<TokenReport>,
    /// How many tenants' books were verified.
    pub tenants: usize,
    /// What does not agree, in the order of the chain: the first is where it parts.
    pub differences: Vec<Difference>,
}

/// The treasury's holding of a token.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ReconciledToken)]
pub struct TokenReport {
    /// Its symbol.
    #[schema(example = "USDC")]
    pub token: String,
    /// What the treasury holds on chain.
    #[schema(example = "10500.000000")]
    pub on_chain: String,
    /// What the ledger says that it has to hold: tenants' balances, what is owed as local money, and the house's.
    #[schema(example = "10000.000000")]
    pub owed: String,
}

/// Compares everything; remembers what was found, and if everything agrees, up to where.
pub async fn run(app: &App, depth: Depth) -> Result<Report, ReconcileError> {
    let chain_id = app.chain.settings().chain_id;
    let is_full = depth == Depth::Full;
    let mut report = Report {
        ok: false,
        block: None,
        since: None,
        full: is_full,
        tokens: Vec::new(),
        tenants: 0,
        differences: Vec::new(),
    };
    match moment(app).await? {
        None => report.differences.push(unindexed(&app.chain).await?),
        Some(held) => {
            let compared = compare::at(app, &held, depth).await?;
            match &compared {
                Ok(compared) => {
                    report.fill(&app.tokens, compared);
                    for parted in &compared.parted {
                        // A node that cannot tell where it was does not hide that it is so.
                        let located = books::locate(app, parted, held.at.number).await;
                        report.differences.push(located.unwrap_or_else(|error| {
                            let what = "what the treasury holds is not what moved; where they part is not known";
                            Difference::of(format!("{what}: {error}"))
                        }));
                    }
                    report.differences.extend(compared.differences.iter().cloned());
                }
                Err(differences) => report.differences.extend(differences.iter().cloned()),
            }
            audit(app, &mut report).await?;
            if let Ok(compared) = &compared {
                remember(app, compared, report.differences.is_empty()).await?;
            }
        }
    }
    report.differences = in_order(std::mem::take(&mut report.differences));
    report.ok = report.differences.is_empty();
    let first = report.differences.first().map(ToString::to_string);
    store::record(&app.db, chain_id, report.block, is_full, report.differences.len(), first).await?;
    Ok(report)
}

async fn audit(app: &App, report: &mut Report) -> Result<(), ReconcileError> {
    let (tenants, findings) = Audit::all(&app.db).await.map_err(ReconcileError::Books)?;
    report.tenants = tenants;
    let difference = |finding: crate::product::treasury::Finding| Difference {
        tenant: Some(finding.tenant),
        ..Difference::of(finding.what)
    };
    report.differences.extend(findings.into_iter().map(difference));
    Ok(())
}

/// A token's first checkpoint is taken as it was found, later ones when everything agrees.
async fn remember(app: &App, compared: &Compared, everything_agrees: bool) -> Result<(), ReconcileError> {
    for books in &compared.books {
        if everything_agrees || books.is_first {
            let Some(amount) = books::amount(books.on_chain) else { continue };
            let checkpoint = Checkpoint { block: compared.to, hash: compared.hash, amount };
            store::agree(&app.db, app.chain.settings().chain_id, books.contract, &checkpoint).await?;
        }
    }
    Ok(())
}

impl Report {
    fn fill(&mut self, tokens: &Tokens, compared: &Compared) {
        (self.block, self.since) = (Some(compared.to), Some(compared.from));
        for books in &compared.books {
            let Some(token) = tokens.by_contract(books.contract) else { continue };
            let format = |units: i128| match books::amount(units) {
                Some(amount) => token.format(amount),
                // More was debited than there ever was: it is among the differences.
                None => format!("-{}", token.format(books::amount(-units).unwrap_or_default())),
            };
            self.tokens.push(TokenReport {
                token: token.symbol.to_string(),
                on_chain: format(books.on_chain),
                owed: format(books.owed),
            });
        }
    }
}

/// What the treasury held of each token at the end of one block, which the indexer has passed.
#[derive(Clone, Debug)]
pub struct Holdings {
    /// The block.
    pub at: Mark,
    /// Base units by contract, in the order of configuration.
    pub amounts: Vec<(Address, Amount)>,
}

/// Reads the treasury at the newest block, and waits for the indexer to have that block; `None` when it does not come.
async fn moment(app: &App) -> Result<Option<Holdings>, ReconcileError> {
    let chain = &app.chain;
    if progress(chain).await?.is_none_or(|progress| progress.head.is_none()) {
        return Ok(None);
    }
    let deadline = Instant::now() + PATIENCE;
    loop {
        let held = read(chain, &app.tokens, deadline).await?;
        // If that was a branch that is gone, the indexer will never have it: the next try is of another block.
        let patience = Instant::now() + PATIENCE / 4;
        while Instant::now() < patience {
            let mut tx = app.db.engine().await?;
            let indexed = store::indexed(&mut tx, chain.settings().chain_id, held.at.number, held.at.hash).await?;
            tx.commit().await?;
            if indexed.has {
                return Ok(Some(held));
            }
            sleep(PAUSE).await;
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
    }
}

/// A node may have forgotten the state of a block that is not its newest any more: then the next block is tried.
async fn read(chain: &Chain, tokens: &Tokens, deadline: Instant) -> Result<Holdings, ReconcileError> {
    loop {
        let head = chain.rpc().head().await?;
        let at = Mark { number: head.number, hash: head.hash };
        let mut amounts = Vec::new();
        let mut refusal = None;
        for token in tokens.iter() {
            match balances_at(chain.rpc(), token.contract, &[chain.treasury()], at.hash).await {
                Ok(held) => amounts.extend(held.first().map(|amount| (token.contract, *amount))),
                Err(error) => refusal = Some(error),
            }
        }
        match refusal {
            None => return Ok(Holdings { at, amounts }),
            Some(RpcError::Refused { .. }) if Instant::now() < deadline => sleep(PAUSE).await,
            Some(error) => return Err(error.into()),
        }
    }
}

async fn unindexed(chain: &Chain) -> Result<Difference, ReconcileError> {
    let Some(progress) = progress(chain).await? else {
        return Ok(Difference::of(UNINDEXED));
    };
    let note = progress.note.map(|note| format!(" ({note})")).unwrap_or_default();
    let difference = Difference::of(format!("the indexer does not get to the chain's newest block{note}"));
    Ok(match progress.head {
        Some(head) => difference.at(head.number),
        None => Difference::of(UNINDEXED),
    })
}
