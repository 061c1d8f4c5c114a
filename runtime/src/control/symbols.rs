//! The symbol table from the answers of the REST interface.

use net::hyperliquid::symbols::ALIASES;
use net::hyperliquid::{SymbolTable, rest};
use shards::{Coin, SymbolEntry};

/// The entries, and which pair prices which spot token.
type Table = (Vec<SymbolEntry>, Vec<(u32, Coin)>);

/// Asks with `post` (body in, answer out) and builds the table.
pub(super) fn read(
    aliases: &[(String, String)],
    mut post: impl FnMut(&str) -> Result<Vec<u8>, String>,
) -> Result<Table, String> {
    // The configured ones come last: they win.
    let pairs = aliases.iter().map(|(venue, ours)| (venue.as_str(), ours.as_str()));
    let mut table = SymbolTable::new(ALIASES.into_iter().chain(pairs));
    let unreadable = |what: &str, error: net::hyperliquid::DecodeError| format!("{what}: {error}");
    let spot = post(rest::spot_meta())?;
    table.read_spot_meta(&spot).map_err(|error| unreadable("spotMeta", error))?;
    // One request for every dex; where a server does not know it, one each.
    match post(rest::all_perp_metas()).map(|body| table.read_all_perp_metas(&body)) {
        Ok(Ok(())) => {}
        _ => {
            let dexs = post(rest::perp_dexs())?;
            let dexs = rest::parse_perp_dexs(&dexs).map_err(|e| unreadable("perpDexs", e))?;
            for dex in std::iter::once(String::new()).chain(dexs) {
                let meta = post(&rest::meta(&dex))?;
                table.read_meta(&meta).map_err(|error| unreadable("meta", error))?;
            }
        }
    }
    let entries = table.entries().into_iter().map(|entry| SymbolEntry {
        coin: entry.coin,
        symbol: entry.symbol,
        asset_type: entry.asset_type,
        // `pair_configs` says more; without it every coin is of the last category.
        coin_type: b'D',
    });
    Ok((entries.collect(), table.spot_prices()))
}
