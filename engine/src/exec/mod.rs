//! What DataFusion's physical plans lack here: a leaf that reads files and names them in its errors, and
//! a way to end what computes for long without yielding.

mod file;
mod stop;

pub(crate) use file::{FileExec, Open};
pub(crate) use stop::{Stop, stoppable};
