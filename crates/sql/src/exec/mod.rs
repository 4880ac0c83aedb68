//! What DataFusion's physical plans lack here: a leaf that reads files and names them in its errors, a
//! way to end what computes for long without yielding, unions whose rows come in order, and bounds where
//! operators don't count their memory.

mod bounded;
mod file;
mod in_order;
mod stop;
mod through;

pub(crate) use bounded::{bounded, size};
pub(crate) use file::{FileExec, Open};
pub(crate) use in_order::InOrderExec;
pub(crate) use stop::{Stop, stoppable};
