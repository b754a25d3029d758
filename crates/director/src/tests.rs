//! The director and its daemon over a plane and a network of memory.

mod applying;
mod changes;
mod dormant;
mod events;
mod fakes;
mod health;
mod lanes;
mod neighbours;
mod passive;
mod reading;
mod requests;
mod tunnels;
