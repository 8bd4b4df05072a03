use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What the application of the listening side was handed.
#[derive(Default)]
pub struct Counter {
    messages: AtomicU64,
    bytes: AtomicU64,
}

impl Counter {
    pub fn count(&self, length: usize) {
        self.bytes.fetch_add(length as u64, Relaxed);
        self.messages.fetch_add(1, Relaxed);
    }

    pub fn messages(&self) -> u64 {
        self.messages.load(Relaxed)
    }

    pub fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }
}
