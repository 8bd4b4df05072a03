use crate::Counter;
use bytes::Bytes;
use std::{future::Future, net::SocketAddr, sync::Arc};

pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// One version of qp2p: an endpoint on a UDP socket of its own.
pub trait Stack: Clone + Send + Sync + 'static {
    type Link: Link;

    /// An endpoint on 127.0.0.1 that counts each message it is handed and sends each question back.
    fn listen(counter: Arc<Counter>) -> impl Future<Output = Result<Self>> + Send;

    /// An endpoint on 127.0.0.1 to dial from.
    fn dialler() -> impl Future<Output = Result<Self>> + Send;

    fn address(&self) -> SocketAddr;

    /// A new connection, never one that is open already.
    fn connect(&self, to: SocketAddr) -> impl Future<Output = Result<Self::Link>> + Send;

    fn close(&self);
}

/// One connection, seen from the side that dialled.
pub trait Link: Send + Sync + 'static {
    /// Done once the peer has acknowledged all of the message.
    fn send(&self, message: Bytes) -> impl Future<Output = Result<()>> + Send;

    /// Asks on a bidirectional stream of its own; yields the length of the answer.
    fn ask(&self, question: Bytes) -> impl Future<Output = Result<usize>> + Send;
}
