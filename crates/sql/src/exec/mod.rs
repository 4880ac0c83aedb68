//! Additions to DataFusion's physical plans: a leaf that reads files and names them in errors, a way to stop long
//! computations, unions with ordered rows, and bounds where operators do not count their memory.

mod bounded;
mod file;
mod in_order;
mod stop;
mod through;

pub(crate) use bounded::{bounded, size};
pub(crate) use file::{FileExec, Open};
pub(crate) use in_order::InOrderExec;
pub(crate) use stop::{Stop, stoppable};
