//! What goes wrong with proxies of gRPC, point by point, with the real binary between engines and clients.
//!
//! Tests are named after the points that they prove; those that need no wire stand elsewhere:
//!
//! | point | | proven by |
//! | --- | --- | --- |
//! | 1 to 13 | status, trailers, framing | `framing`; 1 also `rejected`, 7 also `memory`, 11 also `teal::frame::tests` |
//! | 14 to 25 | metadata, methods | `headers`; 21 also `clients` |
//! | 18 | `content-length` of what is appended to | `teal::gate::tests::notices::a_content_length_goes_when_the_length_changes` |
//! | 22 | how `strategy` is read | also `teal::gate::header::tests::the_first_value_counts` |
//! | 23 | no gRPC, and no engine behind | `teal::mock::tests` |
//! | 26 | messages of any length | `memory` |
//! | 27 | lengths that do not fit | `teal::frame::tests` |
//! | 28 | compression | `teal::gate::tests::notices`; passed as it is: `clients` |
//! | 29 to 34 | flow control, concurrency | `flow`; 30 also `memory` |
//! | 35 to 41 | connections | `life`; 35, 36, 37 and 40 also `clients`; 38 also `teal::upstream::forward::tests` |
//! | 42 to 44 | hostile input | `hostile` |
//! | 45 | interoperability | `clients` |

#![allow(clippy::unwrap_used, reason = "a peer that fails is a test that fails")]

mod clients;
mod flow;
mod framing;
mod headers;
mod hostile;
mod life;
mod memory;
mod peers;
mod raw;
