//! What DataFusion's physical plans lack here: a leaf that reads files and names them in its errors, a
//! way to end what computes for long without yielding, and bounds where operators don't count their memory.

mod bounded;
mod file;
mod stop;
mod through;

pub(crate) use bounded::{bounded, size};
pub(crate) use file::{FileExec, Open};
pub(crate) use stop::{Stop, stoppable};
