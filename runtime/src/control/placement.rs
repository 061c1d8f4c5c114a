//! The servers that shards connect to.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use net::Target;

use super::failure;
use super::options::NodeOptions;
use crate::config::{self, SourceKind};
use crate::diag::Problem;
use crate::placement::Placer;
use crate::shard::message::Source;

/// A placer for a node.
pub(super) fn placer(options: &NodeOptions) -> Placer {
    Placer::new(&options.sources, options.shard_count, options.users_per_link)
}

/// The servers, parsed; `None` for a source that is no server.
pub(super) fn targets(options: &NodeOptions) -> Result<Vec<Option<Target>>, Problem> {
    let parse = |source: &config::Source| match source.kind {
        SourceKind::HyperliquidNode => Ok(None),
        _ => Target::parse(&source.ws_url)
            .map(Some)
            .map_err(|error| failure::url(&error.to_string())),
    };
    options.sources.iter().map(parse).collect()
}

/// The sources as shards need them.
pub(super) fn sources(options: &NodeOptions) -> Result<Vec<Source>, Problem> {
    let targets = targets(options)?;
    let mut resolved: Vec<(Target, Vec<SocketAddr>)> = Vec::new();
    let mut sources = Vec::new();
    for (source, target) in options.sources.iter().zip(targets) {
        let known = resolved.iter().find(|(known, _)| Some(known) == target.as_ref());
        let addresses = match (known, &target) {
            (Some((_, addresses)), _) => addresses.clone(),
            // A name that cannot be resolved now is no reason not to start: connections say so, and it is looked up again.
            (None, Some(target)) => resolve(target).unwrap_or_default(),
            (None, None) => Vec::new(),
        };
        if let Some(target) = &target {
            resolved.push((target.clone(), addresses.clone()));
        }
        let local_addr = source.local_addr;
        sources.push(Source { kind: source.kind, target, resolved: addresses, local_addr });
    }
    Ok(sources)
}

/// Looks a host up. Blocks: not for cores, and after the start not for control.
pub(super) fn resolve(target: &Target) -> io::Result<Vec<SocketAddr>> {
    let host = target.host.trim_start_matches('[').trim_end_matches(']');
    Ok((host, target.port).to_socket_addrs()?.collect())
}
