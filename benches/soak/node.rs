//! Whether the development node kept its part: a node that loses a block of its own proves nothing about the server.

use alloy::eips::BlockNumberOrTag;
use alloy::providers::Provider;

use super::cluster::Cluster;
use super::verdict::Finding;

/// Every block is there and is on top of the one before it. (The first one has a new time at every start of anvil.)
pub async fn is_whole(cluster: &Cluster) -> anyhow::Result<Finding> {
    let provider = cluster.provider()?;
    let newest = provider.get_block_number().await?;
    let (mut parent, mut broken) = (None, Vec::new());
    for number in 1..=newest {
        let block = provider.get_block_by_number(BlockNumberOrTag::Number(number)).await?;
        let follows = |header: &alloy::rpc::types::Header| parent.is_none_or(|parent| header.parent_hash == parent);
        if !block.as_ref().is_some_and(|block| follows(&block.header)) {
            broken.push(number);
        }
        parent = block.map(|block| block.header.hash);
    }
    let said = match &broken[..] {
        [] => format!("{newest} blocks"),
        broken => format!("the run is void: without, or not on top of the one before: {broken:?}"),
    };
    Ok(Finding { what: "the node has all its blocks", said, good: broken.is_empty() })
}
