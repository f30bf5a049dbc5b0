//! "Did you mean": the nearest of some names.

/// ` (did you mean "x"?)` with a leading space, or nothing if no name is near enough.
pub fn did_you_mean<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    nearest(wanted, names).map_or_else(String::new, |name| format!(" (did you mean {name:?}?)"))
}

/// The name nearest to `wanted` (Jaro-Winkler similarity above 0.8, letter case aside).
pub fn nearest<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Similarity is quadratic in the length: a hostile name is cut.
    let wanted: String = wanted.chars().take(128).collect::<String>().to_lowercase();
    names
        .into_iter()
        .map(|name| (strsim::jaro_winkler(&wanted, &name.to_lowercase()), name))
        .filter(|(similarity, _)| *similarity > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_name_and_nonsense_does_not() {
        let names = ["age", "gender", "readmitted"];
        assert_eq!(nearest("Gendr", names), Some("gender"));
        assert_eq!(nearest("readmited", names), Some("readmitted"));
        assert_eq!(nearest("xyzzy", names), None);
        assert_eq!(did_you_mean("agee", names), " (did you mean \"age\"?)");
        assert_eq!(did_you_mean("", names), "");
    }
}
