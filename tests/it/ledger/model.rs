//! Any sequence of entries does what a model in memory does.

use super::*;

/// What the ledger should be: the same rules, one request after the other, in memory.
#[derive(Default)]
struct Model {
    available: BTreeMap<usize, u128>,
    reserved: BTreeMap<usize, u128>,
    transfers: HashMap<(usize, String), (Uuid, u128, Option<End>)>,
}

#[derive(Clone, Debug)]
enum Step {
    Topup { tenant: usize, reference: u8, amount: u128 },
    Reserve(Vec<(usize, u8, u128)>),
    End(Vec<(usize, u8, bool)>),
}

fn step() -> impl Strategy<Value = Step> {
    let (tenant, reference) = (0..3_usize, 0..12_u8);
    let deposits = prop::collection::vec((tenant.clone(), reference.clone(), 1..60_u128), 1..12);
    let ends = prop::collection::vec((tenant.clone(), reference.clone(), any::<bool>()), 1..8);
    prop_oneof![
        (tenant, reference, 1..100_u128).prop_map(|(tenant, reference, amount)| Step::Topup {
            tenant,
            reference,
            amount
        }),
        deposits.prop_map(Step::Reserve),
        ends.prop_map(Step::End),
    ]
}

impl Model {
    fn enter(&mut self, who: usize, posting: &Posting, base_units: u128, limited: bool) -> Outcome {
        let key = (who, posting.reference.clone());
        if self.transfers.contains_key(&key) {
            return Outcome::Duplicate;
        }
        let available = self.available.entry(who).or_default();
        if limited && *available < base_units {
            return Outcome::Insufficient;
        }
        if limited {
            *available -= base_units;
            *self.reserved.entry(who).or_default() += base_units;
        } else {
            *available += base_units;
        }
        self.transfers.insert(key, (posting.id, base_units, (!limited).then_some(End::Post)));
        Outcome::Accepted
    }

    fn end(&mut self, who: usize, reference: &str, end: End) -> Ended {
        let Some((_, base_units, state)) = self.transfers.get_mut(&(who, reference.to_owned())) else {
            return Ended::Unknown;
        };
        match state {
            Some(before) if *before == end => Ended::Already,
            Some(_) => Ended::Otherwise,
            None => {
                *state = Some(end);
                *self.reserved.entry(who).or_default() -= *base_units;
                if end == End::Void {
                    *self.available.entry(who).or_default() += *base_units;
                }
                Ended::Now
            }
        }
    }
}

async fn follows_the_model(db: &Db, steps: Vec<Step>) {
    let mut tenants = Vec::new();
    for _ in 0..3 {
        tenants.push(tenant(db, &format!("t{}", &Uuid::now_v7().simple().to_string()[12..])).await);
    }
    let mut model = Model::default();
    for step in steps {
        match step {
            Step::Topup { tenant, reference, amount } => {
                let posting = topup(tenants[tenant], &reference.to_string(), amount);
                let expected = model.enter(tenant, &posting, amount, false);
                assert_eq!(post(db, &[posting]).await, [expected]);
            }
            Step::Reserve(items) => {
                let postings: Vec<Posting> = items
                    .iter()
                    .map(|(who, reference, sum)| deposit(tenants[*who], &reference.to_string(), *sum))
                    .collect();
                // The first request with a reference speaks for all of the batch.
                let mut short = Vec::new();
                let mut expected = Vec::new();
                for ((who, _, sum), posting) in items.iter().zip(&postings) {
                    let key = (*who, posting.reference.clone());
                    expected.push(match short.contains(&key) {
                        true => Outcome::Insufficient,
                        false => model.enter(*who, posting, *sum, true),
                    });
                    if expected.last() == Some(&Outcome::Insufficient) {
                        short.push(key);
                    }
                }
                assert_eq!(reserve(db, &postings).await, expected);
            }
            Step::End(items) => {
                let (mut asked, mut expected) = (Vec::new(), Vec::new());
                for (who, reference, happens) in items {
                    let end = if happens { End::Post } else { End::Void };
                    let reference = format!("deposit:{reference}");
                    let id = model.transfers.get(&(who, reference.clone())).map_or_else(Uuid::now_v7, |found| found.0);
                    asked.push((tenants[who], id, end));
                    expected.push(model.end(who, &reference, end));
                }
                assert_eq!(end(db, &asked).await, expected);
            }
        }
    }
    for (who, tenant) in tenants.iter().enumerate() {
        let expected = |map: &BTreeMap<usize, u128>| map.get(&who).copied().unwrap_or_default();
        assert_eq!(treasury(db, *tenant).await, (expected(&model.available), expected(&model.reserved)));
    }
    assert_eq!(discrepancies(db, &tenants).await, []);
}

#[test]
fn any_sequence_of_top_ups_reservations_and_ends_does_what_the_model_says() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let db = runtime.block_on(harness::database());
    let mut runner = TestRunner::new(Config { cases: 48, failure_persistence: None, ..Config::default() });
    runner
        .run(&prop::collection::vec(step(), 1..16), |steps| {
            runtime.block_on(follows_the_model(&db, steps));
            Ok(())
        })
        .expect("the ledger does what the model says");
}
