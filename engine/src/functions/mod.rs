//! Functions that DataFusion lacks, and those of its own whose meaning is another one here, by family.

mod instants;
mod patterns;
mod shift;
mod text;

use std::sync::Arc;

use datafusion::logical_expr::{ScalarUDF, WindowUDF};

pub(crate) use instants::moved;
pub(crate) use patterns::ESCAPED;

/// Scalar functions by name.
pub(crate) fn scalar() -> Vec<Arc<ScalarUDF>> {
    [instants::functions(), patterns::functions()].concat()
}

/// Window functions by name.
pub(crate) fn window() -> Vec<Arc<WindowUDF>> {
    shift::functions()
}
