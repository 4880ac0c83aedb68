//! Inference from functions: the types of their arguments and results.

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArguments, WindowType,
};

use super::{
    Guesser,
    evidence::{BOOLEAN, INTEGER, INTERVAL, LIST, MAP, MOMENT, NUMBER, SUM, TEXT, TIME, Term, Uses, WHOLE},
};
use crate::Error;

/// The signature of a function.
enum Meaning {
    /// Takes arguments of these kinds, the last for all that follow, and returns this kind.
    Takes(&'static [Uses], Uses),
    /// Returns one of its arguments.
    Same,
    /// Returns the type of its first argument.
    First,
}

/// The signature of a function, after the dialect's forms were rewritten.
fn meaning(name: &str) -> Meaning {
    use Meaning::{First, Same, Takes};
    match name {
        "sum"
        | "avg"
        | "mean"
        | "median"
        | "stddev"
        | "stddev_pop"
        | "stddev_samp"
        | "var_samp"
        | "var_pop"
        | "corr"
        | "covar_pop"
        | "covar_samp"
        | "percentile_cont"
        | "approx_percentile_cont"
        | "approx_median"
        | "regr_slope"
        | "regr_intercept"
        | "regr_r2" => Takes(&[SUM, NUMBER], NUMBER),
        "abs" | "round" | "trunc" | "sqrt" | "cbrt" | "ln" | "log" | "log2" | "log10" | "exp" | "power"
        | "pow" | "signum" | "ceil" | "floor" | "sin" | "cos" | "tan" | "radians" | "degrees" => {
            Takes(&[NUMBER, NUMBER], NUMBER)
        }
        "count" | "approx_distinct" => Takes(&[0], INTEGER),
        "row_number" | "rank" | "dense_rank" | "ntile" => Takes(&[0], INTEGER),
        "percent_rank" | "cume_dist" => Takes(&[0], NUMBER),
        "upper" | "lower" | "initcap" | "trim" | "ltrim" | "rtrim" | "btrim" | "reverse" | "md5"
        | "sha256" | "replace" | "translate" | "regexp_replace" | "json_extract" | "get_json_object"
        | "json_value" | "soundex" | "url_decode" | "url_encode" | "parse_json" => Takes(&[TEXT], TEXT),
        "substr" | "substring" | "left" | "right" | "lpad" | "rpad" | "repeat" | "split_part"
        | "regexp_extract" => Takes(&[TEXT, 0], TEXT),
        "length" | "char_length" | "character_length" | "octet_length" | "strpos" | "instr" | "position"
        | "ascii" | "levenshtein" => Takes(&[TEXT], INTEGER),
        "starts_with" | "ends_with" | "contains" | "regexp_like" => Takes(&[TEXT], BOOLEAN),
        "string_to_array" => Takes(&[TEXT], LIST),
        "concat" | "concat_ws" | "to_varchar" => Takes(&[0], TEXT),
        "date_trunc" | "date_bin" => Takes(&[0, TIME], TIME),
        "date_part" => Takes(&[0, TIME], INTEGER),
        "to_char" | "format_instant" | "date_format" => Takes(&[TIME, 0], TEXT),
        "units_between" => Takes(&[0, TIME], INTEGER),
        "months_between" => Takes(&[TIME], NUMBER),
        "from_utc_timestamp" | "to_utc_timestamp" => Takes(&[TIME | MOMENT, 0], TIME | MOMENT),
        "current_date" | "today" => Takes(&[0], TIME),
        "now" | "current_timestamp" | "localtimestamp" => Takes(&[0], TIME | MOMENT),
        "to_timestamp" | "to_timestamp_seconds" | "to_timestamp_millis" | "to_timestamp_micros" => {
            Takes(&[0], TIME | MOMENT)
        }
        "to_date" => Takes(&[0], TIME),
        "bool_and" | "bool_or" => Takes(&[BOOLEAN], BOOLEAN),
        "cardinality" | "array_length" => Takes(&[LIST, 0], INTEGER),
        "unnest" => Takes(&[LIST], TEXT),
        "array_has" | "array_contains" | "array_any_match" => Takes(&[LIST, 0], BOOLEAN),
        "map_keys" | "map_values" | "map_entries" => Takes(&[MAP], LIST),
        "array_element" => Takes(&[LIST, WHOLE], TEXT),
        "array_agg" => Takes(&[0], LIST),
        "string_agg" => Takes(&[0], TEXT),
        "arrow_cast" => Takes(&[0], INTERVAL),
        "coalesce" | "nvl" | "ifnull" | "greatest" | "least" | "nullif" => Same,
        "min" | "max" | "any_value" | "first_value" | "last_value" | "lag" | "lead" | "nth_value"
        | "mode" => First,
        "array_to_string" => Takes(&[LIST, 0], TEXT),
        _ if name.starts_with("array_") || name.starts_with("list_") => Takes(&[LIST, 0], LIST),
        _ => Takes(&[0], 0),
    }
}

impl Guesser<'_> {
    /// Walks a call, and infers its type.
    pub(super) fn call(&mut self, function: &mut Function) -> Result<Term, Error> {
        let name =
            function.name.0.last().and_then(|part| part.as_ident()).map(|name| name.value.to_lowercase());
        let name = name.unwrap_or_default();
        let hours = units(function).is_some_and(|unit| {
            ["hour", "minute", "second", "millisecond", "microsecond", "epoch"].contains(&unit.as_str())
        });
        let mut terms = Vec::new();
        if let FunctionArguments::List(list) = &mut function.args {
            for (at, argument) in list.args.iter_mut().enumerate() {
                let (FunctionArg::Unnamed(argument)
                | FunctionArg::Named { arg: argument, .. }
                | FunctionArg::ExprNamed { arg: argument, .. }) = argument;
                let term = match (meaning(&name), argument) {
                    (Meaning::Takes(kinds, _), FunctionArgExpr::Expr(expr)) => {
                        let mut uses = kinds[at.min(kinds.len() - 1)];
                        if uses == TIME && hours && matches!(name.as_str(), "date_trunc" | "date_part") {
                            uses |= MOMENT;
                        }
                        self.need(expr, uses)?
                    }
                    (_, argument) => self.argument(argument)?,
                };
                terms.push(term);
            }
            for clause in &mut list.clauses {
                if let FunctionArgumentClause::OrderBy(order) = clause {
                    for by in order {
                        self.expr(&mut by.expr)?;
                    }
                }
            }
        } else if let FunctionArguments::Subquery(query) = &mut function.args {
            self.query(query)?;
        }
        for by in &mut function.within_group {
            let term = self.expr(&mut by.expr)?;
            if name.starts_with("percentile") || name.starts_with("approx_percentile") {
                self.classes.mark(term, SUM);
            }
        }
        if let Some(filter) = &mut function.filter {
            self.condition(filter)?;
        }
        if let Some(WindowType::WindowSpec(spec)) = &mut function.over {
            self.window(spec)?;
        }
        Ok(match meaning(&name) {
            Meaning::Takes(_, uses) => Term::Is(uses),
            Meaning::Same => {
                terms.into_iter().reduce(|one, other| self.either(one, other)).unwrap_or(Term::Nothing)
            }
            Meaning::First => terms.first().copied().unwrap_or(Term::Nothing),
        })
    }
}

/// The unit in the first argument of a date function.
fn units(function: &Function) -> Option<String> {
    let FunctionArguments::List(list) = &function.args else { return None };
    let FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(first))) = list.args.first()? else {
        return None;
    };
    Some(first.value.clone().into_string()?.to_lowercase())
}
