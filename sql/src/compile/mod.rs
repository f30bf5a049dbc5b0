//! From a question's text to its [`Plan`].
//!
//! The way: [`parse`] the text and refuse by name what no plan can hold; resolve names and types
//! with DataFusion ([`catalog`]); bring the result into the one shape that is answered ([`shape`]);
//! make its expressions safe ([`expr`], [`interval`]); find the domains of the keys ([`domain`]);
//! apply the rules of release ([`rules`], [`counts`]); write what each site runs ([`text`]) and
//! what the analyst's side makes of the opened numbers ([`output`]).
//!
//! Nothing here depends on data, on time or on an order of hashing: every party gets the same plan.

mod bands;
mod casts;
mod catalog;
mod choices;
mod counts;
pub(crate) mod domain;
mod expr;
mod headers;
mod interval;
mod lengths;
mod mixed;
mod moments;
mod nest;
mod output;
mod parse;
mod points;
mod rules;
mod shape;
mod strict;
mod summands;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use datafusion::{
    common::{DFSchema, SchemaError},
    error::DataFusionError,
    logical_expr::{Expr, LogicalPlan, planner::ContextProvider},
    optimizer::Analyzer,
    sql::{
        planner::{ParserOptions, SqlToRel},
        sqlparser::{ast, dialect::GenericDialect, parser::Parser},
    },
};
use tacit_plan::{Dictionary, Key, LocalQuery, Plan, Rows, Table, VERSION, suggest::nearest};

use self::{
    catalog::Catalog,
    expr::{Safe, columns, inside},
    interval::{Interval, Ranges},
    moments::Moments,
    parse::{Parsed, Source},
    rules::Rules,
    shape::Shape,
};
use crate::{Context, Refusal, Statement, error::Result, session::on_large_stack, types};

/// Compiles a question.
///
/// Pure: the same text and the same context yield the same plan, at every party.
///
/// # Errors
/// [`crate::Error::Query`] with a reason, a place where one is known, and what would work.
pub fn compile(sql: &str, context: &Context<'_>) -> Result<Statement> {
    on_large_stack(|| statement(sql, context))
}

fn statement(sql: &str, context: &Context<'_>) -> Result<Statement> {
    let (parsed, source) = parse::parse(sql, context.dictionary)?;
    match parsed {
        Parsed::ShowTables => Ok(Statement::ShowTables),
        Parsed::Describe(table) => Ok(Statement::Describe(table)),
        Parsed::Query(query, headers) => {
            let plan = question(sql, *query, &headers, context, &source);
            Ok(Statement::Query(plan.map_err(|refusal| located(refusal, &source))?))
        }
    }
}

/// A refusal with the place of the first name that it quotes.
fn located(refusal: Refusal, source: &Source) -> Refusal {
    if refusal.place.is_some() {
        return refusal;
    }
    let quoted = |text: &str| text.split(['"', '\'', '`']).nth(1).map(str::to_owned);
    let place = quoted(&refusal.message).and_then(|name| {
        let last = name.rsplit('.').next().unwrap_or_default().to_owned();
        source.place(&last)
    });
    refusal.at(place)
}

fn question(
    sql: &str,
    query: ast::Query,
    headers: &[Option<String>],
    context: &Context<'_>,
    source: &Source,
) -> Result<Plan, Refusal> {
    let catalog = Catalog::new(context.dictionary);
    let plan = resolve(query, &catalog, context.dictionary, source)?;
    let mut shape = shape::shape(&plan)?;
    headers::put(&mut shape.columns, headers);
    let name = shape.table.clone();
    let Some(table) = context.dictionary.tables.get(&name) else {
        return Err(parse::unknown_table(&name, context.dictionary));
    };
    let Some(nullif) = catalog.scalar("nullif") else {
        return Err(Refusal::new("planner", "the planner lacks NULLIF"));
    };
    let schema = DFSchema::try_from(types::schema(table).as_ref().clone());
    let schema = schema.map_err(|e| inside(&e))?;
    let mut safe = Safe { schema: &schema, nullif, notes: BTreeSet::new() };
    make_safe(&mut shape, &mut safe)?;
    let mut notes = std::mem::take(&mut safe.notes);
    let ranges = ranges(table)?;
    check_ranges(&shape, table, &schema, &ranges)?;
    let keys = keys(&shape, table, &schema, context)?;
    let most_rows = context.rows_at_most.checked_mul(context.sites.max(1) as u64);
    let Some(most_rows) = most_rows.filter(|rows| *rows < 1 << 62) else {
        let message = "the study's bound on rows times its sites is too large";
        return Err(Refusal::new("overflow", message));
    };
    check_person(&name, table)?;
    let cells = cells_name(context.dictionary);
    let grouped = !shape.keys.is_empty();
    let mut rules = Rules {
        disclosure: context.disclosure,
        table,
        schema: &schema,
        ranges: &ranges,
        filters: &shape.filters,
        grouped,
        most_rows,
        sites: context.sites,
        max_domain: context.max_domain,
        cells: &cells,
        inputs: Vec::new(),
        tests: Vec::new(),
        numbers: Vec::new(),
        made: Vec::new(),
        presence: None,
        total: None,
        compared: 0,
    };
    rules.apply(&shape.aggregates)?;
    check_work(rules.tests.len(), &keys)?;
    let mut local = local(&shape, &keys, &rules, &name)?;
    for query in local.iter_mut().filter(|query| Some(&query.sql) != rules.total.as_ref()) {
        query.sql = readable(&query.sql, &catalog)?;
    }
    let release = output::release(&shape, &keys, &rules, &safe, &mut notes)?;
    let read = read(&shape);
    let text_filter = read_by_filters(&shape, &rules);
    remark(&shape, table, &rules, text_filter, &mut notes);
    Ok(Plan {
        version: VERSION,
        study: context.study,
        sql: sql.trim().trim_end_matches(';').trim_end().to_owned(),
        tables: vec![name.clone()],
        columns: read.iter().map(|column| format!("{name}.{column}")).collect(),
        persons: table.person.is_some(),
        text_filter,
        keys,
        local,
        inputs: rules.inputs,
        tests: rules.tests,
        numbers: rules.numbers,
        presence: rules.presence,
        disclosure: context.disclosure.clone(),
        release,
        notes: notes.into_iter().collect(),
    })
}

/// Names and types, by DataFusion.
fn resolve(
    query: ast::Query,
    catalog: &Catalog,
    dictionary: &Dictionary,
    source: &Source,
) -> Result<LogicalPlan, Refusal> {
    let options = ParserOptions::new().with_parse_float_as_decimal(true);
    let planner = SqlToRel::new_with_options(catalog, options);
    let mut statement = ast::Statement::Query(Box::new(query));
    let plan = match planner.sql_statement_to_plan(statement.clone()) {
        Err(e) if casts::confused(&e) => {
            casts::tell_apart(&mut statement, catalog);
            planner
                .sql_statement_to_plan(statement)
                .map_err(|_| translate(&e, dictionary, source))?
        }
        other => other.map_err(|e| translate(&e, dictionary, source))?,
    };
    // Refuse what has no shape before types are looked at: the reasons are better.
    shape::shape(&plan)?;
    mixed::check(&plan)?;
    Analyzer::new()
        .execute_and_check(plan, catalog.options(), |_, _| {})
        .map_err(|e| translate(&e, dictionary, source))
}

/// DataFusion's error in the toolkit's words.
fn translate(error: &DataFusionError, dictionary: &Dictionary, source: &Source) -> Refusal {
    match error.find_root() {
        DataFusionError::SchemaError(schema, _) => match schema.as_ref() {
            SchemaError::FieldNotFound { field, valid_fields } => {
                let names: Vec<&str> = valid_fields.iter().map(|c| c.name.as_str()).collect();
                let message = format!("there is no column {:?}", field.name);
                let refusal = Refusal::new("unknown_column", message);
                let place = source.place(&field.name);
                match nearest(&field.name, names.iter().copied()) {
                    None if source.quotes(&field.name) => refusal.suggest(format!(
                        "for a text, write single quotes: '{}'; double quotes are for names",
                        field.name
                    )),
                    Some(name) => refusal.suggest(format!("did you mean {name:?}?")),
                    None => refusal.suggest(format!("there are: {}", names.join(", "))),
                }
                .at(place)
            }
            other => {
                let message = other.to_string();
                let message = message.trim_start_matches("Schema error: ").to_owned();
                Refusal::new("ambiguous", message).suggest("give each column a name with AS")
            }
        },
        DataFusionError::Plan(message) => plan_error(message, dictionary, source),
        _ => expr::inside(error),
    }
}

fn plan_error(message: &str, dictionary: &Dictionary, source: &Source) -> Refusal {
    let quoted = message.split('\'').nth(1).unwrap_or_default();
    let place = source.place(quoted.rsplit('.').next().unwrap_or_default());
    if message.starts_with("table '") {
        return parse::unknown_table(quoted, dictionary).at(place);
    }
    if message.starts_with("Invalid function") {
        let known: Vec<&str> = expr::FUNCTIONS.into_iter().chain(["count", "sum", "avg"]).collect();
        let near = nearest(quoted, known.iter().copied());
        let suggestion = near.map(|name| format!("did you mean {name:?}?"));
        let suggestion = suggestion.unwrap_or_else(|| format!("there are: {}", known.join(", ")));
        let message = format!("there is no function {quoted:?}");
        return Refusal::new("unknown_function", message).suggest(suggestion).at(place);
    }
    if message.contains("must be in GROUP BY") || message.contains("GROUP BY clause") {
        let column = message.split('"').nth(1).unwrap_or_default();
        let column = column.rsplit('.').next().unwrap_or_default();
        let message = format!("the column {column:?} is neither in GROUP BY nor in an aggregate");
        return Refusal::new("not_grouped", message)
            .suggest("name it in GROUP BY, or put it into COUNT, SUM or AVG")
            .at(source.place(column));
    }
    if message.contains("failed to match any signature") || message.contains("No function matches")
    {
        let message = format!("{} does not take arguments of these types", quoted.to_uppercase());
        return Refusal::new("type", message)
            .suggest("CAST them: SUM and AVG take numbers")
            .at(place);
    }
    expr::type_error(message).at(place)
}

/// Rewrites every expression below the aggregation so that no row can make it fail.
fn make_safe(shape: &mut Shape, safe: &mut Safe<'_>) -> Result<(), Refusal> {
    for filter in std::mem::take(&mut shape.filters) {
        let filter = safe.expr(filter)?;
        shape.filters.extend(expr::conjuncts(&filter));
    }
    for key in &mut shape.keys {
        *key = safe.expr(std::mem::replace(key, shape::always()))?;
    }
    for aggregate in &mut shape.aggregates {
        for part in [&mut aggregate.argument, &mut aggregate.filter] {
            *part = part.take().map(|part| safe.expr(part)).transpose()?;
        }
    }
    Ok(())
}

fn ranges(table: &Table) -> Result<BTreeMap<String, Interval>, Refusal> {
    let mut ranges = BTreeMap::new();
    for column in &table.columns {
        if let Some((low, high, scale)) = domain::range(column)? {
            ranges.insert(column.name.clone(), Interval::new(low, high, scale));
        }
    }
    Ok(ranges)
}

/// Refuses what may overflow at a site, or leave the calendar.
fn check_ranges(
    shape: &Shape,
    table: &Table,
    schema: &DFSchema,
    columns: &BTreeMap<String, Interval>,
) -> Result<(), Refusal> {
    let ranges = Ranges { schema, columns };
    let moments = Moments { schema, table };
    let aggregates = shape.aggregates.iter();
    let parts = aggregates.flat_map(|a| a.argument.iter().chain(&a.filter));
    for part in shape.filters.iter().chain(&shape.keys).chain(parts) {
        ranges.of(part)?;
        moments.check(part)?;
        lengths::check(part, table)?;
    }
    Ok(())
}

/// The keys with their domains.
fn keys(
    shape: &Shape,
    table: &Table,
    schema: &DFSchema,
    context: &Context<'_>,
) -> Result<Vec<Key>, Refusal> {
    let mut keys = Vec::new();
    let mut cells: u128 = 1;
    let read_by = |keys: &[Expr]| {
        let read: BTreeSet<String> = keys.iter().flat_map(columns).collect();
        let all = table.columns.iter();
        all.filter(move |column| read.contains(&column.name))
    };
    // Combinations of values that were tried for all keys.
    let mut tried = 0;
    for key in &shape.keys {
        let expression = text::sql(key)?;
        let r#type = domain::value_type(key, schema)?;
        if r#type == tacit_plan::Type::Float {
            let message = format!("the key {expression} is a floating-point number");
            return Err(Refusal::new("floating", message)
                .suggest(format!("try CAST({expression} AS DECIMAL(9,1))")));
        }
        let limits = (context.max_domain.saturating_sub(tried), context.max_cells);
        let (domain, own) = domain::key(key, r#type, table, limits).map_err(|mut refusal| {
            refusal.message = format!("the key {expression}: {}", refusal.message);
            if ["too_many_cells", "domain_too_large"].contains(&refusal.code) {
                refusal.suggestion = Some(bands::coarser(read_by(&shape.keys)));
            }
            refusal
        })?;
        tried += own;
        if domain.is_empty() {
            let message =
                format!("the key {expression} has no values: its column's domain is empty");
            return Err(Refusal::new("no_domain", message));
        }
        cells = cells.saturating_mul(domain.len() as u128);
        keys.push(Key { expression, r#type, domain });
        if cells > context.max_cells as u128 {
            break;
        }
    }
    if cells > context.max_cells as u128 {
        let sizes = keys.iter().map(|k| format!("{} has {}", k.expression, k.domain.len()));
        let sizes: Vec<String> = sizes.collect();
        let message = format!(
            "the result would have {cells} cells ({}); the most is {}",
            sizes.join(", "),
            context.max_cells
        );
        return Err(
            Refusal::new("too_many_cells", message).suggest(bands::coarser(read_by(&shape.keys)))
        );
    }
    Ok(keys)
}

/// Rules times the cells that they are applied to; each is a comparison of shares, so that more
/// would keep the sites at work for hours.
const MOST_WORK: usize = 20_000_000;

fn check_work(rules: usize, keys: &[Key]) -> Result<(), Refusal> {
    let cells: usize = keys.iter().map(|key| key.domain.len()).product();
    let work = rules.saturating_mul(cells);
    if work <= MOST_WORK {
        return Ok(());
    }
    let message = format!(
        "{rules} rules of release over {cells} cells are {work} tests; the most is {MOST_WORK}"
    );
    Err(Refusal::new("too_large", message)
        .suggest("group by fewer or coarser keys, or ask for fewer numbers at once"))
}

/// Contributing counts need everybody's person.
fn check_person(name: &str, table: &Table) -> Result<(), Refusal> {
    let Some(person) = &table.person else {
        return Ok(());
    };
    let column = table.columns.iter().find(|column| column.name == *person);
    match column {
        Some(column) if !column.missing => Ok(()),
        Some(_) => {
            let message = format!("the person column {name}.{person} may be missing");
            Err(Refusal::new("dictionary", message).suggest("the study must rule that out"))
        }
        None => {
            let message = format!("the person column {name}.{person} is not in the dictionary");
            Err(Refusal::new("dictionary", message))
        }
    }
}

/// A name for the table of cells that no table of the study has.
fn cells_name(dictionary: &Dictionary) -> String {
    let mut name = String::from("cells");
    while dictionary.tables.keys().any(|table| table.eq_ignore_ascii_case(&name)) {
        name.push('_');
    }
    name
}

/// What each site runs.
fn local(
    shape: &Shape,
    keys: &[Key],
    rules: &Rules<'_>,
    name: &str,
) -> Result<Vec<LocalQuery>, Refusal> {
    let from = text::name(name);
    let filters: Vec<_> = shape.filters.iter().collect();
    let wheres = if filters.is_empty() {
        String::new()
    } else {
        format!(" WHERE {}", counts::joined(&filters)?)
    };
    let items = |rows: Rows| {
        let inputs = rules.inputs.iter();
        let own = inputs.filter(move |input| input.rows == rows && !input.name.is_empty());
        own.map(|input| format!("{} AS {}", input.expression, input.name))
    };
    let named = keys.iter().enumerate();
    let named = named.map(|(i, key)| format!("{} AS k{i}", key.expression));
    let all: Vec<String> = named.chain(items(Rows::Cells)).collect();
    let groups: Vec<String> = (shape.keys.iter().zip(keys).enumerate())
        .map(|(i, (key, written))| {
            // A bare number in GROUP BY is a position.
            let bare = columns(key).is_empty();
            if bare { (i + 1).to_string() } else { written.expression.clone() }
        })
        .collect();
    let group_by =
        if groups.is_empty() { String::new() } else { format!(" GROUP BY {}", groups.join(", ")) };
    let mut local = vec![LocalQuery {
        rows: Rows::Cells,
        sql: format!("SELECT {} FROM {from}{wheres}{group_by}", all.join(", ")),
    }];
    let totals: Vec<String> = items(Rows::Total).collect();
    if !totals.is_empty() {
        let whole = format!("SELECT {} FROM {from}{wheres}", totals.join(", "));
        local.push(LocalQuery { rows: Rows::Total, sql: rules.total.clone().unwrap_or(whole) });
    }
    Ok(local)
}

/// The text of a local query, such that a site's planner reads it.
fn readable(sql: &str, catalog: &Catalog) -> Result<String, Refusal> {
    let read = |statement: ast::Statement| -> Result<(), DataFusionError> {
        let options = ParserOptions::new().with_parse_float_as_decimal(true);
        let planner = SqlToRel::new_with_options(catalog, options);
        let plan = planner.sql_statement_to_plan(statement)?;
        Analyzer::new().execute_and_check(plan, catalog.options(), |_, _| {})?;
        Ok(())
    };
    let fault = |e: &dyn std::fmt::Display| {
        let message = format!("the sites could not read the query that it comes to: {e}");
        Refusal::new("planner", message.lines().next().unwrap_or_default())
            .suggest("write its conditions in another way")
    };
    let mut parsed = Parser::new(&GenericDialect {})
        .with_recursion_limit(catalog.options().sql_parser.recursion_limit.get())
        .try_with_sql(sql)
        .and_then(|mut parser| parser.parse_statement())
        .map_err(|e| fault(&e))?;
    match read(parsed.clone()) {
        Ok(()) => Ok(sql.to_owned()),
        Err(e) if casts::confused(&e) => {
            casts::tell_apart(&mut parsed, catalog);
            let text = parsed.to_string();
            read(parsed).map(|()| text).map_err(|e| fault(&e.strip_backtrace()))
        }
        Err(e) => Err(fault(&e.strip_backtrace())),
    }
}

/// Columns that a question reads.
fn read(shape: &Shape) -> BTreeSet<String> {
    let aggregates = shape.aggregates.iter();
    let parts = aggregates.flat_map(|a| a.argument.iter().chain(&a.filter));
    let all = shape.filters.iter().chain(&shape.keys).chain(parts);
    all.flat_map(columns).collect()
}

fn read_by_filters(shape: &Shape, rules: &Rules<'_>) -> bool {
    let aggregates = shape.aggregates.iter();
    let parts = aggregates.flat_map(|a| a.argument.iter().chain(&a.filter));
    let mut all = shape.filters.iter().chain(parts);
    all.any(|expr| rules.reads_text(expr))
}

/// What people should know.
fn remark(
    shape: &Shape,
    table: &Table,
    rules: &Rules<'_>,
    text_filter: bool,
    notes: &mut BTreeSet<String>,
) {
    let mean = |made: &rules::Made| matches!(made, rules::Made::Mean(..));
    if rules.made.iter().any(mean) {
        notes.insert("AVG opens its sum and its count".into());
    }
    if text_filter {
        notes.insert("a filter reads a text column, so counts of zero are hidden as well".into());
    }
    if let Some(person) = &table.person {
        notes.insert(format!(
            "rules of release count distinct persons ({person}) of each site, summed; COUNT \
             counts records"
        ));
        if shape.aggregates.iter().any(|a| a.reads(person)) {
            notes.insert(format!("the person column {person} is read by an aggregate"));
        }
    }
    if let Some(step) = rules.disclosure.rounding {
        notes.insert(format!("counts are rounded to the nearest multiple of {step}"));
    }
}
