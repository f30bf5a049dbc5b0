//! What a query is, before anybody runs it: the data dictionary, the plan, the rules of release,
//! who learns what, and digests. No I/O.

mod dictionary;
mod digest;
mod disclosure;
mod error;
mod form;
mod open;
mod plan;
pub mod suggest;
mod value;

pub use dictionary::{Column, ColumnType, Dictionary, Table};
pub use digest::Digest;
pub use disclosure::{Disclosure, DisclosureTerms};
pub use error::{Error, Result};
pub use plan::{
    Cell, Input, InputColumns, Key, LocalQuery, Number, Opened, OutputColumn, Plan, Release, Role,
    Rows, Rule, Sort, Status, Test, VERSION,
};
pub use value::{Type, Value};
