//! The target `file` under libFuzzer: see `driver/src/file.rs`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    book_fuzz::file::run(bytes);
});
