//! What must not be seen anywhere: planted values in UDP payloads, logs, errors and `Debug`.

mod common;

use std::{
    fmt::Write as _,
    io::Write,
    sync::{Arc, Mutex},
};

use common::{CANARY, Terms, World, ask, proxy::Proxy};
use tracing_subscriber::fmt::MakeWriter;

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[test]
fn no_udp_payload_of_a_run_holds_a_value_or_the_question() {
    let mut world = World::of(&Terms { sites: 3, compute: 3, behind: true, ..Terms::default() });
    let proxies: Vec<Proxy> = world
        .ports
        .iter()
        .map(|&port| {
            let at = |port: u16| std::net::SocketAddr::from(([127, 0, 0, 1], port));
            Proxy::start(at(port), at(port + 1))
        })
        .collect();
    world.start_all();
    let client = world.client();
    let sql = format!(
        "SELECT sex, COUNT(*) AS n, SUM(age) AS years FROM visits WHERE note LIKE '{CANARY}%' \
         GROUP BY sex"
    );
    for engine in client.study().engines().names() {
        let answer = ask(&client, &sql, Some(engine.parse().unwrap())).unwrap();
        assert_eq!(answer.table, world.pooled(&sql));
    }
    for proxy in &proxies {
        let captured = proxy.captured();
        assert!(captured.len() > 3_000, "only {} bytes were captured", captured.len());
        for needle in [CANARY, "visits", "female", "SELECT"] {
            assert!(!contains(&captured, needle.as_bytes()), "{needle} went over the wire");
        }
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;
    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[test]
fn no_log_error_or_debug_shows_a_value() {
    let log = Log::default();
    // Everything that Tacit says, to the last detail; libraries that log every packet are left out.
    let filter = tracing_subscriber::EnvFilter::new(
        "tacit_site=trace,tacit_client=trace,tacit_net=trace,tacit_sql=trace,tacit_mpc=trace,\
         tacit_governance=trace,tacit_protocols=trace,datafusion=info",
    );
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(log.clone()).init();
    let mut world = World::new(3, 3);
    world.start_all();
    let client = world.client();
    let mut said = String::new();
    for sql in [
        "SELECT sex, COUNT(*) AS n, SUM(age) AS years FROM visits GROUP BY sex",
        "SELECT note, COUNT(*) FROM visits GROUP BY note",
        "SELECT SUM(1 / (age - age)) AS x FROM visits",
        "SELECT COUNT(CAST(note AS INTEGER)) AS x FROM visits",
        "SELECT nothing FROM visits",
    ] {
        match ask(&client, sql, None) {
            Ok(answer) => writeln!(said, "{:?}", answer.receipt).unwrap(),
            Err(error) => writeln!(said, "{error}\n{error:?}").unwrap(),
        }
    }
    writeln!(said, "{client:?}").unwrap();
    world.stop("site1");
    let error = ask(&client, "SELECT COUNT(*) FROM visits", None).unwrap_err();
    writeln!(said, "{error}\n{error:?}\n{}", error.advice().unwrap_or_default()).unwrap();
    for name in world.servers() {
        said += &std::fs::read_to_string(world.home(&name).join("receipts.jsonl")).unwrap();
    }
    // A row outside the dictionary is reported by place, not by value.
    let path = world.home("site2").join("visits.csv");
    world.stop("site2");
    let data = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, data + "female,120,55.508317,a,x\n").unwrap();
    let error = tacit_site::Site::open(&world.config("site2")).unwrap_err();
    assert!(error.to_string().contains("column weight"), "{error}");
    writeln!(said, "{error}\n{error:?}").unwrap();
    let log = log.0.lock().unwrap();
    assert!(contains(&log, b"takes part"), "the log was not caught");
    for needle in [CANARY, "55.508317"] {
        assert!(!contains(&log, needle.as_bytes()), "{needle} is in the log");
        assert!(!said.contains(needle), "{needle} is in what was said: {said}");
    }
}
