//! What accounts hold: the newest state per account, and its row for the database.
//!
//! The venue sends absolute states every few seconds, perpetuals and spot apart. They are no events: a row that is lost is
//! replaced by the next, so they go to the publisher beside the journal. There is one row for each account that is
//! watched, from its first state until it is watched no longer; the half that has not come yet is an empty list.
//!
//! **Units.** What a dex says is in its collateral token; balances are in tokens. Both are made dollars at the prices of the
//! moment ([`super::prices`]), and everything in a row but its texts is in dollars. The texts are the venue's words:
//! `position_value`, `unrealized_pnl` and `margin_used` of a position in the collateral of its dex.
//!
//! **What an account is worth** ([`Positions::worth`]) is what rates are taken of. Spot: the sum of its balances. Perpetuals:
//! the sum over the dexes; but of a unified account, whose spot balances are the collateral of its perpetuals, that same
//! sum of balances, for there the venue says that what the dexes tell means nothing. (Whether it is unified its spot state
//! says, which comes before the fills: it is subscribed to before them.) Nothing is said of a worth while something of
//! it is not known: before the first state, and before the prices that it takes.

use foldhash::HashMap;
use net::hyperliquid::{Balance, DexState, Tokens};
use shards::{Address, CacheCounts, Coin, Decimal};

use super::prices::{Dollars, Price, Prices};

/// One account's newest state.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct PositionRow {
    /// The account.
    pub address: Address,
    /// Spot balances, as JSON.
    pub spot_balances: String,
    /// Their value in USD, as far as prices are known.
    pub spot_total: Decimal,
    /// Perpetual positions of all dexes, as JSON.
    pub futures_positions: String,
    /// What backs the perpetuals: the sum of the account values, or the spot total of a unified account.
    pub account_value: Decimal,
    /// Sum of the margin in use.
    pub total_margin_used: Decimal,
    /// Sum of the positions' notional values.
    pub total_ntl_pos: Decimal,
    /// Sum of what can be withdrawn.
    pub withdrawable: Decimal,
}

impl PositionRow {
    /// Writes the row for the ring to the publisher.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.address.0);
        for text in [&self.spot_balances, &self.futures_positions] {
            out.extend_from_slice(&(text.len() as u32).to_ne_bytes());
            out.extend_from_slice(text.as_bytes());
        }
        for number in self.numbers() {
            out.extend_from_slice(&number.mantissa().to_ne_bytes());
            out.push(number.scale());
        }
    }

    fn text_bytes(&self) -> u64 {
        (self.spot_balances.len() + self.futures_positions.len()) as u64
    }

    fn numbers(&self) -> [Decimal; 5] {
        [
            self.spot_total,
            self.account_value,
            self.total_margin_used,
            self.total_ntl_pos,
            self.withdrawable,
        ]
    }

    /// Reads what [`PositionRow::encode`] wrote; `None` for anything else.
    pub fn decode(bytes: &[u8]) -> Option<PositionRow> {
        let (address, mut rest) = bytes.split_first_chunk::<20>()?;
        let mut text = || {
            let (len, after) = rest.split_first_chunk::<4>()?;
            let (text, after) = after.split_at_checked(u32::from_ne_bytes(*len) as usize)?;
            rest = after;
            String::from_utf8(text.to_vec()).ok()
        };
        let (spot_balances, futures_positions) = (text()?, text()?);
        let mut number = || {
            let (mantissa, after) = rest.split_first_chunk::<16>()?;
            let (scale, after) = after.split_first()?;
            rest = after;
            Decimal::checked_new(i128::from_ne_bytes(*mantissa), *scale)
        };
        Some(PositionRow {
            address: Address(*address),
            spot_balances,
            futures_positions,
            spot_total: number()?,
            account_value: number()?,
            total_margin_used: number()?,
            total_ntl_pos: number()?,
            withdrawable: number()?,
        })
    }
}

/// What an account is worth, in dollars, as far as that is known.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Worth {
    /// What backs its perpetuals.
    pub(super) account_value: Option<Decimal>,
    /// Its spot balances.
    pub(super) spot_total: Option<Decimal>,
}

/// The newest state of one account.
#[derive(Default)]
struct Account {
    row: PositionRow,
    /// The sum over the dexes, once their state has come.
    perps: Option<Dollars>,
    /// The sum of the balances, once they have come.
    spot: Option<Dollars>,
    is_unified: bool,
}

/// The newest states of one shard's accounts.
pub(super) struct Positions {
    accounts: HashMap<Address, Account>,
    prices: Prices,
    counts: CacheCounts,
}

impl Positions {
    /// Nothing known, room for so many prices.
    pub(super) fn new(prices: u64) -> Positions {
        let (accounts, counts) = (HashMap::default(), CacheCounts::default());
        Positions { accounts, prices: Prices::new(prices), counts }
    }

    /// Takes the middles of a dex.
    pub(super) fn mids(&mut self, dex: &Coin, mids: &[(Coin, Decimal)]) {
        self.prices.take(dex, mids);
    }

    /// Takes what the table says of tokens.
    pub(super) fn tokens(&mut self, tokens: Tokens) {
        self.prices.tokens(tokens);
    }

    /// Takes the perpetual state of an account that is watched. The row, if it changed.
    pub(super) fn perps(
        &mut self,
        user: &Address,
        dexs: &[DexState],
        positions: &str,
    ) -> Option<&PositionRow> {
        let mut sums = [Dollars::NONE; 4];
        for dex in dexs {
            let amounts =
                [dex.account_value, dex.total_margin_used, dex.total_ntl_pos, dex.withdrawable];
            // A dex on which there is nothing needs no price.
            if amounts.iter().all(|amount| amount.is_zero()) {
                continue;
            }
            let price = self.prices.of_collateral(&dex.dex);
            sums.iter_mut().zip(amounts).for_each(|(sum, amount)| sum.add(amount, price));
        }
        let [value, margin, notional, withdrawable] = sums;
        let numbers = [margin.sum, notional.sum, withdrawable.sum];
        let (account, counts) = Positions::find(&mut self.accounts, &mut self.counts, user);
        let row = &mut account.row;
        let known = [row.total_margin_used, row.total_ntl_pos, row.withdrawable];
        let mut changed = account.perps.replace(value).is_none_or(|before| before.sum != value.sum);
        changed |= numbers != known;
        [row.total_margin_used, row.total_ntl_pos, row.withdrawable] = numbers;
        changed |= replace(&mut row.futures_positions, positions, counts);
        account.finish(changed)
    }

    /// Takes the spot state of an account that is watched. The row, if it changed.
    pub(super) fn spot(
        &mut self,
        user: &Address,
        is_unified: bool,
        balances: &[Balance],
        json: &str,
    ) -> Option<&PositionRow> {
        let mut total = Dollars::NONE;
        for balance in balances {
            let price = balance.token.map_or(Price::None, |token| self.prices.of_token(token));
            total.add(balance.total, price);
        }
        let (account, counts) = Positions::find(&mut self.accounts, &mut self.counts, user);
        let mut changed = account.spot.replace(total).is_none_or(|before| before.sum != total.sum);
        changed |= std::mem::replace(&mut account.is_unified, is_unified) != is_unified;
        account.row.spot_total = total.sum;
        changed |= replace(&mut account.row.spot_balances, json, counts);
        account.finish(changed)
    }

    /// What an account is worth.
    pub(super) fn worth(&self, user: &Address) -> Worth {
        let Some(account) = self.accounts.get(user) else { return Worth::default() };
        let spot_total = account.spot.and_then(Dollars::whole);
        let perps_total = account.perps.and_then(Dollars::whole);
        let account_value = if account.is_unified { spot_total } else { perps_total };
        Worth { account_value, spot_total }
    }

    /// Forgets an account.
    pub(super) fn forget(&mut self, user: &Address) {
        if let Some(account) = self.accounts.remove(user) {
            self.counts.entries -= 1;
            self.counts.weight -= account.row.text_bytes();
        }
    }

    /// What the rows did.
    pub(super) fn counts(&self) -> CacheCounts {
        self.counts
    }

    /// What the cache of prices did.
    pub(super) fn price_counts(&self) -> CacheCounts {
        self.prices.counts()
    }

    fn find<'a>(
        accounts: &'a mut HashMap<Address, Account>,
        counts: &'a mut CacheCounts,
        user: &Address,
    ) -> (&'a mut Account, &'a mut CacheCounts) {
        let account = accounts.entry(*user).or_default();
        if account.row.address == *user {
            counts.hits += 1;
        } else {
            account.row.address = *user;
            // What has not come is nothing, and JSON.
            "[]".clone_into(&mut account.row.spot_balances);
            "[]".clone_into(&mut account.row.futures_positions);
            counts.misses += 1;
            counts.entries += 1;
            counts.weight += account.row.text_bytes();
        }
        (account, counts)
    }
}

impl Account {
    /// The row, if it changed.
    fn finish(&mut self, changed: bool) -> Option<&PositionRow> {
        let value = if self.is_unified { self.spot } else { self.perps };
        self.row.account_value = value.map_or(Decimal::ZERO, |value| value.sum);
        changed.then_some(&self.row)
    }
}

/// Puts a text in place of another. Whether it differs.
fn replace(text: &mut String, by: &str, counts: &mut CacheCounts) -> bool {
    if text == by {
        return false;
    }
    counts.weight = counts.weight - text.len() as u64 + by.len() as u64;
    text.clear();
    text.push_str(by);
    true
}

#[cfg(test)]
mod tests;
