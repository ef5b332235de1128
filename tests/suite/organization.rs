//! The pages of an organization: its handlers with a real store and a Fly.io that says what a test wants.

mod click;
mod following;
mod lists;
mod world;
