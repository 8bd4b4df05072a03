use crate::Result;
use std::{net::SocketAddr, str::FromStr, thread::available_parallelism};

pub const USAGE: &str = "\
usage: both [OPTIONS]           both ends in this process
       listen [--threads N]     prints its address, then for each line on stdin what it was handed; ends with stdin
       dial ADDRESS [OPTIONS]   the load against a listener
options:
  --workload messages | requests | dials | first-message   (messages)
  --size BYTES          of a message or question           (1024)
  --in-flight N         messages at a time on each connection, or dials at a time (32)
  --connections N       that carry messages                (1)
  --one-socket          for all connections, instead of an endpoint for each
  --seconds S           of the measured run                (1)
  --warm-up S           of the run before it               (0.5)
  --count N             end the measured run after so many (none)
  --threads N           of the runtime                     (as many as processors)";

#[derive(Clone, Copy, PartialEq)]
pub enum Workload {
    Messages,
    Requests,
    Dials,
    FirstMessage,
}

impl FromStr for Workload {
    type Err = String;

    fn from_str(name: &str) -> std::result::Result<Self, String> {
        match name {
            "messages" => Ok(Self::Messages),
            "requests" => Ok(Self::Requests),
            "dials" => Ok(Self::Dials),
            "first-message" => Ok(Self::FirstMessage),
            _ => Err(format!("no workload {name}")),
        }
    }
}

#[derive(Clone)]
pub struct Load {
    pub workload: Workload,
    pub size: usize,
    pub in_flight: usize,
    pub connections: usize,
    pub one_socket: bool,
    pub seconds: f64,
    pub warm_up: f64,
    pub count: u64,
}

pub enum Role {
    Both(Load),
    Listen,
    Dial(SocketAddr, Load),
}

pub struct Arguments {
    pub role: Role,
    pub threads: usize,
}

pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments> {
    let role = words.next().ok_or("no command")?;
    let address = if role == "dial" { Some(value::<SocketAddr>("dial", words.next())?) } else { None };
    let mut threads = available_parallelism()?.get();
    let mut load = Load {
        workload: Workload::Messages,
        size: 1024,
        in_flight: 32,
        connections: 1,
        one_socket: false,
        seconds: 1.0,
        warm_up: 0.5,
        count: u64::MAX,
    };
    while let Some(name) = words.next() {
        match name.as_str() {
            "--workload" => load.workload = value(&name, words.next())?,
            "--size" => load.size = positive(&name, words.next())?,
            "--in-flight" => load.in_flight = positive(&name, words.next())?,
            "--connections" => load.connections = positive(&name, words.next())?,
            "--one-socket" => load.one_socket = true,
            "--seconds" => load.seconds = value(&name, words.next())?,
            "--warm-up" => load.warm_up = value(&name, words.next())?,
            "--count" => load.count = value(&name, words.next())?,
            "--threads" => threads = positive(&name, words.next())?,
            _ => return Err(format!("no option {name}").into()),
        }
    }
    let role = match (role.as_str(), address) {
        ("both", _) => Role::Both(load),
        ("listen", _) => Role::Listen,
        ("dial", Some(address)) => Role::Dial(address, load),
        _ => return Err(format!("no command {role}").into()),
    };
    Ok(Arguments { role, threads })
}

fn value<T: FromStr<Err: std::fmt::Display>>(name: &str, word: Option<String>) -> Result<T> {
    let word = word.ok_or_else(|| format!("{name} needs a value"))?;
    word.parse().map_err(|error| format!("{name} {word}: {error}").into())
}

fn positive(name: &str, word: Option<String>) -> Result<usize> {
    match value(name, word)? {
        0 => Err(format!("{name} must be at least 1").into()),
        number => Ok(number),
    }
}
