//! What the whole crate promises: crashes, damage, refusals. Each file says which rule it guards.

mod crash;
mod damage;
mod inspect;
mod refuse;
mod workload;
