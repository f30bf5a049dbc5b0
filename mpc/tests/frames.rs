//! Where the frames of a round may lie in memory is the transport's affair.

use tacit_mpc::{
    Builder, EngineKind, Num, bill,
    testing::{Inputs, parties, session},
};
use tacit_net::{Arena, Frames, Link, Memory, Result, Round, Seed};

/// Hands over every frame at an odd place in memory, as a slice of a datagram lies.
struct Shifted(Memory);

impl Link for Shifted {
    fn me(&self) -> usize {
        self.0.me()
    }
    fn parties(&self) -> usize {
        self.0.parties()
    }
    fn exchange(&mut self, round: Round) -> Result<Frames> {
        let shifted = |frame: bytes::Bytes| {
            let mut buffer = Arena::default().take(frame.len() + 1);
            buffer.bytes_mut()[1..].copy_from_slice(&frame);
            buffer.freeze().slice(1..)
        };
        Ok(self.0.exchange(round)?.into_iter().map(shifted).collect())
    }
    fn seed(&mut self, peer: usize) -> Result<Seed> {
        self.0.seed(peer)
    }
    fn arena(&self) -> Arena {
        self.0.arena()
    }
    fn abort(&mut self, culprit: Option<usize>, reason: &str) {
        self.0.abort(culprit, reason);
    }
}

#[test]
fn products_whose_frames_cannot_be_seen_as_words_are_the_same_and_are_counted_as_well() {
    let session = session(EngineKind::Rep3, 3, 3);
    let mut b = Builder::new();
    let (x, mut y): (Num, Num) = (b.enter(0, 50), b.enter(1, 50));
    for _ in 0..5 {
        y = b.mul(x, y);
    }
    b.reveal(y, session.analyst, "product");
    let circuit = b.finish();
    let column = |from: u64| tacit_mpc::Column::Num((from..from + 50).collect());
    let inputs = Inputs::from([(0, vec![column(1)]), (1, vec![column(1000)])]);
    let bill = bill(&circuit, EngineKind::Rep3, &session.roster).unwrap();
    let run = |shift: bool| {
        let wrap = move |link| -> Box<dyn Link> {
            if shift { Box::new(Shifted(link)) } else { Box::new(link) }
        };
        parties(&circuit, EngineKind::Rep3, &session.roster, &inputs, 7, wrap)
    };
    let (plain, shifted) = (run(false), run(true));
    for (plain, shifted) in plain.iter().zip(&shifted) {
        assert_eq!(plain.result.as_ref().unwrap(), shifted.result.as_ref().unwrap());
        assert_eq!(plain.peak, shifted.peak);
        assert!(shifted.peak <= bill.peak_bytes);
    }
}
