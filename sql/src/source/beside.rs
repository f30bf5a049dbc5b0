//! [`Beside`]: the few words that keep a column from being numbers or dates, such as NA and "?".

use std::collections::BTreeSet;

/// More different words are no way to say "missing".
const WORDS: usize = 3;

/// Characters of a word that a warning may show.
const CHARACTERS: usize = 12;

/// Values after which a column of mostly words is no longer looked at.
const PATIENCE: u64 = 100;

/// What stands beside the values of one form in a column.
#[derive(Debug, Default)]
pub(super) struct Beside {
    fitting: u64,
    others: u64,
    words: BTreeSet<String>,
}

impl Beside {
    /// Takes note of a value. `false` says that the column is not of that form but for a few words.
    pub(super) fn add(&mut self, text: &str, fits: bool) -> bool {
        if fits {
            self.fitting += 1;
            return true;
        }
        self.others += 1;
        if self.others > PATIENCE.max(self.fitting) {
            return false;
        }
        if self.words.contains(text) {
            return true;
        }
        // "<5" and "12 mg" are values; a control character or a quote is nothing to show.
        let plain = |c: char| !c.is_ascii_digit() && !c.is_control() && !matches!(c, '\'' | '"');
        let short = text.chars().count() <= CHARACTERS;
        let word = !text.is_empty() && short && text.chars().all(plain);
        word && self.words.len() < WORDS && self.words.insert(text.to_owned())
    }

    /// What to do, if nearly all values (nine of ten) are `form`.
    pub(super) fn warning(&self, form: &str) -> Option<String> {
        let all = self.fitting + self.others;
        if self.others == 0 || self.others > all / 10 {
            return None;
        }
        let shown: Vec<String> = self.words.iter().map(|word| format!("{word:?}")).collect();
        let options: Vec<String> = self.words.iter().map(|word| option(word)).collect();
        Some(format!(
            "all but {} of {all} values are {form}; the rest is {}: if that means missing, add {}",
            self.others,
            shown.join(" or "),
            options.join(" ")
        ))
    }
}

/// The option for a shell.
fn option(word: &str) -> String {
    if word.chars().all(char::is_alphanumeric) {
        format!("--null {word}")
    } else {
        format!("--null='{word}'")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beside(words: &[&str]) -> Option<String> {
        let mut beside = Beside::default();
        for _ in 0..90 {
            assert!(beside.add("7", true));
        }
        let all = words.iter().all(|word| beside.add(word, false));
        beside.warning("numbers").filter(|_| all)
    }

    #[test]
    fn a_few_short_words_beside_numbers_are_named() {
        let said = beside(&["NA", "?", "NA"]).unwrap();
        assert_eq!(
            said,
            "all but 3 of 93 values are numbers; the rest is \"?\" or \"NA\": if that means \
             missing, add --null='?' --null NA"
        );
    }

    #[test]
    fn values_long_words_and_many_words_are_never_shown() {
        for words in [&["<5"][..], &["Miller, Jonathan"], &["a", "b", "c", "d"], &["it's"], &[]] {
            assert_eq!(beside(words), None, "{words:?}");
        }
        assert_eq!(beside(&["NA"; 20]), None, "not nearly all");
    }
}
