//! AES-128 against the published vectors, on every engine, and through a file in Bristol Fashion.

use std::collections::BTreeMap;

use tacit_mpc::{
    Bit, Builder, Circuit, Column, EngineKind, Op,
    bristol::{Bristol, Form, export},
    clear, testing,
};
use tacit_protocols::aes128;

/// Key, plaintext and ciphertext: FIPS 197, appendix B and C.1, then NIST SP 800-38A, F.1.1.
const VECTORS: [[u128; 3]; 6] = [
    [
        0x2b7e_1516_28ae_d2a6_abf7_1588_09cf_4f3c,
        0x3243_f6a8_885a_308d_3131_98a2_e037_0734,
        0x3925_841d_02dc_09fb_dc11_8597_196a_0b32,
    ],
    [
        0x0001_0203_0405_0607_0809_0a0b_0c0d_0e0f,
        0x0011_2233_4455_6677_8899_aabb_ccdd_eeff,
        0x69c4_e0d8_6a7b_0430_d8cd_b780_70b4_c55a,
    ],
    [
        0x2b7e_1516_28ae_d2a6_abf7_1588_09cf_4f3c,
        0x6bc1_bee2_2e40_9f96_e93d_7e11_7393_172a,
        0x3ad7_7bb4_0d7a_3660_a89e_caf3_2466_ef97,
    ],
    [
        0x2b7e_1516_28ae_d2a6_abf7_1588_09cf_4f3c,
        0xae2d_8a57_1e03_ac9c_9eb7_6fac_45af_8e51,
        0xf5d3_d585_03b9_699d_e785_895a_96fd_baaf,
    ],
    [
        0x2b7e_1516_28ae_d2a6_abf7_1588_09cf_4f3c,
        0x30c8_1c46_a35c_e411_e5fb_c119_1a0a_52ef,
        0x43b1_cd7f_598e_ce23_881b_00e3_ed03_0688,
    ],
    [
        0x2b7e_1516_28ae_d2a6_abf7_1588_09cf_4f3c,
        0xf69f_2445_df4f_9b17_ad2b_417b_e66c_3710,
        0x7b0c_785e_27e8_ad3f_8223_2071_0472_5dd4,
    ],
];

/// The planes of one value of every vector.
fn planes(which: usize) -> Vec<Column> {
    let bit = |vector: &[u128; 3], plane: usize| {
        vector[which].to_be_bytes()[plane / 8] >> (plane % 8) & 1 == 1
    };
    (0..128).map(|plane| Column::bits(VECTORS.iter().map(|v| bit(v, plane)))).collect()
}

fn inputs() -> testing::Inputs {
    BTreeMap::from([(0, planes(0)), (1, planes(1))])
}

/// Party 0 has the keys, party 1 the blocks.
fn circuit(to: usize) -> Circuit {
    let mut b = Builder::new();
    let mut enter =
        |holder| -> Vec<Bit> { (0..128).map(|_| b.enter(holder, VECTORS.len())).collect() };
    let (key, block) = (enter(0), enter(1));
    for plane in aes128(&mut b, &key, &block) {
        b.reveal(plane, to, "cipher");
    }
    b.finish()
}

fn right(opened: &[(usize, String, Column)]) {
    let due: Vec<_> = planes(2).iter().map(Column::to_numbers).collect();
    let got: Vec<_> = opened.iter().map(|(_, _, column)| column.to_numbers()).collect();
    assert_eq!(got, due);
}

#[test]
fn the_published_vectors_are_met_in_forty_rounds_and_6800_ands() {
    let circuit = circuit(2);
    right(&clear(&circuit, &inputs()).unwrap());
    let ands = circuit.instructions().iter().filter(|i| i.op == Op::Mul).count();
    assert_eq!(ands, 6800);
    // Entering, 40 rounds, opening.
    assert_eq!(circuit.stats().depth, 42);
}

#[test]
fn the_laws_hold_for_aes_on_every_engine() {
    for engine in EngineKind::ALL {
        let session = testing::session(engine, 3, 3);
        let circuit = circuit(session.analyst);
        right(&testing::assert_laws(&circuit, engine, &session.roster, &inputs(), 1));
    }
}

#[test]
fn aes_goes_through_a_file_in_bristol_fashion_and_stays_the_same() {
    for form in [Form::New, Form::Old] {
        let text = export(&circuit(2), form).unwrap();
        let circuit = Bristol::parse(&text).unwrap().circuit(VECTORS.len(), &[0, 1], 2).unwrap();
        right(&clear(&circuit, &inputs()).unwrap());
    }
}
