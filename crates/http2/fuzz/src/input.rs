//! The bytes of an input, as what happens.

use std::{cell::RefCell, collections::VecDeque, rc::Rc};

/// Bytes that are taken from both ends: what the wire says from the front, what anybody chooses from the back.
/// A change of the one leaves the other as it was. Where none are left, all choices are 0.
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

    /// A number of bytes, 255 at most, that the first one says.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let len = self.byte().into();
        self.take(len)
    }

    pub(crate) fn take(&self, len: usize) -> Vec<u8> {
        let mut bytes = self.0.borrow_mut();
        let len = len.min(bytes.len());
        bytes.drain(..len).collect()
    }

    /// One of so many: 256 at most.
    pub(crate) fn choose(&self, from: usize) -> usize {
        if from < 2 { 0 } else { usize::from(self.0.borrow_mut().pop_back().unwrap_or(0)) % from }
    }

    pub(crate) fn pick<T: Clone>(&self, from: &[T]) -> T {
        from[self.choose(from.len())].clone()
    }

    /// Whether something happens that happens once in so many times, and never without bytes.
    pub(crate) fn once_in(&self, times: usize) -> bool {
        self.choose(times) == times - 1
    }
}
