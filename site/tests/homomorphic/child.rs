//! A site in a process of its own, which can be killed.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use tacit_site::Site;

use crate::common::World;

const CONFIG: &str = "TACIT_TEST_SITE";

/// A site in a process of its own; killed when it is dropped.
pub struct Process(Child);

impl Process {
    /// Starts the site and waits until it serves.
    pub fn start(world: &World, name: &str) -> Self {
        let home = world.home(name);
        let mut config = world.config(name);
        // Paths as they are read back: the file is in the site's folder.
        config.study = "../study.toml".into();
        config.key = "key".into();
        config.receipts = "receipts.jsonl".into();
        config.tables.values_mut().for_each(|source| source.path = "visits.csv".into());
        let path = home.join("site.toml");
        std::fs::write(&path, toml::to_string(&config).unwrap()).unwrap();
        let log = std::fs::OpenOptions::new().create(true).append(true).open(home.join("log"));
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "--nocapture", "child::a_site_of_its_own"])
            .env(CONFIG, &path)
            .stdout(Stdio::piped())
            .stderr(log.unwrap())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        while !lines.next().expect("the site ended before it served").unwrap().contains("serving") {
        }
        std::thread::spawn(move || lines.for_each(drop));
        Self(child)
    }

    /// Kills it as a loss of power would.
    pub fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "what a test above starts, and nothing by itself"]
fn a_site_of_its_own() {
    let Ok(path) = std::env::var(CONFIG) else { return };
    let filter = tracing_subscriber::EnvFilter::new(
        "tacit_site=trace,tacit_he=trace,tacit_net=trace,tacit_sql=trace,tacit_governance=trace,\
         tacit_protocols=trace,datafusion=info",
    );
    let writer = std::io::stderr;
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(writer).init();
    let config = tacit_site::Config::read(std::path::Path::new(&path)).unwrap();
    Site::open(&config).unwrap().serve(|_| println!("\nserving")).unwrap();
}
