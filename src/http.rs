//! Everything that speaks HTTP: the whole URL table and the layers.

pub mod assets;
pub mod pages;
