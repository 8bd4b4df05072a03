//! qp2p 0.29, the last version of the first wire format, over quinn 0.8.

use bytes::Bytes;
use harness::{Counter, Result};
use qp2p::{Config, Connection, ConnectionIncoming, Endpoint};
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
    // Its other half would keep a dropped connection open.
    _incoming: ConnectionIncoming,
}

const ANY_PORT: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

/// The crate's defaults, and a keep-alive: without one a connection that waits for its turn is lost after 18 seconds.
fn config() -> Config {
    Config { keep_alive_interval: Some(Duration::from_secs(5)), ..Config::default() }
}

impl harness::Stack for Stack {
    type Link = Link;

    async fn listen(counter: Arc<Counter>) -> Result<Self> {
        let (endpoint, mut connections, _) = Endpoint::new_peer(ANY_PORT, &[], config()).await?;
        tokio::spawn(async move {
            while let Some((connection, incoming)) = connections.next().await {
                tokio::spawn(serve(connection, incoming, counter.clone()));
            }
        });
        Ok(Self(endpoint))
    }

    async fn dialler() -> Result<Self> {
        Ok(Self(Endpoint::new_client(ANY_PORT, config())?))
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
        Ok(self.connection.send(message).await?)
    }

    async fn ask(&self, question: Bytes) -> Result<usize> {
        let (mut send, mut receive) = self.connection.open_bi().await?;
        send.send_user_msg(question).await?;
        // Dropping `send` ends the stream; to wait for the acknowledgement as well would be a second round trip.
        Ok(receive.next().await?.len())
    }
}

/// Until the connection is lost.
async fn serve(connection: Connection, mut incoming: ConnectionIncoming, counter: Arc<Counter>) {
    while let Ok(Some((message, answer))) = incoming.next_with_stream().await {
        counter.count(message.len());
        if let Some(stream) = answer {
            tokio::spawn(async move { stream.lock().await.send_user_msg(message).await });
        }
    }
    drop(connection);
}

fn main() -> ExitCode {
    harness::run::<Stack>()
}
