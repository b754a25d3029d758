//! FullNAT between real programs, by the real binary: each family over each topology. Servers on a bridge have no route to
//! the client and no gateway.

mod common;

common::every_shape!(lab::Mode::FullNat);
