//! What accounts hold: the newest state per account, and its row for the database.
//!
//! The venue sends absolute states every few seconds. They are no events: a row that is lost is replaced by the next,
//! so they go to the publisher beside the journal.

use foldhash::HashMap;
use fxhash::FxHashMap;
use net::hyperliquid::{AccountState, Balance};
use shards::{Address, Coin, Decimal};

/// Most prices kept. The venue has about 500 coins.
const PRICES_MAX: usize = 8192;

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
    /// Sum of the account values.
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

/// The position cache of one shard.
#[derive(Default)]
pub(super) struct Positions {
    rows: HashMap<Address, PositionRow>,
    prices: HashMap<Coin, Decimal>,
    /// Token indexes are dense: the fast hash will do.
    spot_pairs: FxHashMap<u32, Coin>,
}

/// Tokens that are worth one unit of the account's currency.
const STABLECOINS: [&str; 6] = ["USDC", "USDT0", "USDT", "USDE", "USDH", "USDXL"];

impl Positions {
    /// Takes prices.
    pub(super) fn prices(&mut self, mids: &[(Coin, Decimal)]) {
        for (coin, price) in mids {
            if let Some(known) = self.prices.get_mut(coin) {
                *known = *price;
            } else if self.prices.len() < PRICES_MAX {
                self.prices.insert(*coin, *price);
            }
        }
    }

    /// Takes the table of which pair prices which spot token.
    pub(super) fn spot_pairs(&mut self, pairs: &[(u32, Coin)]) {
        self.spot_pairs = FxHashMap::from_iter(pairs.iter().copied());
    }

    /// Takes the perpetual state of an account. The row, if it changed.
    pub(super) fn account(
        &mut self,
        state: &AccountState,
        positions: &str,
    ) -> Option<&PositionRow> {
        let row = self.rows.entry(state.user).or_default();
        let numbers =
            [state.account_value, state.total_margin_used, state.total_ntl_pos, state.withdrawable];
        let known = [row.account_value, row.total_margin_used, row.total_ntl_pos, row.withdrawable];
        if row.address == state.user && numbers == known && row.futures_positions == positions {
            return None;
        }
        row.address = state.user;
        [row.account_value, row.total_margin_used, row.total_ntl_pos, row.withdrawable] = numbers;
        row.futures_positions.clear();
        row.futures_positions.push_str(positions);
        Some(row)
    }

    /// Takes the spot state of an account. The row, if it changed.
    pub(super) fn spot(
        &mut self,
        user: &Address,
        balances: &[Balance],
        json: &str,
    ) -> Option<&PositionRow> {
        let spot_total = self.value(balances);
        let row = self.rows.entry(*user).or_default();
        if row.address == *user && row.spot_total == spot_total && row.spot_balances == json {
            return None;
        }
        row.address = *user;
        row.spot_total = spot_total;
        row.spot_balances.clear();
        row.spot_balances.push_str(json);
        Some(row)
    }

    /// Forgets an account.
    pub(super) fn forget(&mut self, user: &Address) {
        self.rows.remove(user);
    }

    /// The sum of what has a price: stablecoins at one, other tokens at the middle of their pair.
    fn value(&self, balances: &[Balance]) -> Decimal {
        let worth = |balance: &Balance| {
            if STABLECOINS.contains(&balance.coin.as_str()) {
                return Some(balance.total);
            }
            let pair = self.spot_pairs.get(&balance.token)?;
            self.prices.get(pair)?.checked_mul(balance.total)
        };
        balances
            .iter()
            .filter_map(worth)
            .fold(Decimal::ZERO, |sum, worth| sum.checked_add(worth).unwrap_or(sum))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Decimal {
        text.parse().expect("a decimal")
    }

    fn balance(coin: &str, token: u32, total: &str) -> Balance {
        let zero = Decimal::ZERO;
        Balance { coin: Coin::new(coin), token, total: number(total), hold: zero, entry_ntl: zero }
    }

    #[test]
    fn spot_is_valued_by_pair_and_stablecoins_at_one() {
        let mut positions = Positions::default();
        positions.prices(&[(Coin::new("@107"), number("92.5")), (Coin::new("BTC"), number("1"))]);
        positions.spot_pairs(&[(150, Coin::new("@107"))]);
        let me = Address([1; 20]);
        let balances =
            [balance("USDC", 0, "14.5"), balance("HYPE", 150, "2"), balance("NOPRICE", 9, "7")];
        let row = positions.spot(&me, &balances, "[]").expect("it is new");
        assert_eq!(row.spot_total, number("199.5"));
        assert!(positions.spot(&me, &balances, "[]").is_none());
        positions.prices(&[(Coin::new("@107"), number("93"))]);
        assert!(positions.spot(&me, &balances, "[]").is_some());
    }

    #[test]
    fn rows_round_trip_and_change_only_with_the_state() {
        let mut positions = Positions::default();
        let state = AccountState {
            user: Address([2; 20]),
            account_value: number("-100.5"),
            total_margin_used: number("1"),
            total_ntl_pos: number("2"),
            withdrawable: number("3"),
            positions: 1,
        };
        let row = positions.account(&state, "[{\"coin\":\"BTC\"}]").expect("it is new").clone();
        assert!(positions.account(&state, "[{\"coin\":\"BTC\"}]").is_none());
        assert!(positions.account(&state, "[]").is_some());
        let mut bytes = Vec::new();
        row.encode(&mut bytes);
        assert_eq!(PositionRow::decode(&bytes), Some(row));
        for cut in 0..bytes.len() {
            assert_eq!(PositionRow::decode(&bytes[..cut]), None);
        }
    }
}
