//! Joint answers of chosen questions, where the order and the form of the answer matter.

use tacit_plan::{Disclosure, Value};
use tacit_sql::{
    ResultTable,
    testing::{Dice, World},
};

async fn ask(sql: &str) -> (ResultTable, Vec<Vec<Value>>) {
    let mut dice = Dice(11);
    let world = World::random(&mut dice, 600, 3, false);
    let mut disclosure = Disclosure::profile("default").unwrap();
    disclosure.threshold = 1;
    let plan = world.compile(sql, &disclosure).unwrap_or_else(|e| panic!("{sql}: {e}"));
    let joint = world.joint(&plan).await.unwrap_or_else(|e| panic!("{sql}: {e}\n{plan:#?}"));
    let types: Vec<_> = joint.columns.iter().map(|column| column.r#type).collect();
    let pooled = world.pooled(&unconfused(sql), &types).await;
    let pooled = pooled.unwrap_or_else(|e| panic!("{sql}: {e}"));
    (joint, pooled)
}

/// DataFusion itself cannot tell columns apart that differ by a conversion.
fn unconfused(sql: &str) -> String {
    sql.replace("CAST(bmi AS INTEGER)", "arrow_cast(bmi, 'Int32')")
        .replace("CAST(bmi AS DECIMAL(9,0))", "arrow_cast(bmi, 'Decimal128(9, 0)')")
}

#[tokio::test]
async fn answers_are_in_the_order_of_the_pooled_answer() {
    for sql in [
        "SELECT sex, COUNT(*) AS n FROM encounters GROUP BY sex ORDER BY n DESC, sex",
        "SELECT Sex, COUNT(*) AS n FROM Encounters GROUP BY SEX HAVING COUNT(*) > 60 ORDER BY 2",
        "SELECT ward, SUM(cost) / COUNT(*) AS mean FROM encounters GROUP BY 1 ORDER BY 1 LIMIT 2",
        "SELECT age / 10 * 10 AS decade, COUNT(*) AS n, 100 * COUNT(*) FILTER (WHERE smoker) / \
         COUNT(*) AS percent FROM encounters WHERE age >= 18 GROUP BY decade ORDER BY decade",
        "WITH adults AS (SELECT age - 18 AS over, ward AS place FROM encounters WHERE age >= 18) \
         SELECT place, SUM(over) AS years FROM adults WHERE over < 50 GROUP BY place \
         ORDER BY years DESC",
        "SELECT * FROM (SELECT ward, COUNT(*) AS n FROM encounters GROUP BY ward) AS t \
         WHERE n > 10 ORDER BY ward DESC LIMIT 3 OFFSET 1",
        "SELECT COUNT(*) FROM encounters",
        "SELECT sex, SUM(coalesce(delta, 0)) AS a, SUM(CASE WHEN delta > 3 THEN los ELSE 0 END) AS b \
         FROM encounters WHERE delta IS NULL GROUP BY sex ORDER BY sex",
        "SELECT COUNT(*), SUM(los), COUNT(age), COUNT(CASE WHEN age > 64 THEN 1 END) \
         FROM encounters WHERE sex = 'nobody'",
        "SELECT ward FROM encounters GROUP BY ward ORDER BY ward",
        "SELECT CAST(bmi AS INTEGER) AS b, bmi, SUM(bmi) AS s, SUM(CAST(bmi AS DECIMAL(9,0))) AS r, \
         COUNT(*) AS c FROM encounters \
         GROUP BY CAST(bmi AS INTEGER), bmi ORDER BY bmi",
        "SELECT 'all' AS label, COUNT(*) AS n FROM encounters GROUP BY label",
        "SELECT SUM(admitted - DATE '2019-01-01') AS days, COUNT(*) FROM encounters",
        "SELECT 2 AS a, 1 AS b, sex AS c, COUNT(*) AS n FROM encounters GROUP BY 1, 2, 3 ORDER BY c",
        "SELECT bmi, COUNT(*) AS n FROM encounters GROUP BY bmi ORDER BY n DESC, bmi LIMIT 7",
        "SELECT COUNT(*) AS n FROM encounters WHERE CAST(age AS VARCHAR) LIKE '4%' OR \
         (ward IS DISTINCT FROM 'east') AND (sex IS NULL) IS NOT TRUE OR -(-delta) = 3",
        "SELECT sex || '/' || ward AS both, AVG(los) AS l FROM encounters GROUP BY both ORDER BY 1",
        "SELECT CASE age / 30 WHEN 0 THEN 'a' WHEN 1 THEN 'b' END AS band, SUM(-los) AS l \
         FROM encounters GROUP BY band ORDER BY band",
        "SELECT SUM(CAST(cost * 100 AS BIGINT) % 7) AS s, SUM(cost / 3) AS t, \
         SUM(bmi * bmi - 0.5) AS u, SUM(CAST(bmi AS DECIMAL(9,3))) AS v FROM encounters",
        "SELECT EXTRACT(DOW FROM seen) AS d, EXTRACT(WEEK FROM seen) AS w, COUNT(*) AS n \
         FROM encounters WHERE date_part('hour', seen) >= 12 GROUP BY d, w ORDER BY d, w",
        "SELECT COUNT(*) + 1 AS more, 'x' AS label FROM encounters",
        "SELECT date_trunc('year', admitted) AS y, COUNT(*) AS n FROM encounters GROUP BY y \
         ORDER BY y",
        "SELECT CAST(seen AS DATE) AS d, COUNT(*) AS n FROM encounters \
         WHERE seen < TIMESTAMP '2020-01-10' GROUP BY d ORDER BY d NULLS FIRST",
        "SELECT ward, COUNT(*) AS n FROM encounters WHERE ward LIKE '_o%' OR ward ILIKE 'IT''S%' \
         GROUP BY ward HAVING COUNT(*) IS NOT NULL AND ward <> 'x' ORDER BY ward;",
        "SELECT smoker, readmitted, COUNT(*) AS n FROM encounters GROUP BY smoker, readmitted \
         ORDER BY smoker, readmitted",
        "SELECT SUM(CASE ward WHEN 'north' THEN 1 WHEN 'east' THEN 2 ELSE 0 END) AS s, \
         SUM(los) FROM encounters WHERE NOT (sex = 'male') AND \
         (age - (los - delta)) > 4 AND admitted - INTERVAL '1 month' < DATE '2021-10-10'",
        "SELECT extract(year FROM admitted) AS y, extract(month FROM admitted) AS m, \
         COUNT(*) AS n FROM encounters WHERE admitted IS NOT NULL GROUP BY y, m ORDER BY y, m",
        "SELECT substr(ward, 1, 1) AS letter, length(sex) AS l, COUNT(*) AS n FROM encounters \
         GROUP BY letter, l ORDER BY letter, l",
    ] {
        let (joint, pooled) = ask(sql).await;
        let values = |row: &Vec<tacit_sql::ResultValue>| -> Vec<Value> {
            row.iter().map(|value| value.value.clone()).collect()
        };
        let joint: Vec<Vec<Value>> = joint.rows.iter().map(values).collect();
        let differs = joint.iter().zip(&pooled).find(|(a, b)| a != b);
        assert!(differs.is_none() && joint.len() == pooled.len(), "{sql}: {differs:?}");
    }
}

#[tokio::test]
async fn what_fails_at_run_time_is_null() {
    let world = World::random(&mut Dice(5), 200, 2, false);
    let mut disclosure = Disclosure::profile("default").unwrap();
    disclosure.threshold = 1;
    for sql in [
        "SELECT SUM(los / readmitted) AS x FROM encounters WHERE readmitted = 0",
        "SELECT SUM(los % (age - age)) AS x FROM encounters",
        "SELECT COUNT(CAST(note AS INTEGER)) AS x FROM encounters",
        "SELECT COUNT(*) / (COUNT(*) - COUNT(*)) AS x FROM encounters",
        "SELECT SUM(los / 0) AS x FROM encounters",
    ] {
        let plan = world.compile(sql, &disclosure).unwrap_or_else(|e| panic!("{sql}: {e}"));
        let joint = world.joint(&plan).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        let value = &joint.rows[0][0];
        assert!(value.is_hidden() || value.value == Value::Null, "{sql}: {value:?}");
    }
}

#[test]
fn compiling_twice_gives_the_same_digest() {
    let world = World::random(&mut Dice(3), 0, 3, true);
    let disclosure = Disclosure::profile("default").unwrap();
    let sql = "SELECT sex, ward, COUNT(*), AVG(age), SUM(cost) FILTER (WHERE smoker AND los > 3) \
               FROM encounters WHERE note LIKE '%fever%' GROUP BY sex, ward";
    let digests = (0..3).map(|_| world.compile(sql, &disclosure).unwrap().digest());
    let digests: Vec<_> = digests.collect();
    assert!(digests.windows(2).all(|pair| pair[0] == pair[1]));
}

#[tokio::test]
async fn what_is_accepted_runs_on_a_small_stack() {
    let world = World::random(&mut Dice(6), 100, 2, false);
    let disclosure = Disclosure::profile("default").unwrap();
    let chain = "los = 1 OR ".repeat(140);
    let nested = format!("{}los{}", "coalesce(".repeat(9), ", 1)".repeat(9));
    let listed: Vec<String> = (0..5000).map(|n| n.to_string()).collect();
    for condition in [
        format!("{chain} los = 2"),
        format!("{nested} = 2"),
        format!("age IN ({})", listed.join(",")),
    ] {
        let having = condition.replace("los", "COUNT(*)").replace("age", "COUNT(*)");
        let sql = format!(
            "SELECT sex, COUNT(*) FROM encounters WHERE {condition} GROUP BY sex HAVING {having}"
        );
        let plan = world.compile(&sql, &disclosure).unwrap_or_else(|e| panic!("{condition}: {e}"));
        world.joint(&plan).await.unwrap_or_else(|e| panic!("{condition}: {e}"));
    }
}
