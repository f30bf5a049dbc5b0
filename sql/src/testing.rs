//! For tests, here and in the crates above: random tables and questions, and answers to compare.
