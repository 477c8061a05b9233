//! What is to be done for each kind of job.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use sqlx::PgConnection;

use super::{Failure, Job, store};
use crate::db;

/// A handler's work.
pub trait Handled: Future<Output = Result<(), Failure>> + Send + 'static {}

impl<F: Future<Output = Result<(), Failure>> + Send + 'static> Handled for F {}

type Work = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;
type Stored<'a> = Pin<Box<dyn Future<Output = db::Result<()>> + Send + 'a>>;

#[derive(Clone)]
pub(super) struct Handler {
    pub start: Arc<dyn Fn(serde_json::Value) -> Work + Send + Sync>,
    pub time_limit: Duration,
}

type Store = dyn for<'a> Fn(&'a mut PgConnection) -> Stored<'a> + Send + Sync;

#[derive(Default)]
pub(super) struct Handlers {
    by_kind: BTreeMap<&'static str, Handler>,
    periodic: Vec<Box<Store>>,
}

impl Handlers {
    pub(super) fn add<J: Job, F: Handled>(&mut self, handler: impl Fn(J) -> F + Send + Sync + 'static) {
        let handler = Arc::new(handler);
        let start = move |payload| -> Work {
            let handler = Arc::clone(&handler);
            Box::pin(async move {
                match serde_json::from_value::<J>(payload) {
                    Ok(job) => handler(job).await,
                    Err(error) => Err(Failure::Lasting(format!("the payload cannot be read: {error}"))),
                }
            })
        };
        self.by_kind.insert(J::KIND, Handler { start: Arc::new(start), time_limit: J::TIME_LIMIT });
    }

    pub(super) fn add_periodic<J: Job + Clone + Sync>(&mut self, period: Duration, job: J) {
        self.periodic.push(Box::new(move |connection| {
            let job = job.clone();
            Box::pin(async move { store::insert_for_period(connection, &job, period).await })
        }));
    }

    /// Stores the periodic jobs whose period has none yet.
    pub(super) async fn store_periodic(&self, connection: &mut PgConnection) -> db::Result<()> {
        for store in &self.periodic {
            store(&mut *connection).await?;
        }
        Ok(())
    }

    pub(super) fn kinds(&self) -> Vec<&'static str> {
        self.by_kind.keys().copied().collect()
    }

    pub(super) fn of(&self, kind: &str) -> Option<&Handler> {
        self.by_kind.get(kind)
    }
}
