//! Operators as functions over a [`Builder`](tacit_mpc::Builder).
//!
//! A `w`-bit secret is `w` planes, least significant first. Costs are stated per row: *rounds* is
//! the length of the longest chain of ANDs, *ANDs* their number. Exclusive or, NOT and everything
//! linear over numbers are local. On `rep3` an AND is a bit that each compute party sends, a product of
//! numbers 8 bytes; on `additive` twice that to every other compute party.

mod aes;
mod aggregate;
mod arithmetic;
mod category;
mod compact;
mod compare;
mod convert;
mod division;
mod extreme;
mod group;
mod logic;
pub mod numbers;
mod permutation;
mod prefix;
mod segment;
mod sort;

pub use aes::aes128;
pub use aggregate::{Groups, aggregate_by_key};
pub use arithmetic::{add, carry_save, multiply, subtract, sum_of, top_of_sum};
pub(crate) use arithmetic::{sum_is_ones, sum_planes};
pub use category::{look_up, look_up_number, one_hot};
pub use compact::{Compacted, compact};
pub use compare::{
    at_least_public, equal, equal_public, in_range_public, is_negative, less, less_public, max,
    min, signed_order,
};
pub(crate) use convert::addend_planes;
pub use convert::{from_public, is_zero, to_bits, to_num, to_num_by_planes, to_num_by_sum};
pub use division::{
    Quotient, divide, divide_public, divide_public_signed, shift_right, shift_right_signed,
};
pub use extreme::{
    Found, argmax_of, argmax_rows, argmin_of, argmin_rows, clamp, clamp_public, max_of, max_rows,
    min_of, min_rows,
};
pub use group::{count_by_key, count_rows, group_sum, sum_by_key};
pub use logic::{and_all, or_all, select, suppress};
pub use permutation::{Order, apply, apply_inverse, compose, invert, random_order};
pub use segment::{
    segment_ends, segment_starts, segmented_count, segmented_first, segmented_max, segmented_min,
    segmented_sum, segmented_sums,
};
pub use sort::{Sorted, bottom_k, shuffle, sort, top_k};

/// Smallest `k` with `2^k >= n`: the depth of a tree over `n` leaves. 0 for 0 and 1.
pub fn ceil_log2(n: usize) -> usize {
    n.max(1).next_power_of_two().trailing_zeros() as usize
}
