//! The target `commands` under libFuzzer: see `driver/src/commands.rs`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    book_fuzz::commands::run(bytes);
});
