//! What the programs of this workspace share: the command line, the loads, the clock and the figures.
//! Each program brings one version of qp2p as a [`Stack`].

mod arguments;
mod command;
mod counter;
mod figures;
mod load;
mod stack;

pub use command::run;
pub use counter::Counter;
pub use stack::{Link, Result, Stack};
