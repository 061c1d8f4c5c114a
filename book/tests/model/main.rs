//! What a book does, written down twice more: as a model (`naive`) and as examples (`semantics`).
//!
//! `property` draws commands and `semantics` tells stories; both run through `pair`, which holds the
//! book against the model, against a follower of its events and against a follower of its levels.

mod depth;
mod draw;
mod follower;
mod naive;
mod pair;
mod property;
mod script;
mod semantics;
