//! The S-box of AES from the arithmetic of its field.
//!
//! GF(2^8) has the basis (Y, Y^16) over GF(2^4), that the basis (Z, Z^4) over GF(2^2), and that the
//! basis (W, W^2) over GF(2), each with trace 1: X + X^q = 1. Then, with the norm n = X X^q,
//!
//! - (a X + b X^q) (c X + d X^q) = (a c + s) X + (b d + s) X^q, where s = n (a + b) (c + d);
//! - the norm of a X + b X^q is a b + n (a + b)^2;
//! - its inverse is (b X + a X^q) / norm.
//!
//! So the inverse in GF(2^8) is a product in GF(2^4) for the norm, the inverse of the norm, and two
//! more products in GF(2^4); a product there is three of GF(2^2), which are three ANDs each.

use tacit_mpc::{Bit, Builder};

use super::{Byte, linear::Linear};

/// Of all choices with trace 1, one that takes fewest exclusive ors.
const Y: u8 = 0xff;
const Z: u8 = 0x5c;
const W: u8 = 0xbc;

/// The constant of the affine map.
const CONSTANT: u8 = 0x63;

/// Bits of an element of GF(2^4) that are added before a product, and likewise of a 4-bit `a` and
/// its factor: those of the upper half, of the lower half, of the sum of both; of each half again
/// one bit, the other, and their sum.
const FORMS: [u32; 9] = [0b0001, 0b0010, 0b0011, 0b0100, 0b1000, 0b1100, 0b0101, 0b1010, 0b1111];

/// A byte times 2, modulo x^8 + x^4 + x^3 + x + 1.
pub fn double(x: u8) -> u8 {
    x << 1 ^ if x & 0x80 == 0 { 0 } else { 0x1b }
}

fn multiply(x: u8, y: u8) -> u8 {
    let mut power = x;
    let mut product = 0;
    for i in 0..8 {
        if y >> i & 1 == 1 {
            product ^= power;
        }
        power = double(power);
    }
    product
}

fn power(x: u8, exponent: usize) -> u8 {
    (0..exponent).fold(1, |product, _| multiply(product, x))
}

/// The affine map of FIPS 197, section 5.1.1, without its constant.
fn affine(x: u8) -> u8 {
    [1, 2, 3, 4].iter().fold(x, |sum, &by| sum ^ x.rotate_left(by))
}

/// An S-box, ready to be written down often.
pub struct Sbox {
    /// From 8 bits: for each form its value of either half of the element, then what the norm has
    /// besides the product.
    enter: Linear,
    /// From nine products and the four bits above: the norm.
    norm: Linear,
    /// The forms of an element of GF(2^4).
    forms: Linear,
    /// From twice nine products: the affine map of the inverse.
    leave: Linear,
}

impl Sbox {
    pub fn new() -> Self {
        // Coordinate i of an element stands for basis[i]; the first four are those of Y.
        let pick = |i: usize, x: u8, q: usize| if i == 0 { x } else { power(x, q) };
        let basis: [u8; 8] = std::array::from_fn(|i| {
            let (y, z, w) = (pick(i >> 2, Y, 16), pick(i >> 1 & 1, Z, 4), pick(i & 1, W, 2));
            multiply(multiply(y, z), w)
        });
        let element = |coordinates: u8, basis: &[u8]| {
            let taken = basis.iter().enumerate().filter(|(i, _)| coordinates >> i & 1 == 1);
            taken.fold(0, |sum, (_, b)| sum ^ b)
        };
        let inner: [u8; 4] =
            std::array::from_fn(|i| multiply(pick(i >> 1, Z, 4), pick(i & 1, W, 2)));
        let coordinates = |x: u8, basis: &[u8]| -> u8 {
            let all = 0..=u8::MAX >> (8 - basis.len());
            all.into_iter().find(|c| element(*c, basis) == x).unwrap_or(0)
        };
        // Of a linear map, by what it makes of each of eight inputs: which inputs each output has.
        let rows = |outputs: usize, of: &dyn Fn(usize) -> u32, inputs: usize| -> Vec<u32> {
            let row = |o: usize| (0..inputs).map(|i| (of(i) >> o & 1) << i).sum();
            (0..outputs).map(row).collect()
        };

        let enter = rows(
            22,
            &|input| {
                let c = coordinates(1 << input, &basis);
                let (low, high) = (c & 15, c >> 4);
                let form = |at: usize, half: u8| (FORMS[at] & u32::from(half)).count_ones() & 1;
                let halves = (0..9).map(|at| form(at, low) << at | form(at, high) << (9 + at));
                let sum = element(low ^ high, &inner);
                let rest = multiply(power(Y, 17), multiply(sum, sum));
                halves.sum::<u32>() | u32::from(coordinates(rest, &inner)) << 18
            },
            8,
        );
        let products = products(&|i, j| coordinates(multiply(inner[i], inner[j]), &inner));
        let norm = (0..4).map(|k| products[k] | 1 << (9 + k)).collect::<Vec<_>>();
        let leave = rows(
            8,
            &|product| {
                let (half, at) = (product / 9, product % 9);
                let of = (0..4).filter(|k| products[*k] >> at & 1 == 1);
                u32::from(of.fold(0, |sum, k| sum ^ affine(basis[4 * half + k])))
            },
            18,
        );
        Self {
            enter: Linear::new(8, &enter),
            norm: Linear::new(13, &norm),
            forms: Linear::new(4, &FORMS),
            leave: Linear::new(18, &leave),
        }
    }

    /// The S-box of a byte; `one` is the constant 1. 4 rounds, 34 ANDs.
    pub fn apply(&self, b: &mut Builder, one: Bit, x: &Byte) -> Byte {
        let entered = self.enter.apply(b, x);
        let (low, high, rest) = (&entered[..9], &entered[9..18], &entered[18..]);
        let mut products = ands(b, low, high);
        products.extend(rest);
        let norm = self.norm.apply(b, &products);
        let inverse = invert(b, &norm);
        let forms = self.forms.apply(b, &inverse);
        let mut products = ands(b, &forms, high);
        products.extend(ands(b, &forms, low));
        let left = self.leave.apply(b, &products);
        std::array::from_fn(|i| if CONSTANT >> i & 1 == 1 { b.xor(left[i], one) } else { left[i] })
    }
}

fn ands(b: &mut Builder, x: &[Bit], y: &[Bit]) -> Vec<Bit> {
    x.iter().zip(y).map(|(&x, &y)| b.and(x, y)).collect()
}

/// Coordinates of a product in GF(2^4) as sums of the nine products of forms: row `k` has bit `i`
/// where product `i` is in coordinate `k`. `of` gives the coordinates of a product of two basis
/// elements.
fn products(of: &dyn Fn(usize, usize) -> u8) -> [u32; 4] {
    // Which products x_i y_j a sum of products of forms has.
    let monomials = |sum: u32| {
        let taken = (0..9).filter(|at| sum >> at & 1 == 1);
        taken.fold(0_u32, |all, at| {
            let pairs = (0..16).filter(|p| FORMS[at] >> (p / 4) & FORMS[at] >> (p % 4) & 1 == 1);
            all ^ pairs.fold(0, |mask, p| mask | 1 << p)
        })
    };
    std::array::from_fn(|k| {
        let due =
            (0..16).filter(|p| of(p / 4, p % 4) >> k & 1 == 1).fold(0, |mask, p| mask | 1 << p);
        (0..512).find(|sum| monomials(*sum) == due).unwrap_or(0)
    })
}

/// The inverse in GF(2^4), and 0 of 0. 2 rounds, 7 ANDs.
fn invert(b: &mut Builder, x: &[Bit]) -> Vec<Bit> {
    let [x0, x1, x2, x3] = [x[0], x[1], x[2], x[3]];
    let (p, q, r) = (b.and(x0, x2), b.and(x1, x3), b.and(x1, x2));
    let (s, t) = (b.xor(x0, x1), b.xor(x2, x3));
    let factors = [(x2, q, s), (x3, p, x1), (x0, q, t), (x0, r, t)];
    let cubic = factors.map(|(x, y, z)| {
        let sum = b.xor(y, z);
        b.and(x, sum)
    });
    // x2 (q + s) + x2 + x3, x3 (p + x1) + x3 + p + r, x0 (q + t) + x0 + x1, x0 (r + t) + q + x1
    let quadratic = [t, [p, r].into_iter().fold(x3, |sum, y| b.xor(sum, y)), s, b.xor(q, x1)];
    cubic.iter().zip(quadratic).map(|(&x, y)| b.xor(x, y)).collect()
}

#[cfg(test)]
mod tests {
    use tacit_mpc::{Column, Op, clear};

    use super::*;

    #[test]
    fn the_s_box_of_every_byte_is_the_affine_map_of_its_inverse() {
        let mut b = Builder::new();
        let x: Byte = std::array::from_fn(|_| b.enter(0, 256));
        let one = b.constant(1, 256);
        for bit in Sbox::new().apply(&mut b, one, &x) {
            b.reveal(bit, 1, "bit");
        }
        let circuit = b.finish();
        let count = |op: &Op| circuit.instructions().iter().filter(|i| i.op == *op).count();
        assert_eq!((count(&Op::Mul), count(&Op::Add)), (34, 98));
        let planes = (0..8).map(|i| Column::bits((0..256_u32).map(|x| x >> i & 1 == 1))).collect();
        let opened = clear(&circuit, &[(0, planes)].into()).unwrap();
        for x in 0..=255_u8 {
            let bit = |i: usize| opened[i].2.to_numbers()[usize::from(x)] << i;
            let got = (0..8).map(bit).sum::<u64>();
            assert_eq!(got, u64::from(affine(power(x, 254)) ^ CONSTANT), "{x}");
        }
        // Two entries of the table in FIPS 197.
        assert_eq!(affine(power(0x53, 254)) ^ CONSTANT, 0xed);
        assert_eq!(affine(0) ^ CONSTANT, 0x63);
    }
}
