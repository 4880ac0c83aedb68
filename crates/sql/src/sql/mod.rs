//! From text to plan: tokens (`tokens`, `limited`), parsing (`parse`, `generators`), refusals (`allowed`, `depth`,
//! `clauses`), rewrites (`forms`, with `functions` and `literals`; `layer`), name resolution (`lookup`, `resolve`,
//! `relations`, `laterals`, `pivot`, `items`, `scope`), column titles (`titles`), and DataFusion's planner (`plan`,
//! `context`, `operators`, `types`).

mod aggregates;
mod allowed;
mod build;
mod clauses;
mod collected;
mod context;
mod dates;
mod depth;
mod distinct;
mod forms;
mod functions;
mod generators;
mod guess;
mod items;
mod lambdas;
mod laterals;
mod layer;
mod limited;
mod literals;
mod lookup;
mod merged;
mod operators;
mod parse;
mod pivot;
mod plan;
mod relations;
mod resolve;
mod scope;
mod show;
mod templates;
mod titles;
mod tokens;
mod types;

pub(crate) use functions::known;
pub(crate) use literals::escaped;
pub(crate) use plan::{Planned, frame_expression, plan};
pub(crate) use scope::column_name;
