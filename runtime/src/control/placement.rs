//! Which account goes over which source, and each shard's slice of a source's budgets.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use net::Target;
use shards::{Address, shard_of};

use super::failure;
use super::options::{NodeOptions, SourceOptions};
use crate::diag::Problem;
use crate::shard::message::Source;

/// Each account with the index of its source: sources are filled in their order. `check` and `run` have refused more
/// accounts than there is room for.
pub(super) fn place(options: &NodeOptions) -> Vec<(Address, usize)> {
    let room = options
        .sources
        .iter()
        .enumerate()
        .flat_map(|(at, source)| std::iter::repeat_n(at, source.users_max));
    options.addresses.iter().copied().zip(room).collect()
}

/// The servers, parsed.
pub(super) fn targets(options: &NodeOptions) -> Result<Vec<Target>, Problem> {
    let parse = |source: &SourceOptions| {
        Target::parse(&source.ws_url).map_err(|error| failure::url(&error.to_string()))
    };
    options.sources.iter().map(parse).collect()
}

/// By shard, the sources with the slice of their budgets that the shard may use. A shard without accounts on a source
/// needs no connection to it.
pub(super) fn sources(
    options: &NodeOptions,
    placed: &[(Address, usize)],
) -> Result<Vec<Vec<Source>>, Problem> {
    let targets = targets(options)?;
    let mut by_shard = vec![Vec::new(); usize::from(options.shard_count)];
    for (at, source) in options.sources.iter().enumerate() {
        let target = &targets[at];
        // A name that cannot be resolved now is no reason not to start: connections say so, and it is looked up again.
        let resolved = resolve(target).unwrap_or_default();
        let mut users = vec![0usize; by_shard.len()];
        for (address, _) in placed.iter().filter(|(_, index)| *index == at) {
            users[usize::from(shard_of(address, options.shard_count).0)] += 1;
        }
        let busy = users.iter().filter(|count| **count > 0).count().max(1);
        // At least one each: `capacity::plan` refuses more busy shards than connections.
        let connections_max = (source.connections_max / busy).max(1);
        for (sources, users) in by_shard.iter_mut().zip(users) {
            // The messages are shared by the connections that there will be, not by those that there may be.
            let links = users.div_ceil(options.users_per_link.max(1)).clamp(1, connections_max);
            let messages = source.messages_per_minute / (busy * links) as u32;
            sources.push(Source {
                target: target.clone(),
                resolved: resolved.clone(),
                local_addr: source.local_addr,
                connections_max,
                messages_per_minute: messages.max(1),
            });
        }
    }
    Ok(by_shard)
}

/// Looks a host up. Blocks: not for cores, and after the start not for control.
pub(super) fn resolve(target: &Target) -> io::Result<Vec<SocketAddr>> {
    let host = target.host.trim_start_matches('[').trim_end_matches(']');
    Ok((host, target.port).to_socket_addrs()?.collect())
}
