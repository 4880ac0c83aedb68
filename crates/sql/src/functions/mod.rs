//! Functions that DataFusion lacks, and replacements for its functions with another meaning, by family.

mod cuts;
mod dates;
mod digests;
mod either;
mod from_json;
mod hashes;
mod instants;
mod json;
mod kin;
mod kinds;
mod lists;
mod maps;
mod numbers;
mod pairs;
mod patterns;
mod reduce;
mod schemas;
mod shift;
mod simple;
mod text;
mod texts;

use std::sync::Arc;

use datafusion::logical_expr::{HigherOrderUDF, ScalarUDF, WindowUDF};

pub(crate) use cuts::SUBSTRING;
pub(crate) use instants::moved;
pub(crate) use kin::{FILL, TOLD};
pub(crate) use kinds::name as type_name;
pub(crate) use lists::{FILLED, POSITIONS};
pub(crate) use numbers::{AS_DOUBLE, divide};
pub(crate) use patterns::ESCAPED;

/// All scalar functions.
pub(crate) fn scalar() -> Vec<Arc<ScalarUDF>> {
    [
        cuts::functions(),
        dates::functions(),
        hashes::functions(),
        instants::functions(),
        either::functions(),
        from_json::functions(),
        json::functions(),
        kin::functions(),
        kinds::functions(),
        lists::functions(),
        maps::functions(),
        numbers::functions(),
        patterns::functions(),
        texts::functions(),
    ]
    .concat()
}

/// All higher-order functions.
pub(crate) fn higher_order() -> Vec<Arc<HigherOrderUDF>> {
    let mut all = pairs::functions();
    all.push(reduce::function());
    all
}

/// All window functions.
pub(crate) fn window() -> Vec<Arc<WindowUDF>> {
    shift::functions()
}
