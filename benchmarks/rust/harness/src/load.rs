use crate::{
    Link, Result, Stack,
    arguments::{Load, Workload},
    figures::{Figures, processor_seconds, quantile},
};
use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

/// What was sent, the warm-up included, for the check against what the listener was handed.
#[derive(Clone, Copy, Default)]
pub struct Sent {
    pub messages: u64,
    pub bytes: u64,
}

impl Sent {
    fn add(&mut self, messages: u64, size: usize) {
        self.messages += messages;
        self.bytes += messages * size as u64;
    }
}

/// Until when, and how many at most.
#[derive(Clone)]
struct Limit {
    until: Instant,
    left: Arc<AtomicU64>,
}

impl Limit {
    fn new(seconds: f64, count: u64) -> Self {
        let until = Instant::now() + Duration::from_secs_f64(seconds);
        Self { until, left: Arc::new(AtomicU64::new(count)) }
    }

    fn another(&self) -> bool {
        let take = |left: u64| left.checked_sub(1);
        Instant::now() < self.until && self.left.fetch_update(Relaxed, Relaxed, take).is_ok()
    }
}

/// Seconds, by the clock and of this process's processor time.
struct Clock(Instant, f64);

impl Clock {
    fn start() -> Self {
        Self(Instant::now(), processor_seconds())
    }

    fn figures(&self, count: u64) -> Figures {
        Figures::default()
            .with("count", count as f64)
            .with("seconds", self.0.elapsed().as_secs_f64())
            .with("processorSeconds", processor_seconds() - self.1)
    }
}

/// A finished run. Its connections are still open: what they carried may not have been handed over yet.
pub struct Done<S: Stack> {
    pub figures: Figures,
    pub sent: Sent,
    endpoints: Vec<S>,
    links: Vec<Arc<S::Link>>,
}

impl<S: Stack> Done<S> {
    pub fn close(self) {
        drop(self.links);
        self.endpoints.iter().for_each(S::close);
    }
}

/// `warm` is asked between the warm-up and the run.
pub async fn run<S: Stack>(
    to: SocketAddr,
    load: &Load,
    warm: impl Future<Output = Result<()>> + Send,
) -> Result<Done<S>> {
    let limit = |seconds| Limit::new(seconds, load.count);
    let mut sent = Sent::default();
    let (figures, endpoints, links) = match load.workload {
        Workload::Messages => {
            let (endpoints, links) = connected::<S>(to, load.connections, load.one_socket).await?;
            sent.add(messages(&links, load, limit(load.warm_up)).await?, load.size);
            warm.await?;
            let clock = Clock::start();
            let count = messages(&links, load, limit(load.seconds)).await?;
            let figures = clock.figures(count);
            sent.add(count, load.size);
            (figures, endpoints, links)
        }
        Workload::Requests => {
            let (endpoints, links) = connected::<S>(to, 1, true).await?;
            sent.add(requests(&*links[0], load, limit(load.warm_up)).await?.len() as u64, load.size);
            warm.await?;
            let clock = Clock::start();
            let times = requests(&*links[0], load, limit(load.seconds)).await?;
            let figures = clock.figures(times.len() as u64);
            sent.add(times.len() as u64, load.size);
            (with_times(figures, times), endpoints, links)
        }
        Workload::Dials => {
            let endpoint = S::dialler().await?;
            dials(&endpoint, to, load, limit(load.warm_up)).await?;
            warm.await?;
            let clock = Clock::start();
            let times = dials(&endpoint, to, load, limit(load.seconds)).await?;
            let figures = clock.figures(times.len() as u64);
            (with_times(figures, times), vec![endpoint], Vec::new())
        }
        Workload::FirstMessage => {
            let endpoint = S::dialler().await?;
            let mut recent = Recent::new();
            let mut first = async |from: Option<&S>, seconds| {
                let times = first_messages(&mut recent, from, to, load, limit(seconds)).await?;
                sent.add(times.len() as u64, load.size);
                Result::Ok(times)
            };
            first(Some(&endpoint), load.warm_up / 2.0).await?;
            first(None, load.warm_up / 2.0).await?;
            warm.await?;
            let clock = Clock::start();
            let ready = first(Some(&endpoint), load.seconds).await?;
            let fresh = first(None, load.seconds).await?;
            let figures = with_times(clock.figures((ready.len() + fresh.len()) as u64), ready);
            let figures = with_fresh_times(figures, fresh);
            let (mut endpoints, links): (Vec<_>, _) = recent.0.into_iter().unzip();
            endpoints.push(endpoint);
            (figures, endpoints, links)
        }
    };
    Ok(Done { figures, sent, endpoints, links })
}

fn with_times(figures: Figures, mut milliseconds: Vec<f64>) -> Figures {
    figures
        .with("p50", quantile(&mut milliseconds, 0.5))
        .with("p99", quantile(&mut milliseconds, 0.99))
        .with("max", quantile(&mut milliseconds, 1.0))
}

fn with_fresh_times(figures: Figures, mut milliseconds: Vec<f64>) -> Figures {
    figures.with("freshP50", quantile(&mut milliseconds, 0.5)).with("freshP99", quantile(&mut milliseconds, 0.99))
}

/// Connections from one endpoint, or each from an endpoint of its own.
async fn connected<S: Stack>(to: SocketAddr, count: usize, one_socket: bool) -> Result<(Vec<S>, Vec<Arc<S::Link>>)> {
    let mut endpoints = Vec::new();
    let mut links = Vec::new();
    for index in 0..count {
        if index == 0 || !one_socket {
            endpoints.push(S::dialler().await?);
        }
        links.push(Arc::new(endpoints[endpoints.len() - 1].connect(to).await?));
    }
    Ok((endpoints, links))
}

/// A task for each connection. What one task sends while it runs goes out together,
/// which costs far less processor time than a task for each message.
async fn messages<L: Link>(links: &[Arc<L>], load: &Load, limit: Limit) -> Result<u64> {
    let message = payload(load.size);
    let in_flight = load.in_flight;
    let mut tasks = JoinSet::new();
    for link in links {
        let (link, message, limit) = (link.clone(), message.clone(), limit.clone());
        tasks.spawn(async move {
            let mut sending = FuturesUnordered::new();
            let mut count = 0;
            loop {
                while sending.len() < in_flight && limit.another() {
                    sending.push(link.send(message.clone()));
                }
                match sending.next().await {
                    Some(sent) => sent?,
                    None => return Result::Ok(count),
                }
                count += 1;
            }
        });
    }
    let mut count = 0;
    while let Some(done) = tasks.join_next().await {
        count += done??;
    }
    Ok(count)
}

/// One after the other; the milliseconds of each.
async fn requests<L: Link>(link: &L, load: &Load, limit: Limit) -> Result<Vec<f64>> {
    let question = payload(load.size);
    let mut times = Vec::new();
    while limit.another() {
        let begin = Instant::now();
        let length = link.ask(question.clone()).await?;
        times.push(milliseconds(begin));
        if length != load.size {
            return Err(format!("an answer of {length} bytes to a question of {}", load.size).into());
        }
    }
    Ok(times)
}

/// Connections from one endpoint, `in_flight` at a time, each dropped once it is there.
async fn dials<S: Stack>(endpoint: &S, to: SocketAddr, load: &Load, limit: Limit) -> Result<Vec<f64>> {
    let mut tasks = JoinSet::new();
    for _ in 0..load.in_flight {
        let (endpoint, limit) = (endpoint.clone(), limit.clone());
        tasks.spawn(async move {
            let mut times = Vec::new();
            while limit.another() {
                let begin = Instant::now();
                let link = endpoint.connect(to).await?;
                times.push(milliseconds(begin));
                drop(link);
            }
            Result::Ok(times)
        });
    }
    let mut times = Vec::new();
    while let Some(done) = tasks.join_next().await {
        times.append(&mut done??);
    }
    Ok(times)
}

/// A connection and its first message, until that is confirmed; one after the other. Without an endpoint to dial `from`
/// each has a fresh one.
async fn first_messages<S: Stack>(
    recent: &mut Recent<S>,
    from: Option<&S>,
    to: SocketAddr,
    load: &Load,
    limit: Limit,
) -> Result<Vec<f64>> {
    let message = payload(load.size);
    let mut times = Vec::new();
    while limit.another() {
        let begin = Instant::now();
        let endpoint = match from {
            Some(endpoint) => endpoint.clone(),
            None => S::dialler().await?,
        };
        let link = endpoint.connect(to).await?;
        link.send(message.clone()).await?;
        times.push(milliseconds(begin));
        recent.keep(endpoint, link);
    }
    Ok(times)
}

/// The newest connections stay open for a while: one that closes takes along what was acknowledged and not read yet.
struct Recent<S: Stack>(VecDeque<(S, Arc<S::Link>)>);

impl<S: Stack> Recent<S> {
    fn new() -> Self {
        Self(VecDeque::new())
    }

    fn keep(&mut self, endpoint: S, link: S::Link) {
        self.0.push_back((endpoint, Arc::new(link)));
        if self.0.len() > 64 {
            self.0.pop_front();
        }
    }
}

fn payload(size: usize) -> Bytes {
    (0..size).map(|index| (index * 31) as u8).collect()
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}
