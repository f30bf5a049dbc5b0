//! One file for each command.

pub mod audit;
pub mod bench;
pub mod completions;
pub mod demo;
pub mod dictionary;
pub mod doctor;
pub mod explain;
pub mod jobs;
pub mod key;
pub mod query;
pub mod sandbox;
pub mod site;
pub mod study;
