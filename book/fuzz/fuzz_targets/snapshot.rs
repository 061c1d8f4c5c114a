//! The target `snapshot` under libFuzzer: see `driver/src/snapshot.rs`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    book_fuzz::snapshot::run(bytes);
});
