//! Signing in, by either method, and what can go wrong on the way.

#[path = "signing_in/device.rs"]
mod device;
#[path = "signing_in/either_method.rs"]
mod either_method;
#[path = "signing_in/password.rs"]
mod password;
#[path = "signing_in/sessions.rs"]
mod sessions;
#[path = "signing_in/state.rs"]
mod state;
#[path = "signing_in/upstream.rs"]
mod upstream;
