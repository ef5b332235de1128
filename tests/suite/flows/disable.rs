//! "Disable Fly.io Auth", from the look before it to the way back.

#[path = "disable/click.rs"]
mod click;
#[path = "disable/refusals.rs"]
mod refusals;
#[path = "disable/run.rs"]
mod run;
