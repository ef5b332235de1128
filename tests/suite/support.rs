//! What several suites lean on.

pub(crate) mod answer;
pub(crate) mod app;
pub(crate) mod back_channel;
pub(crate) mod browser_client;
pub(crate) mod child;
pub(crate) mod chromium;
pub(crate) mod client_key;
pub(crate) mod counted;
pub(crate) mod cut_off;
pub(crate) mod demo;
pub(crate) mod dpop;
pub(crate) mod dump;
pub(crate) mod fly_connector;
pub(crate) mod interrupted;
pub(crate) mod letter;
pub(crate) mod log;
pub(crate) mod mime;
pub(crate) mod ports;
pub(crate) mod process;
pub(crate) mod redis;
pub(crate) mod relying_party;
pub(crate) mod smtp;
pub(crate) mod visitor;
