use crate::{
    Counter, Result, Stack,
    arguments::{Arguments, Load, Role, USAGE, parse},
    figures::{Figures, processor_seconds},
    load::{self, Sent},
};
use std::{net::SocketAddr, process::ExitCode, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, stdin},
    runtime,
    time::{sleep, timeout},
};

/// What each program's `main` is.
pub fn run<S: Stack>() -> ExitCode {
    let arguments = match parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match start::<S>(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn start<S: Stack>(Arguments { role, threads }: Arguments) -> Result<()> {
    let runtime = runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
    let done = runtime.block_on(async {
        // A task of its own, as all that the crate starts: what `block_on` runs itself is on a thread more than asked for.
        match role {
            Role::Both(load) => tokio::spawn(both::<S>(load)).await?,
            Role::Listen => tokio::spawn(listen::<S>()).await?,
            Role::Dial(address, load) => tokio::spawn(dial::<S>(address, load)).await?,
        }
    });
    // stdin is read on a thread that cannot be stopped.
    runtime.shutdown_background();
    done
}

async fn both<S: Stack>(load: Load) -> Result<()> {
    let counter = Arc::new(Counter::default());
    let listener = S::listen(counter.clone()).await?;
    let done = load::run::<S>(listener.address(), &load, async { Ok(()) }).await?;
    handed(&counter, done.sent).await?;
    println!("{}", done.figures.json());
    done.close();
    listener.close();
    Ok(())
}

async fn listen<S: Stack>() -> Result<()> {
    let counter = Arc::new(Counter::default());
    let listener = S::listen(counter.clone()).await?;
    println!("{{\"address\":\"{}\"}}", listener.address());
    let mut lines = BufReader::new(stdin()).lines();
    while lines.next_line().await?.is_some() {
        let counts = Figures::default()
            .with("messages", counter.messages() as f64)
            .with("bytes", counter.bytes() as f64)
            .with("processorSeconds", processor_seconds());
        println!("{}", counts.json());
    }
    listener.close();
    Ok(())
}

/// Waits for a line when it is warm, so that whoever started it can look at the listener's processor time, and for
/// another when it is done, so that nothing closes before the listener was handed everything.
async fn dial<S: Stack>(address: SocketAddr, load: Load) -> Result<()> {
    let mut lines = BufReader::new(stdin()).lines();
    let warm = async {
        println!("{{\"ready\":true}}");
        lines.next_line().await?;
        Ok(())
    };
    let done = load::run::<S>(address, &load, warm).await?;
    let Sent { messages, bytes } = done.sent;
    let sent = Figures::default().with("messages", messages as f64).with("bytes", bytes as f64);
    println!("{{\"figures\":{},\"sent\":{}}}", done.figures.json(), sent.json());
    lines.next_line().await?;
    done.close();
    Ok(())
}

/// Every message that was confirmed must be handed over; the application may be some behind QUIC.
async fn handed(counter: &Counter, sent: Sent) -> Result<()> {
    let all = async {
        while counter.messages() < sent.messages {
            sleep(Duration::from_millis(1)).await;
        }
    };
    let _ = timeout(Duration::from_secs(10), all).await;
    let (messages, bytes) = (counter.messages(), counter.bytes());
    if (messages, bytes) == (sent.messages, sent.bytes) {
        return Ok(());
    }
    Err(format!(
        "{} messages of {} bytes were confirmed, {messages} of {bytes} bytes handed over",
        sent.messages, sent.bytes
    )
    .into())
}
