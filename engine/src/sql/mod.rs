//! From text to plan: words (`tokens`), the statement (`parse`), what is allowed and how deep it may be nested
//! (`check`), which table or column each name means (`resolve`), and DataFusion's planner over that
//! (`plan`).

mod check;
mod parse;
mod plan;
mod resolve;
mod scope;
mod titles;
mod tokens;

pub(crate) use plan::{Planned, frame_expression, plan};
pub(crate) use scope::column_name;
