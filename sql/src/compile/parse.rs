//! Text to syntax tree: exactly one statement, names as the dictionary spells them, and a first
//! refusal, by name and with its place, of what no plan can hold.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::{
    ast::{
        DuplicateTreatment, Expr, Function, FunctionArguments, GroupByExpr, Ident, ObjectName,
        ObjectNamePart, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr,
        Spanned, Statement as Ast, TableAlias, TableFactor, Visit, VisitMut, Visitor, VisitorMut,
    },
    dialect::GenericDialect,
    parser::{Parser, ParserError},
    tokenizer::{Span, Token, TokenWithSpan, Tokenizer},
};
use tacit_plan::{Column, Dictionary, suggest::nearest};

use super::{bands, headers};
use crate::{MAX_CELLS, Place, Refusal, error::Result};

/// The longest text, in bytes: a hostile one must not keep a site busy.
const LONGEST: usize = 100_000;

/// The most operators of a text, and the deepest nesting: recursion over them has this depth.
const MOST_OPERATORS: usize = 1000;
const DEEPEST: usize = 60;

/// What a text turned out to be.
pub(super) enum Parsed {
    ShowTables,
    Describe(String),
    /// A question, and its columns' names where it gives none.
    Query(Box<Query>, Vec<Option<String>>),
}

/// The text with its tokens, to find places in.
pub(super) struct Source {
    tokens: Vec<TokenWithSpan>,
}

impl Source {
    /// Whether a word stands in double quotes.
    pub(super) fn quotes(&self, word: &str) -> bool {
        self.tokens.iter().any(|token| {
            matches!(&token.token, Token::Word(w) if w.value == word && w.quote_style == Some('"'))
        })
    }

    /// Where a word stands first (letter case aside).
    pub(super) fn place(&self, word: &str) -> Option<Place> {
        let is = |token: &&TokenWithSpan| match &token.token {
            Token::Word(w) => w.value.eq_ignore_ascii_case(word),
            Token::SingleQuotedString(text) => text == word,
            _ => false,
        };
        self.tokens.iter().find(is).and_then(|token| of(token.span))
    }
}

/// A span's place, if it has one.
fn of(span: Span) -> Option<Place> {
    let same = span.start.line == span.end.line && span.end.column > span.start.column;
    (span.start.line > 0).then(|| Place {
        line: span.start.line as usize,
        column: span.start.column as usize,
        length: if same { (span.end.column - span.start.column) as usize } else { 1 },
    })
}

/// Parses a text.
pub(super) fn parse(sql: &str, dictionary: &Dictionary) -> Result<(Parsed, Source)> {
    if sql.len() > LONGEST {
        let message = format!("the query has {} bytes; the most is {LONGEST}", sql.len());
        return Err(Refusal::new("too_long", message).into());
    }
    let dialect = GenericDialect {};
    let tokens = Tokenizer::new(&dialect, sql).tokenize_with_location().map_err(|e| {
        let place =
            Place { line: e.location.line as usize, column: e.location.column as usize, length: 1 };
        Refusal::new("syntax", format!("syntax error: {}", e.message)).at(Some(place))
    })?;
    let operator = |token: &&TokenWithSpan| {
        !matches!(
            token.token,
            Token::Whitespace(_)
                | Token::Comma
                | Token::Number(..)
                | Token::SingleQuotedString(_)
                | Token::Word(_)
                | Token::Period
        )
    };
    let operators = tokens.iter().filter(operator).count();
    let words = tokens.iter().filter(|t| matches!(t.token, Token::Word(_)));
    if operators > MOST_OPERATORS || words.count() > 2 * MOST_OPERATORS {
        let message = format!("the query has {operators} operators; the most is {MOST_OPERATORS}");
        return Err(Refusal::new("too_long", message)
            .suggest("split it into several queries")
            .into());
    }
    let source = Source { tokens: tokens.clone() };
    let from = misspelt_from(&tokens);
    let mut statements = Parser::new(&dialect)
        .with_recursion_limit(DEEPEST)
        .with_tokens_with_locations(tokens)
        .parse_statements()
        .map_err(|error| match from {
            Some((word, place)) => {
                let message = format!("syntax error: {word} stands where FROM is expected");
                Refusal::new("syntax", message).suggest("did you mean FROM?").at(place)
            }
            None => syntax(error).at(Some(end(sql))),
        })?;
    if statements.len() > 1 {
        let refusal = Refusal::new("several_statements", "one statement at a time, please")
            .at(of(statements[1].span()));
        return Err(refusal.into());
    }
    let Some(mut statement) = statements.pop() else {
        return Err(Refusal::new("empty", "the query is empty").suggest("try SHOW TABLES").into());
    };
    let headers = match &statement {
        Ast::Query(query) => headers::written(query),
        _ => Vec::new(),
    };
    spell(&mut statement, dictionary);
    let mut tables = Tables(Vec::new());
    let _ = Visit::visit(&statement, &mut tables);
    let named = dictionary.tables.iter().filter(|(name, _)| tables.0.contains(name));
    let mut refuse = Refuse(named.flat_map(|(_, table)| &table.columns).collect());
    if let ControlFlow::Break(refusal) = Visit::visit(&statement, &mut refuse) {
        return Err((*refusal).into());
    }
    let parsed = match statement {
        Ast::ShowTables { .. } => Parsed::ShowTables,
        Ast::ExplainTable { table_name, .. } => Parsed::Describe(table(&table_name, dictionary)?),
        Ast::Query(query) => Parsed::Query(query, headers),
        other => {
            let text = other.to_string();
            let word = text.split_whitespace().next().unwrap_or_default();
            let message = format!("{word} is not supported: data are read only, by SELECT");
            return Err(Refusal::new("unsupported_statement", message)
                .at(of(other.span()))
                .suggest("use SELECT, SHOW TABLES or DESCRIBE table")
                .into());
        }
    };
    Ok((parsed, source))
}

/// The word of a SELECT without FROM that is nearest to it.
fn misspelt_from(tokens: &[TokenWithSpan]) -> Option<(String, Option<Place>)> {
    let words = tokens.iter().filter_map(|token| match &token.token {
        Token::Word(word) if word.quote_style.is_none() => Some((word.value.as_str(), token.span)),
        _ => None,
    });
    if words.clone().any(|(word, _)| word.eq_ignore_ascii_case("from")) {
        return None;
    }
    let mut near = words.filter(|(word, _)| {
        let mut letters: Vec<char> = word.to_lowercase().chars().collect();
        letters.sort_unstable();
        letters == ['f', 'm', 'o', 'r'] || nearest(word, ["from"]).is_some()
    });
    near.next().map(|(word, span)| (word.to_owned(), of(span)))
}

/// Behind the last character.
fn end(sql: &str) -> Place {
    let sql = sql.trim_end();
    Place {
        line: sql.lines().count().max(1),
        column: sql.lines().last().map_or(0, |line| line.chars().count()) + 1,
        length: 1,
    }
}

/// A syntax error with its place, which the parser writes behind its message.
fn syntax(error: ParserError) -> Refusal {
    let text = match error {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => text,
        ParserError::RecursionLimitExceeded => {
            let message = format!("brackets are nested more than {DEEPEST} deep");
            return Refusal::new("too_deep", message).suggest("split it into several queries");
        }
    };
    let (message, place) = match text.rsplit_once(" at Line: ") {
        Some((message, place)) => {
            let mut numbers = place.split(", Column: ").map(|n| n.trim().parse().ok());
            let place = match (numbers.next().flatten(), numbers.next().flatten()) {
                (Some(line), Some(column)) => Some(Place { line, column, length: 1 }),
                _ => None,
            };
            (message.to_owned(), place)
        }
        None => (text, None),
    };
    Refusal::new("syntax", format!("syntax error: {message}")).at(place)
}

/// A table's name as the dictionary spells it.
pub(super) fn table(name: &ObjectName, dictionary: &Dictionary) -> Result<String, Refusal> {
    let wanted = match name.0.as_slice() {
        [ObjectNamePart::Identifier(ident)] => ident.value.as_str(),
        _ => "",
    };
    if dictionary.tables.contains_key(wanted) {
        return Ok(wanted.to_owned());
    }
    Err(unknown_table(&name.to_string(), dictionary).at(of(name.span())))
}

/// The refusal of a table that the study lacks.
pub(super) fn unknown_table(wanted: &str, dictionary: &Dictionary) -> Refusal {
    let names: Vec<&str> = dictionary.tables.keys().map(String::as_str).collect();
    let refusal = Refusal::new("unknown_table", format!("there is no table {wanted:?}"));
    match nearest(wanted, names.iter().copied()) {
        Some(name) => refusal.suggest(format!("did you mean {name:?}?")),
        None => refusal.suggest(format!("the study has: {}", names.join(", "))),
    }
}

/// Writes unquoted names as the dictionary spells them, in quotes, so that they match without
/// regard to letter case.
fn spell(statement: &mut Ast, dictionary: &Dictionary) {
    let mut tables = Tables(Vec::new());
    let _ = Visit::visit(statement, &mut tables);
    let named = |name: &&String| tables.0.iter().any(|t| t.eq_ignore_ascii_case(name));
    let tables = dictionary.tables.keys().filter(named);
    let mut names: Vec<String> = tables.clone().cloned().collect();
    for table in tables {
        let columns = &dictionary.tables[table].columns;
        names.extend(columns.iter().map(|column| column.name.clone()));
    }
    let _ = VisitMut::visit(statement, &mut Spell(names));
}

struct Tables(Vec<String>);

impl Visitor for Tables {
    type Break = ();

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        let parts = relation.0.iter().filter_map(ObjectNamePart::as_ident);
        self.0.extend(parts.map(|ident| ident.value.clone()));
        ControlFlow::Continue(())
    }
}

struct Spell(Vec<String>);

impl Spell {
    fn ident(&self, ident: &mut Ident) {
        if ident.quote_style.is_some() {
            return;
        }
        let exact = self.0.iter().find(|name| **name == ident.value);
        let similar = || self.0.iter().find(|name| name.eq_ignore_ascii_case(&ident.value));
        if let Some(name) = exact.or_else(similar) {
            ident.value.clone_from(name);
            // Unquoted names are read in lower case.
            ident.quote_style = (name.to_lowercase() != *name).then_some('"');
        }
    }

    fn object(&self, object: &mut ObjectName) {
        for part in &mut object.0 {
            if let ObjectNamePart::Identifier(ident) = part {
                self.ident(ident);
            }
        }
    }

    fn alias(&self, alias: &mut TableAlias) {
        self.ident(&mut alias.name);
        for column in &mut alias.columns {
            self.ident(&mut column.name);
        }
    }
}

impl VisitorMut for Spell {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        for cte in query.with.iter_mut().flat_map(|with| &mut with.cte_tables) {
            self.alias(&mut cte.alias);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        for item in &mut select.projection {
            match item {
                SelectItem::ExprWithAlias { alias, .. } => self.ident(alias),
                SelectItem::QualifiedWildcard(
                    SelectItemQualifiedWildcardKind::ObjectName(object),
                    _,
                ) => self.object(object),
                _ => {}
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &mut ObjectName) -> ControlFlow<()> {
        self.object(relation);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { alias, .. } | TableFactor::Derived { alias, .. } = factor
            && let Some(alias) = alias
        {
            self.alias(alias);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(ident) => self.ident(ident),
            Expr::CompoundIdentifier(idents) => idents.iter_mut().for_each(|i| self.ident(i)),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Refuses by name. What it passes is looked at again when the plan is walked; here the words are
/// still the asker's own, and their places are known.
struct Refuse<'a>(Vec<&'a Column>);

type Flow = ControlFlow<Box<Refusal>>;

fn stop(code: &'static str, message: impl Into<String>, span: Span, suggestion: &str) -> Flow {
    let refusal = Refusal::new(code, message).at(of(span));
    ControlFlow::Break(Box::new(refusal.suggest(suggestion)))
}

impl Visitor for Refuse<'_> {
    type Break = Box<Refusal>;

    fn pre_visit_query(&mut self, query: &Query) -> Flow {
        if let SetExpr::SetOperation { op, right, .. } = query.body.as_ref() {
            return stop(
                "union",
                format!("{op} is not supported"),
                right.span(),
                "ask its parts one by one, or widen the WHERE with OR",
            );
        }
        if let SetExpr::Values(values) = query.body.as_ref() {
            let message = "VALUES is not supported: a query reads a table of the study";
            return stop("no_table", message, values.span(), "try SHOW TABLES");
        }
        if query.with.as_ref().is_some_and(|with| with.recursive) {
            let message = "a recursive CTE is not supported";
            return stop("recursive", message, query.span(), "write a plain WITH");
        }
        if query.fetch.is_some() || !query.locks.is_empty() || query.for_clause.is_some() {
            let message = "FETCH and FOR are not supported";
            return stop("unsupported_clause", message, query.span(), "use LIMIT n");
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> Flow {
        if let Some(distinct) = &select.distinct {
            let items: Vec<String> = select.projection.iter().map(ToString::to_string).collect();
            let from = select.from.first().map(ToString::to_string);
            let (items, from) = (items.join(", "), from.unwrap_or_default());
            let suggestion = format!("try SELECT {items}, COUNT(*) FROM {from} GROUP BY {items}");
            let words = distinct.to_string();
            let word = words.split(' ').next().unwrap_or_default();
            let message = format!("SELECT {word} is not supported");
            return stop("distinct", message, select.select_token.0.span, &suggestion);
        }
        let joined = select.from.iter().find_map(|from| from.joins.first());
        let second = select.from.get(1);
        if joined.is_some() || second.is_some() {
            let span = joined.map(|join| join.relation.span());
            let span = span.or(second.map(|from| from.relation.span()));
            return stop(
                "join",
                "a join is not supported: a query reads one table",
                span.unwrap_or_else(Span::empty),
                "join the tables at the sites before they are registered, and ask the joined one",
            );
        }
        if select.qualify.is_some() || !select.named_window.is_empty() {
            let message = "window functions are not supported";
            return stop("window", message, select.span(), "use GROUP BY");
        }
        if select.top.is_some() {
            let message = "TOP is not supported";
            return stop("unsupported_clause", message, select.span(), "use LIMIT n");
        }
        if select.into.is_some() || !select.lateral_views.is_empty() || select.prewhere.is_some() {
            let message = "INTO, LATERAL and PREWHERE are not supported";
            return stop("unsupported_clause", message, select.span(), "leave it out");
        }
        if let GroupByExpr::Expressions(_, modifiers) = &select.group_by
            && !modifiers.is_empty()
        {
            return grouping_sets(select.group_by.span());
        }
        if let GroupByExpr::All(_) = &select.group_by {
            let message = "GROUP BY ALL is not supported";
            return stop("unsupported_clause", message, select.span(), "name the keys");
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> Flow {
        match expr {
            Expr::Subquery(_)
            | Expr::Exists { .. }
            | Expr::InSubquery { .. }
            | Expr::AnyOp { .. }
            | Expr::AllOp { .. } => stop(
                "subquery",
                "a subquery inside an expression is not supported",
                expr.span(),
                "ask it first, and write its answer as a literal",
            ),
            Expr::GroupingSets(_) | Expr::Cube(_) | Expr::Rollup(_) => grouping_sets(expr.span()),
            Expr::Function(function) => refuse_function(function, expr.span(), &self.0),
            _ => ControlFlow::Continue(()),
        }
    }
}

fn grouping_sets(span: Span) -> Flow {
    let message = "ROLLUP, CUBE and GROUPING SETS are not supported: margins beside their cells \
                   can undo what is hidden";
    stop("grouping_sets", message, span, "ask one GROUP BY")
}

/// Functions whose value is not fixed by the row.
const VOLATILE: [&str; 14] = [
    "random",
    "rand",
    "uuid",
    "now",
    "today",
    "current_date",
    "current_time",
    "current_timestamp",
    "localtime",
    "localtimestamp",
    "getdate",
    "sysdate",
    "gen_random_uuid",
    "current_user",
];

/// A key over an argument, of at most so many values.
fn key(argument: &str, columns: &[&Column], most: u128) -> Option<String> {
    let bare = argument.rsplit('.').next().unwrap_or_default().trim_matches('"');
    match columns.iter().find(|column| column.name == bare) {
        Some(column) => bands::key(column, most),
        None => Some(format!("CASE WHEN {argument} < 10 THEN 0 ELSE 1 END")),
    }
}

fn refuse_function(function: &Function, span: Span, columns: &[&Column]) -> Flow {
    let name = function.name.to_string().to_lowercase();
    let upper = name.to_uppercase();
    let span = match function.name.span() {
        own if own.start.line > 0 => own,
        _ => span,
    };
    if function.over.is_some() {
        let message = format!("{upper}(...) OVER is a window function, which is not supported");
        return stop("window", message, span, "use GROUP BY");
    }
    let (distinct, argument) = match &function.args {
        FunctionArguments::List(list) => (
            list.duplicate_treatment == Some(DuplicateTreatment::Distinct),
            list.args.first().map_or_else(|| "x".into(), ToString::to_string),
        ),
        _ => (false, "x".into()),
    };
    if distinct {
        let key = key(&argument, columns, MAX_CELLS as u128);
        let key = key.map(|key| format!("; try SELECT {key}, COUNT(*) ... GROUP BY {key}"));
        let suggestion = format!(
            "a table that names a person column counts persons for its rules of release by itself{}",
            key.unwrap_or_default()
        );
        let message = format!("{upper}(DISTINCT ...) is not supported");
        return stop("distinct", message, span, &suggestion);
    }
    if VOLATILE.contains(&name.as_str()) {
        let message = format!("{name} is not supported: its value differs from site to site");
        return stop("volatile", message, span, "write a literal, such as DATE '2026-01-31'");
    }
    let by_band = || match key(&argument, columns, bands::CELLS) {
        Some(key) => format!("count by value or band: SELECT {key}, COUNT(*) ... GROUP BY {key}"),
        None => format!("count what you look for: COUNT(*) FILTER (WHERE {argument} = '...')"),
    };
    let suggestion = match name.as_str() {
        "min" | "max" => format!("a smallest or largest value is one person's; {}", by_band()),
        "median"
        | "approx_median"
        | "approx_percentile_cont"
        | "percentile_cont"
        | "quantile_cont"
        | "approx_percentile_cont_with_weight"
        | "approx_distinct" => by_band(),
        "array_agg" | "string_agg" | "first_value" | "last_value" | "nth_value" | "listagg" => {
            "it shows rows; count them: COUNT(*)".to_owned()
        }
        "grouping" => return grouping_sets(span),
        _ if is_moment(&name) => format!(
            "ask for its parts: COUNT({argument}), SUM({argument}), SUM({argument} * {argument})"
        ),
        "bool_and" | "bool_or" | "bit_and" | "bit_or" | "bit_xor" | "every" => {
            format!("count instead: COUNT(*) FILTER (WHERE {argument})")
        }
        _ => return ControlFlow::Continue(()),
    };
    stop("aggregate", format!("{upper} is not supported"), span, &suggestion)
}

fn is_moment(name: &str) -> bool {
    let starts = ["var", "stddev", "std", "covar", "corr", "regr_", "skew", "kurt"];
    starts.iter().any(|start| name.starts_with(start))
}
