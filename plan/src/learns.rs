//! Who learns what from one query: a complete statement, from the plan alone.
//!
//! It says what each party is told, what it holds, and which parties would have to work together
//! to see more. What follows from answers to several queries is not in it.

use serde::{Deserialize, Serialize};

use crate::{Plan, Status};

/// The parties of a session and the engine that runs among them.
#[derive(Clone, Copy, Debug)]
pub struct Audience<'a> {
    /// Names of all sites: each enters data.
    pub sites: &'a [String],
    /// Names of the sites that compute; on `fhe` the one that evaluates.
    pub compute: &'a [String],
    /// Names of the sites that hold a share of the decryption key; none but on `fhe`.
    pub key_holders: &'a [String],
    /// Name of the dealer, if the engine has one or its keys come from one.
    pub dealer: Option<&'a str>,
    /// Name of the analyst who asks.
    pub analyst: &'a str,
    /// The engine's name: `rep3`, `additive`, `fhe`, `clear`.
    pub engine: &'a str,
    /// The engine's security model, in its own words.
    pub security: &'a str,
}

/// What one party learns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Learns {
    /// Its name and what it is.
    pub party: String,
    /// One sentence each.
    pub learns: Vec<String>,
}

impl Plan {
    /// What every party of a session learns from this query, the analyst first.
    pub fn who_learns(&self, audience: &Audience<'_>) -> Vec<Learns> {
        let mut all = vec![Learns {
            party: format!("{} (analyst)", audience.analyst),
            learns: self.analyst_learns(audience),
        }];
        for site in audience.sites {
            let computes = audience.compute.contains(site);
            let mut what = "site".to_owned();
            if computes {
                what += if audience.engine == "fhe" { ", evaluates" } else { ", computes" };
            }
            if audience.key_holders.contains(site) {
                what += ", holds a share of the key";
            }
            all.push(Learns {
                party: format!("{site} ({what})"),
                learns: self.site_learns(site, computes, audience),
            });
        }
        if let Some(dealer) = audience.dealer.filter(|_| audience.engine == "fhe") {
            all.push(Learns {
                party: format!("{dealer} (dealer)"),
                learns: vec![
                    "Nothing: it made the keys before anything was asked, and takes no part in \
                     the question."
                        .to_owned(),
                    "If it kept the decryption key, it could decrypt every ciphertext that it \
                     came by, and forge the proofs that a ciphertext is well formed."
                        .to_owned(),
                ],
            });
        } else if let Some(dealer) = audience.dealer {
            all.push(Learns {
                party: format!("{dealer} (dealer)"),
                learns: vec![
                    format!(
                        "The question, that {} asks it and when, and the shape of the \
                         computation.",
                        audience.analyst
                    ),
                    "It gives out random numbers and receives nothing: no share, no masked \
                     value, no result."
                        .to_owned(),
                    "If it worked together with one compute site, the two would see what every \
                     site entered."
                        .to_owned(),
                ],
            });
        }
        all.push(Learns {
            party: "whoever watches the network".to_owned(),
            learns: vec![
                "Who talks to whom, when and how many bytes. Sizes follow from the question and \
                 the study, never from the rows; the time that a site takes may tell roughly how \
                 many rows it has."
                    .to_owned(),
            ],
        });
        all
    }

    /// Statuses that are opened to the analyst: one for each number and cell.
    pub fn openings(&self) -> usize {
        self.numbers.len() * self.cells()
    }

    fn analyst_learns(&self, audience: &Audience<'_>) -> Vec<String> {
        let cells = self.cells();
        let of = match cells {
            1 => "for the one cell".to_owned(),
            cells => format!("for each of the {cells} cells"),
        };
        let valued = self.expressions(|number| self.numbers[number].value.is_some());
        let mut learns = vec![format!(
            "{}: {of} and each of {}, its status ({}).",
            counted(self.openings(), "opening"),
            counted(self.numbers.len(), "number"),
            [Status::Zero, Status::Hidden, Status::Shown].map(word).join(", "),
        )];
        if !valued.is_empty() {
            learns.push(format!(
                "Where the status is shown, the value over all sites together of: {}.",
                valued.join("; ")
            ));
        }
        let status_only = self.expressions(|number| self.numbers[number].value.is_none());
        if !status_only.is_empty() {
            learns
                .push(format!("The status alone, never a value, of: {}.", status_only.join("; ")));
        }
        for number in &self.numbers {
            if let (Some(multiple), Some(_)) = (number.rounding, number.value) {
                learns.push(format!(
                    "{} only to the nearest multiple of {multiple}.",
                    number.expression
                ));
            }
        }
        for column in &self.release.columns {
            let parts: Vec<&str> = dedup(&column.numbers)
                .into_iter()
                .filter_map(|number| Some(self.numbers.get(number)?.expression.as_str()))
                .collect();
            if parts.len() > 1 {
                learns.push(format!(
                    "The column {} is computed on the analyst's side, so that each of its parts \
                     is opened, not only their quotient: {}.",
                    column.name,
                    parts.join("; ")
                ));
            }
        }
        let shown: Vec<usize> =
            self.release.columns.iter().flat_map(|column| column.numbers.clone()).collect();
        let unseen = self.expressions(|number| !shown.contains(&number));
        if !unseen.is_empty() {
            learns.push(format!(
                "Opened though no column shows it (it says which groups there are, or serves \
                 HAVING or ORDER BY): {}.",
                unseen.join("; ")
            ));
        }
        if self.release.having.is_some() || self.release.limit.is_some() {
            learns.push(
                "HAVING and LIMIT drop rows only after the opening: the analyst's program has \
                 received them all."
                    .to_owned(),
            );
        }
        learns.push(
            "How long each site took and how many bytes it sent. Not which rule hid a number, \
             and no number of a single site."
                .to_owned(),
        );
        learns.push(format!(
            "If {} worked together with a site, the two could subtract that site's rows from \
             what is shown.",
            audience.analyst
        ));
        if audience.engine == "fhe" {
            learns.push(format!(
                "Its program carries the ciphertexts between the parties. They tell it nothing; if \
                 {} worked together with all of {}, they would see what every site entered.",
                audience.analyst,
                audience.key_holders.join(", ")
            ));
        }
        learns
    }

    fn site_learns(&self, site: &String, computes: bool, audience: &Audience<'_>) -> Vec<String> {
        let mut learns = vec![
            format!(
                "The question, that {} asks it and when, and whether the computation came to \
                 its end; it keeps them in its receipt.",
                audience.analyst
            ),
            format!(
                "Sizes that follow from the question and the study: {}, {}. Not \
                 the result, no status of a cell, and, of the other sites, no row and no count.",
                counted(self.cells(), "cell"),
                counted(self.inputs.len(), "input")
            ),
        ];
        if audience.engine == "fhe" {
            learns.extend(encrypted_learns(site, computes, audience));
            return learns;
        }
        if !computes {
            learns.push(
                "It enters shares of its own counts and sums, and receives nothing of the \
                 computation."
                    .to_owned(),
            );
            return learns;
        }
        let names = audience.compute.join(", ");
        learns.push(match audience.engine {
            "clear" => "WITH THE ENGINE clear THERE IS NO SECRECY HERE: as a compute site it sees \
                        every count and sum that every site enters, and the whole result before \
                        anything is hidden."
                .to_owned(),
            "rep3" => format!(
                "It holds random shares, which alone tell nothing. If two of {names} worked \
                 together, the two would see what every site entered. ({})",
                audience.security
            ),
            "additive" => format!(
                "It holds random shares. Only if all of {names} worked together, or one of them \
                 with the dealer, would they see what every site entered. ({})",
                audience.security
            ),
            _ => format!("It holds shares. ({})", audience.security),
        });
        if audience.engine != "clear" {
            learns.push(
                "All parties must follow the protocol: one that sends wrong numbers on purpose \
                 could falsify the result or, in repeated runs, learn more."
                    .to_owned(),
            );
        }
        learns
    }

    /// Expressions of the numbers that `which` picks, each once.
    fn expressions(&self, which: impl Fn(usize) -> bool) -> Vec<&str> {
        let picked = (0..self.numbers.len()).filter(|number| which(*number));
        dedup(&picked.map(|number| self.numbers[number].expression.as_str()).collect::<Vec<_>>())
    }
}

/// What a site learns beside the question where columns are encrypted.
fn encrypted_learns(site: &String, evaluates: bool, audience: &Audience<'_>) -> Vec<String> {
    let mut learns = vec![
        "It encrypts its own counts and sums, with proofs that it did so properly, and need not be \
         there while others work on them."
            .to_owned(),
    ];
    let holds = audience.key_holders.contains(site);
    if evaluates || holds {
        learns.push(
            "It gets the ciphertexts of every site, which alone tell nothing, and computes on \
             them without seeing what is in them."
                .to_owned(),
        );
    }
    if holds {
        learns.push(format!(
            "It holds a share of the decryption key, and decrypts what the question opens, once, \
             to {} alone. Only if all of {} worked together would they see what every site \
             entered. ({})",
            audience.analyst,
            audience.key_holders.join(", "),
            audience.security
        ));
    }
    learns.push(
        "All parties must follow the protocol: a key holder that decrypts wrongly could spoil the \
         result unnoticed; an evaluator that computes wrongly is noticed where key holders evaluate \
         again."
            .to_owned(),
    );
    learns
}

fn word(status: Status) -> &'static str {
    match status {
        Status::Zero => "zero",
        Status::Hidden => "hidden",
        Status::Shown => "shown",
    }
}

/// `1 cell`, `2 cells`.
fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn dedup<T: PartialEq + Copy>(items: &[T]) -> Vec<T> {
    let mut kept = Vec::new();
    for item in items {
        if !kept.contains(item) {
            kept.push(*item);
        }
    }
    kept
}
