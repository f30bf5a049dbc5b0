//! AES-128 as a circuit in Bristol Fashion, and as a library computes it.

use std::sync::LazyLock;

use aes::{
    Aes128, Block,
    cipher::{BlockCipherEncrypt, KeyInit},
};
use tacit_mpc::{
    Bit, Builder, Column,
    bristol::{Bristol, Form, export},
};

use crate::{Inputs, task::opened_planes};

/// Written as a file and read back once.
static CIRCUIT: LazyLock<Bristol> = LazyLock::new(|| {
    let read = || Bristol::parse(&aes_circuit(Form::New)?);
    read().expect("what is written in Bristol Fashion can be read")
});

fn circuit() -> tacit_mpc::Circuit {
    let mut b = Builder::new();
    let mut enter = |holder| -> Vec<Bit> { (0..128).map(|_| b.enter(holder, 1)).collect() };
    let (key, block) = (enter(0), enter(1));
    for (i, plane) in tacit_protocols::aes128(&mut b, &key, &block).into_iter().enumerate() {
        b.reveal(plane, 0, i.to_string());
    }
    b.finish()
}

/// AES-128 in Bristol Fashion. The first input is the key, the second the block; bit `8 i + j` of
/// each, and of the output, is bit `j`, least significant first, of byte `i`.
///
/// # Errors
/// None in practice: the circuit has bits alone.
pub fn aes_circuit(form: Form) -> tacit_mpc::Result<String> {
    export(&circuit(), form)
}

/// The cipher of a key and a block, 128 planes each.
pub fn apply(b: &mut Builder, planes: &[Bit]) -> Vec<Bit> {
    let inputs = [planes[..128].to_vec(), planes[128..].to_vec()];
    CIRCUIT.apply(b, &inputs).expect("a key and a block").concat()
}

/// What is opened for these planes, by another implementation.
pub fn expected(n: usize, inputs: &Inputs) -> Vec<(String, Column)> {
    let bytes = |row: usize, first: usize| -> [u8; 16] {
        let bit = |plane: usize| (inputs[first + plane].words()[row / 64] >> (row % 64) & 1) as u8;
        std::array::from_fn(|byte| (0..8).map(|i| bit(8 * byte + i) << i).sum())
    };
    let ciphers: Vec<[u8; 16]> = (0..n)
        .map(|row| {
            let mut block = Block::from(bytes(row, 128));
            Aes128::new(&bytes(row, 0).into()).encrypt_block(&mut block);
            block.into()
        })
        .collect();
    opened_planes(128, n, |plane, row| ciphers[row][plane / 8] >> (plane % 8) & 1 == 1)
}
