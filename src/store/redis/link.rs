//! The connection: one, multiplexed, repaired in the background.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo, SingleNodeRoutingInfo};
use redis::{AsyncConnectionConfig, Cmd, ErrorKind, FromRedisValue, Pipeline, RedisError, ServerErrorKind, Value};
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::Settings;
use super::address::Address;
use super::failure::{breaks_connection, foreign};
use super::names;
use super::source::{self, Source};
use crate::store::mark::Mark;

/// How often a connection is asked whether it still lives and leads to the same store.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// Looking for the primary may mean asking several Sentinels, one after the other.
const SEARCH: Duration = Duration::from_secs(5);
/// Between attempts to connect: doubling from the first to the second.
const RETRY: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));
/// How often a cluster may send a command elsewhere.
const REDIRECTIONS: u32 = 8;
/// While the keys of one slot move, a cluster refuses what needs several of them.
const MOVING: Duration = Duration::from_millis(50);

/// A way to the servers.
pub(super) enum Link {
    One(Keeper),
    Cluster(ClusterConnection),
}

impl Link {
    pub(super) async fn open(address: Address, settings: &Settings) -> Result<Self, RedisError> {
        match address {
            Address::One(info) => Keeper::start(Source::one(info, settings)?, settings).await.map(Self::One),
            Address::Sentinel(sentinel) => {
                Keeper::start(Source::sentinel(sentinel, settings)?, settings).await.map(Self::One)
            }
            Address::Cluster(nodes) => {
                let client = source::cluster(nodes, settings)?;
                let connection = timeout(SEARCH, client.get_async_connection()).await.map_err(|_| no_answer())??;
                Ok(Self::Cluster(connection))
            }
        }
    }

    /// Connections that lead to another store are refused from now on. A cluster's are not looked at.
    pub(super) fn expect(&self, recognition: Recognition) {
        if let Self::One(keeper) = self {
            // The mark never changes.
            let _ = keeper.recognition.set(recognition);
        }
    }

    /// Whether keys live on different servers, by the slot of their partition.
    pub(super) fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }

    /// One attempt. What the servers certainly did not run (a command for another node of the cluster) is sent on;
    /// what they may have run never is.
    pub(super) async fn send<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, RedisError> {
        let value = match self {
            Self::One(keeper) => keeper.send(command, 0).await.map_err(|(error, _)| error)?,
            Self::Cluster(connection) => route(connection, command).await?,
        };
        Ok(T::from_redis_value(value)?)
    }

    /// Like [`Link::send`], and tries once more on a new connection: for what may run twice.
    pub(super) async fn ask<T: FromRedisValue>(&self, question: &Cmd) -> Result<T, RedisError> {
        let value = match self {
            Self::One(keeper) => match keeper.send(question, 0).await {
                Err((error, used)) if breaks_connection(&error) => {
                    keeper.send(question, used + 1).await.map_err(|(error, _)| error)?
                }
                answer => answer.map_err(|(error, _)| error)?,
            },
            Self::Cluster(connection) => match route(connection, question).await {
                Err(error) if breaks_connection(&error) => route(connection, question).await?,
                answer => answer?,
            },
        };
        Ok(T::from_redis_value(value)?)
    }

    /// The answer of every primary, by its address; of a single server by an empty address.
    pub(super) async fn ask_each(&self, question: &Cmd) -> Result<Vec<(String, Value)>, RedisError> {
        match self {
            Self::One(_) => Ok(vec![(String::new(), self.ask(question).await?)]),
            Self::Cluster(connection) => {
                let everywhere = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
                let answers = connection.clone().route_command(question.clone(), everywhere).await?;
                Ok(Vec::<(String, Value)>::from_redis_value(answers)?)
            }
        }
    }
}

async fn route(connection: &ClusterConnection, command: &Cmd) -> Result<Value, RedisError> {
    let mut round = 0;
    let mut result = command.query_async::<Value>(&mut connection.clone()).await;
    while let Err(error) = &result
        && round < REDIRECTIONS
    {
        round += 1;
        result = match error.kind() {
            // The map of the cluster has been refreshed by now.
            ErrorKind::Server(ServerErrorKind::Moved) => command.query_async(&mut connection.clone()).await,
            ErrorKind::Server(ServerErrorKind::Ask) => ask_node(connection, command, error).await,
            ErrorKind::Server(ServerErrorKind::TryAgain) => {
                pause(MOVING).await;
                command.query_async(&mut connection.clone()).await
            }
            _ => break,
        };
    }
    result
}

/// Follows an `ASK`: for this one command, the node that a slot is moving to.
async fn ask_node(connection: &ClusterConnection, command: &Cmd, error: &RedisError) -> Result<Value, RedisError> {
    let address = error.redirect_node().and_then(|(node, _)| node.rsplit_once(':'));
    let Some((host, port)) = address.and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?))) else {
        return Err(error.clone());
    };
    let mut pipeline = Pipeline::new();
    pipeline.cmd("ASKING").ignore().add_command(command.clone());
    let node = SingleNodeRoutingInfo::ByAddress { host, port };
    let mut answers = connection.clone().route_pipeline(pipeline, 0, 2, node).await?;
    answers.pop().unwrap_or(Value::Nil).extract_error()
}

#[expect(clippy::disallowed_methods, reason = "waits for other machines, whose time no test can set")]
async fn pause(span: Duration) {
    tokio::time::sleep(span).await;
}

fn no_answer() -> RedisError {
    RedisError::from((ErrorKind::Io, "no answer in time"))
}

/// By what a connection shows that it leads to the same store as those before.
pub(super) struct Recognition {
    /// The mark's key in Redis.
    pub(super) key: String,
    pub(super) mark: Mark,
}

impl Recognition {
    async fn ask(&self, connection: &mut MultiplexedConnection) -> Result<(), RedisError> {
        let answers: Vec<Option<Vec<u8>>> = redis::cmd("MGET").arg(&self.key).query_async(connection).await?;
        let bytes = answers.into_iter().next().flatten();
        let found = bytes.and_then(|bytes| names::record(&self.mark.key, &bytes).ok());
        self.mark.compare(found.as_ref()).map_err(|_| foreign())
    }
}

#[derive(Clone)]
enum State {
    Connecting,
    /// Connections are numbered, so that a late complaint about an old one does no harm to the new one.
    Up(u64, MultiplexedConnection),
    Down(RedisError),
}

/// Holds the connection to one server. Requests use what is there and never wait for repairs that have failed once.
pub(super) struct Keeper {
    state: watch::Receiver<State>,
    complaints: mpsc::Sender<u64>,
    recognition: Arc<OnceLock<Recognition>>,
    task: AbortHandle,
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Keeper {
    async fn start(source: Source, settings: &Settings) -> Result<Self, RedisError> {
        let (publish, state) = watch::channel(State::Connecting);
        let (complaints, heard) = mpsc::channel(16);
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(settings.connect))
            .set_response_timeout(Some(settings.response));
        let recognition = Arc::<OnceLock<Recognition>>::default();
        let repair = Repair { source, config, publish, heard, recognition: Arc::clone(&recognition) };
        let task = tokio::spawn(repair.run()).abort_handle();
        let keeper = Self { state, complaints, recognition, task };
        timeout(SEARCH, keeper.connection(0)).await.map_err(|_| no_answer())??;
        Ok(keeper)
    }

    /// The connection, when its number is at least `lowest`; waits while one is being made for the first time.
    async fn connection(&self, lowest: u64) -> Result<(u64, MultiplexedConnection), RedisError> {
        let mut state = self.state.clone();
        let found = state
            .wait_for(|state| match state {
                State::Connecting => false,
                State::Up(number, _) => *number >= lowest,
                State::Down(_) => true,
            })
            .await;
        match found.as_deref() {
            Ok(State::Up(number, connection)) => Ok((*number, connection.clone())),
            Ok(State::Down(error)) => Err(error.clone()),
            Ok(State::Connecting) | Err(_) => Err(no_answer()),
        }
    }

    /// The answer, or the error and the number of the connection that gave it.
    async fn send(&self, command: &Cmd, lowest: u64) -> Result<Value, (RedisError, u64)> {
        let (number, mut connection) = self.connection(lowest).await.map_err(|error| (error, lowest))?;
        let answer = connection.send_packed_command(command).await.and_then(Value::extract_error);
        answer.map_err(|error| {
            if breaks_connection(&error) {
                // A full channel means that the complaint has been made.
                let _ = self.complaints.try_send(number);
            }
            (error, number)
        })
    }
}

/// The background task of a [`Keeper`].
struct Repair {
    source: Source,
    config: AsyncConnectionConfig,
    publish: watch::Sender<State>,
    heard: mpsc::Receiver<u64>,
    recognition: Arc<OnceLock<Recognition>>,
}

impl Repair {
    async fn run(mut self) {
        let mut number = 0;
        let mut wait = RETRY.0;
        let mut told = String::new();
        loop {
            let attempt = timeout(SEARCH, self.connect()).await;
            match attempt.unwrap_or_else(|_| Err(no_answer())) {
                Ok(connection) => {
                    number += 1;
                    wait = RETRY.0;
                    told.clear();
                    self.publish.send_replace(State::Up(number, connection.clone()));
                    self.watch(number, connection).await;
                    self.publish.send_replace(State::Connecting);
                }
                Err(error) => {
                    let words = error.to_string();
                    if told != words {
                        tracing::warn!(%error, "no connection to Redis");
                        told = words;
                    }
                    self.publish.send_replace(State::Down(error));
                    pause(wait).await;
                    wait = (wait * 2).min(RETRY.1);
                }
            }
        }
    }

    async fn connect(&mut self) -> Result<MultiplexedConnection, RedisError> {
        let mut connection = self.source.connect(&self.config).await?;
        if let Some(recognition) = self.recognition.get() {
            recognition.ask(&mut connection).await?;
        }
        Ok(connection)
    }

    async fn lives(&self, connection: &mut MultiplexedConnection) -> Result<(), RedisError> {
        match self.recognition.get() {
            Some(recognition) => recognition.ask(connection).await,
            None => redis::cmd("PING").query_async(connection).await,
        }
    }

    /// Returns when the connection is of no more use.
    async fn watch(&mut self, number: u64, mut connection: MultiplexedConnection) {
        loop {
            match timeout(HEARTBEAT, self.heard.recv()).await {
                Ok(Some(complaint)) if complaint == number => return,
                Ok(Some(_)) => {}
                // Nobody holds the keeper any more; the task is about to be aborted.
                Ok(None) => std::future::pending().await,
                Err(_) => {
                    if self.lives(&mut connection).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}
