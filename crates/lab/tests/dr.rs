//! Direct routing between real programs, by the real binary: each family over each topology.

mod common;

common::every_shape!(lab::Mode::Dr);
