//! qp2p 0.36, the last version, over quinn 0.9. Its messages have three parts; here the first two are empty.

use bytes::Bytes;
use harness::{Counter, Result};
use qp2p::{Connection, ConnectionIncoming, Endpoint, EndpointBuilder, WireMsg};
use std::{
    net::{Ipv4Addr, SocketAddr},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

#[derive(Clone)]
struct Stack(Endpoint);

struct Link {
    connection: Connection,
    // Without it the connection's own tasks stop at the first stream of the peer.
    _incoming: ConnectionIncoming,
}

const ANY_PORT: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

/// The crate's defaults, and a keep-alive: without one a connection that waits for its turn is lost after 10 seconds.
fn builder() -> EndpointBuilder {
    Endpoint::builder().addr(ANY_PORT).keep_alive_interval(Duration::from_secs(5))
}

impl harness::Stack for Stack {
    type Link = Link;

    async fn listen(counter: Arc<Counter>) -> Result<Self> {
        let (endpoint, mut connections) = builder().server()?;
        tokio::spawn(async move {
            while let Some((connection, incoming)) = connections.next().await {
                tokio::spawn(serve(connection, incoming, counter.clone()));
            }
        });
        Ok(Self(endpoint))
    }

    async fn dialler() -> Result<Self> {
        Ok(Self(builder().client()?))
    }

    fn address(&self) -> SocketAddr {
        self.0.local_addr()
    }

    async fn connect(&self, to: SocketAddr) -> Result<Link> {
        let (connection, incoming) = self.0.connect_to(&to).await?;
        Ok(Link { connection, _incoming: incoming })
    }

    fn close(&self) {
        self.0.close();
    }
}

impl harness::Link for Link {
    /// qp2p's own `send`: a unidirectional stream, the message, and `finish`, which waits for the acknowledgement.
    async fn send(&self, message: Bytes) -> Result<()> {
        Ok(self.connection.send((Bytes::new(), Bytes::new(), message)).await?)
    }

    async fn ask(&self, question: Bytes) -> Result<usize> {
        let (mut send, receive) = self.connection.open_bi().await?;
        send.send_user_msg((Bytes::new(), Bytes::new(), question)).await?;
        // The peer reads until the end of the stream. Dropping `send` ends it; to wait for the acknowledgement as well
        // would be a second round trip.
        drop(send);
        Ok(receive.read().await?.2.len())
    }
}

/// Until the connection is lost.
async fn serve(connection: Connection, mut incoming: ConnectionIncoming, counter: Arc<Counter>) {
    while let Ok(Some((WireMsg(parts), answer))) = incoming.next_with_stream().await {
        counter.count(parts.2.len());
        if let Some(mut stream) = answer {
            tokio::spawn(async move { stream.send_user_msg(parts).await });
        }
    }
    drop(connection);
}

fn main() -> ExitCode {
    harness::run::<Stack>()
}
