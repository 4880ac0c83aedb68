//! Corrections of DataFusion's plans: additional analyzer and optimizer rules, and rules of DataFusion that are left
//! out.
//!
//! Before type coercion, `instants` decides how dates meet timestamps. Afterwards `volatile` makes random values
//! computed once, and `casts` protects casts that lose digits. The optimizer begins with `bags` (INTERSECT ALL,
//! EXCEPT ALL), `aggregates` and `nulls` (IN and EXISTS), `marks` (IN and EXISTS outside of WHERE), `scalars`
//! (subqueries in aggregates) and `having`.

mod aggregates;
mod bags;
mod casts;
mod having;
mod instants;
mod marks;
mod nulls;
mod physical;
mod scalars;
mod volatile;

use std::sync::Arc;

use datafusion::optimizer::{AnalyzerRule, Optimizer, OptimizerRule, analyzer::Analyzer};

pub(crate) use physical::rules as physical;

/// Rules of DataFusion that lose columns beside struct fields.
const LEFT_OUT: [&str; 2] = ["extract_leaf_expressions", "push_down_leaf_projections"];

/// The analyzer rules.
pub(crate) fn analyzer() -> Vec<Arc<dyn AnalyzerRule + Send + Sync>> {
    let mut rules: Vec<Arc<dyn AnalyzerRule + Send + Sync>> = vec![Arc::new(instants::Instants)];
    rules.extend(Analyzer::new().rules);
    rules.push(Arc::new(volatile::Once));
    rules.push(Arc::new(casts::Lossy));
    rules
}

/// The optimizer rules.
pub(crate) fn optimizer() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let mut rules: Vec<Arc<dyn OptimizerRule + Send + Sync>> =
        vec![Arc::new(bags::Bags), Arc::new(nulls::Predicates), Arc::new(having::Having)];
    rules.extend(Optimizer::new().rules.into_iter().filter(|rule| !LEFT_OUT.contains(&rule.name())));
    rules
}
