//! Every function of the interface, called as C calls it: pointers to memory with other things in
//! it, buffers too short, NULLs, numbers out of range.
//!
//! What the library writes is compared as bytes with `layout`, which says the structs of
//! `include/corelane_book.h` a second time, by offset, and uses none of the library's own. The same
//! calls from C itself are in `tests/c/`.

mod caller;
mod draw;
mod kinds;
mod layout;
mod making;
mod reading;
mod snapshots;
mod twin;
mod wrong;
