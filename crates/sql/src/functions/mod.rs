//! Functions that DataFusion lacks, and those of its own whose meaning is another one here, by family.

mod dates;
mod instants;
mod json;
mod kinds;
mod pairs;
mod patterns;
mod reduce;
mod shift;
mod simple;
mod text;
mod texts;

use std::sync::Arc;

use datafusion::logical_expr::{HigherOrderUDF, ScalarUDF, WindowUDF};

pub(crate) use instants::moved;
pub(crate) use kinds::name as type_name;
pub(crate) use patterns::ESCAPED;

/// Scalar functions by name.
pub(crate) fn scalar() -> Vec<Arc<ScalarUDF>> {
    [
        dates::functions(),
        instants::functions(),
        json::functions(),
        kinds::functions(),
        patterns::functions(),
        texts::functions(),
    ]
    .concat()
}

/// Functions of lambdas by name.
pub(crate) fn higher_order() -> Vec<Arc<HigherOrderUDF>> {
    let mut all = pairs::functions();
    all.push(reduce::function());
    all
}

/// Window functions by name.
pub(crate) fn window() -> Vec<Arc<WindowUDF>> {
    shift::functions()
}
