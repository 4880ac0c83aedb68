//! Reads the bytes of an input as events.

use std::{cell::RefCell, collections::VecDeque, rc::Rc};

/// Bytes that are taken from both ends: wire data from the front, choices from the back. A change of one end leaves
/// the other as it was. When no bytes are left, all choices are 0.
#[derive(Clone)]
pub(crate) struct Input(Rc<RefCell<VecDeque<u8>>>);

impl Input {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self(Rc::new(RefCell::new(bytes.iter().copied().collect())))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    pub(crate) fn byte(&self) -> u8 {
        self.0.borrow_mut().pop_front().unwrap_or(0)
    }

    pub(crate) fn number(&self) -> u32 {
        u32::from_be_bytes([self.byte(), self.byte(), self.byte(), self.byte()])
    }

    /// A sequence of up to 255 bytes, whose length is the first byte.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let len = self.byte().into();
        self.take(len)
    }

    pub(crate) fn take(&self, len: usize) -> Vec<u8> {
        let mut bytes = self.0.borrow_mut();
        let len = len.min(bytes.len());
        bytes.drain(..len).collect()
    }

    /// Chooses a number below `from`, which is at most 256.
    pub(crate) fn choose(&self, from: usize) -> usize {
        if from < 2 { 0 } else { usize::from(self.0.borrow_mut().pop_back().unwrap_or(0)) % from }
    }

    pub(crate) fn pick<T: Clone>(&self, from: &[T]) -> T {
        from[self.choose(from.len())].clone()
    }

    /// Returns true once in `times`, and never without bytes.
    pub(crate) fn once_in(&self, times: usize) -> bool {
        self.choose(times) == times - 1
    }
}
