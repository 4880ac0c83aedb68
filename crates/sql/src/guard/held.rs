//! Arrays whose memory stays counted until they are dropped.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use datafusion::{
    arrow::{
        array::{Array, ArrayData, ArrayRef, make_array},
        buffer::Buffer,
    },
    common::Result,
    execution::memory_pool::MemoryReservation,
};

/// A buffer, and the reservation for its array.
struct Held {
    buffer: Buffer,
    _reservation: Arc<MemoryReservation>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        self.buffer.as_slice()
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("bytes", &self.buffer.len()).finish_non_exhaustive()
    }
}

/// Attaches `reservation` to an array. It is resized to the array's actual size, and released with the last buffer.
pub(super) fn array(array: &ArrayRef, reservation: MemoryReservation) -> Result<ArrayRef> {
    let data = array.to_data();
    reservation.try_resize(data.get_buffer_memory_size())?;
    Ok(make_array(hold(&data, &Arc::new(reservation))?))
}

fn hold(data: &ArrayData, reservation: &Arc<MemoryReservation>) -> Result<ArrayData> {
    let held = |buffer: &Buffer| {
        let held = Held { buffer: buffer.clone(), _reservation: Arc::clone(reservation) };
        Buffer::from(Bytes::from_owner(held))
    };
    let buffers = data.buffers().iter().map(held).collect();
    let children = data.child_data().iter().map(|child| hold(child, reservation)).collect::<Result<_>>()?;
    Ok(data.clone().into_builder().buffers(buffers).child_data(children).build()?)
}
