//! Small captures, told by hand, with the shares that they must have.

mod awake;
mod chance;
mod cpu;
mod datagrams;
mod disks;
mod expect;
mod locks;
mod loops;
mod noise;
mod peers;
mod records;
mod script;
mod tcp;
mod tell;
mod threads;
