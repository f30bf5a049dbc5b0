//! What a query is, before anybody runs it: the data dictionary, the plan, the rules of release,
//! who learns what, and digests. No I/O.

pub mod calendar;
mod dictionary;
mod digest;
mod disclosure;
mod domain;
mod error;
mod form;
mod learns;
pub mod literal;
mod merge;
mod open;
mod outwards;
mod plan;
pub mod suggest;
mod validate;
mod value;

pub use dictionary::{Column, ColumnType, Dictionary, Table};
pub use digest::Digest;
pub use disclosure::{Disclosure, DisclosureTerms};
pub use domain::LARGEST_DOMAIN;
pub use error::{Error, Result};
pub use learns::{Audience, Learns};
pub use merge::{MOST_INFERRED_WORDS, Merged};
pub use plan::{
    Cell, Input, InputColumns, Key, LocalQuery, Number, Opened, OutputColumn, Plan, Release, Role,
    Rows, Rule, Sort, Status, Test, VERSION,
};
pub use validate::{LARGEST_SCALE, MOST_WORDS};
pub use value::{Type, Value};
