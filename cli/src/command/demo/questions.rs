//! What the demo asks.

/// A question of the demo.
pub struct Question {
    /// In words.
    pub title: &'static str,
    /// In SQL.
    pub sql: &'static str,
    /// Whether a bar picture says more than a table.
    pub bars: bool,
    /// What to look at.
    pub remark: &'static str,
}

/// The questions.
pub const QUESTIONS: [Question; 5] = [
    Question {
        title: "How old are the patients of all three hospitals?",
        sql: "SELECT age, COUNT(*) AS patients\nFROM encounters\nGROUP BY age",
        bars: true,
        remark: "No hospital told another its own counts: they were added up on random shares.",
    },
    Question {
        title: "How long do they stay, by insurer?",
        sql: "SELECT insurer, COUNT(*) AS patients, AVG(duration) AS days,\n       \
              AVG(n_medications) AS medications\nFROM encounters\nGROUP BY insurer\n\
              ORDER BY patients DESC",
        bars: false,
        remark: "Means are computed by the analyst's program from exact sums and counts.",
    },
    Question {
        title: "Who is readmitted, by number of medications?",
        sql: "SELECT CASE WHEN n_medications < 10 THEN 'below 10'\n            \
              WHEN n_medications < 20 THEN '10 to 19'\n            \
              WHEN n_medications < 60 THEN '20 to 59'\n            \
              ELSE '60 and more' END AS medications,\n       \
              COUNT(*) AS patients,\n       \
              COUNT(*) FILTER (WHERE readmitted = 'Yes') AS readmitted\n\
              FROM encounters\nGROUP BY 1\nHAVING COUNT(*) > 100\nORDER BY patients DESC",
        bars: false,
        remark: "Group keys may be expressions; what HAVING and ORDER BY see is the released \
                 table.",
    },
    Question {
        title: "How many per race, age, blood glucose and insurer? (a table with small cells)",
        sql: "SELECT race, age, blood_glucose, insurer, COUNT(*) AS patients\n\
              FROM encounters\nGROUP BY race, age, blood_glucose, insurer\n\
              ORDER BY patients DESC",
        bars: false,
        remark: "Groups of 1 to 10 patients are hidden inside the computation: not even the \
                 analyst's program receives them.",
    },
    Question {
        title: "A question that singles people out",
        sql: "SELECT COUNT(*) AS patients, AVG(duration) AS days\nFROM encounters\n\
              WHERE race = 'Caucasian' AND age = '[0-10)' AND insurer = 'Private'",
        bars: false,
        remark: "Fewer than 11 pass the WHERE, so the whole answer is hidden.",
    },
];
