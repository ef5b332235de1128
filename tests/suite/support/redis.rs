//! Redis processes for tests: one server, a cluster of three, a primary with Sentinel. Started on free ports, with the
//! durable settings, and gone when the test process is gone, however it ends.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use tempfile::TempDir;

use super::memory::folder;
use super::ports::free_port;

/// Starts the program named by its arguments, and kills it (`kill -9`) when its own standard input ends. The kernel
/// closes that when the test process ends, so nothing stays behind.
const GUARD: &str = r#"
    folder=$1; shift
    "$@" </dev/null & process=$!
    cat >/dev/null
    kill -9 $process
    wait $process 2>/dev/null
    if [ -n "$folder" ]; then rm -rf "$folder"; fi
"#;

/// A process under guard.
struct Guarded(Child);

impl Guarded {
    /// `folder`, when given, is removed after the end.
    fn start(folder: Option<&Path>, log: &Path, program: &[String]) -> Self {
        let log = File::create(log).unwrap();
        let child = Command::new("sh")
            .args(["-c", GUARD, "guard"])
            .arg(folder.unwrap_or(Path::new("")))
            .args(program)
            .stdin(Stdio::piped())
            .stdout(log)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }

    fn kill(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A server of its own for one test, which may kill it, stop it and start it again on the same port and folder.
pub(crate) struct Server {
    port: u16,
    folder: TempDir,
    options: Vec<String>,
    process: Option<Guarded>,
}

impl Server {
    pub(crate) fn start(options: &[&str]) -> Self {
        Self::start_at(tempfile::tempdir().unwrap(), options)
    }

    /// The same where no disk keeps anybody waiting, for few records.
    pub(crate) fn in_memory() -> Self {
        Self::start_at(folder(), &[])
    }

    fn start_at(folder: TempDir, options: &[&str]) -> Self {
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        let mut server = Self { port: free_port(), folder, options, process: None };
        server.restart();
        server
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    pub(crate) fn restart(&mut self) {
        self.process = Some(start(self.port, self.folder.path(), None, &self.options));
    }

    /// Starts it again without anything; what it held is set aside.
    pub(crate) fn restart_empty(&mut self) {
        self.kill();
        std::fs::rename(self.folder.path().join("appendonlydir"), self.folder.path().join("aside")).unwrap();
        self.restart();
    }

    /// Starts it again with what was set aside.
    pub(crate) fn restart_as_before(&mut self) {
        self.kill();
        std::fs::remove_dir_all(self.folder.path().join("appendonlydir")).unwrap();
        std::fs::rename(self.folder.path().join("aside"), self.folder.path().join("appendonlydir")).unwrap();
        self.restart();
    }

    /// Stops the process in its tracks (`SIGSTOP`), or lets it go on (`SIGCONT`).
    pub(crate) fn signal(&self, signal: &str) {
        let pid = std::fs::read_to_string(self.folder.path().join("redis.pid")).unwrap();
        assert!(Command::new("kill").args([signal, pid.trim()]).status().unwrap().success());
    }

    /// The bytes of all files in the folder: the log of writes.
    pub(crate) fn written(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    bytes.extend(std::fs::read(path).unwrap());
                }
            }
        }
        bytes
    }

    pub(crate) fn command(&self, words: &[&str]) -> redis::Value {
        command(self.port, words).unwrap()
    }
}

/// The address of the one server that all tests of this process share. Each test takes a namespace of its own.
pub(crate) fn shared() -> String {
    static SHARED: OnceLock<(u16, Guarded)> = OnceLock::new();
    let (port, _) = SHARED.get_or_init(|| {
        let port = free_port();
        let folder = tempfile::tempdir().unwrap().keep();
        (port, start(port, &folder, Some(&folder), &[]))
    });
    format!("redis://127.0.0.1:{port}")
}

/// The address of the cluster that all tests of this process share.
pub(crate) fn shared_cluster() -> String {
    static SHARED: OnceLock<Cluster> = OnceLock::new();
    SHARED.get_or_init(|| Cluster::of(|| Node::start(true))).url()
}

/// Three primaries with a third of the slots each.
pub(crate) struct Cluster {
    nodes: Vec<Node>,
}

struct Node {
    port: u16,
    folder: PathBuf,
    /// Removes the folder of a node that may be started again; that of the others goes with the process.
    _folder: Option<TempDir>,
    options: Vec<String>,
    process: Option<Guarded>,
}

impl Node {
    fn start(shared: bool) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let (folder, cleaned) =
            if shared { (temporary.keep(), None) } else { (temporary.path().to_owned(), Some(temporary)) };
        let bus = free_port().to_string();
        let options = ["--cluster-enabled", "yes", "--cluster-port", &bus, "--cluster-node-timeout", "2000"];
        let mut node = Self {
            port: free_port(),
            folder,
            _folder: cleaned,
            options: options.map(str::to_owned).into(),
            process: None,
        };
        let clean = shared.then(|| node.folder.clone());
        node.process = Some(start(node.port, &node.folder, clean.as_deref(), &node.options));
        node
    }

    fn restart(&mut self) {
        self.process = Some(start(self.port, &self.folder, None, &self.options));
    }
}

impl Cluster {
    pub(crate) fn start() -> Self {
        Self::of(|| Node::start(false))
    }

    fn of(node: impl Fn() -> Node) -> Self {
        let cluster = Self { nodes: vec![node(), node(), node()] };
        cluster.form();
        cluster
    }

    fn form(&self) {
        let ports = self.ports();
        for (i, port) in ports.iter().enumerate() {
            let first = (16_384 * i / 3).to_string();
            let last = (16_384 * (i + 1) / 3 - 1).to_string();
            command(*port, &["CLUSTER", "ADDSLOTSRANGE", &first, &last]).unwrap();
            // Nodes that start with the same epoch would have to settle that first.
            command(*port, &["CLUSTER", "SET-CONFIG-EPOCH", &(i + 1).to_string()]).unwrap();
        }
        for port in &ports[1..] {
            let bus = text(&command(*port, &["CONFIG", "GET", "cluster-port"]).unwrap());
            let bus = bus.split_whitespace().last().unwrap().to_owned();
            command(ports[0], &["CLUSTER", "MEET", "127.0.0.1", &port.to_string(), &bus]).unwrap();
        }
        self.wait();
    }

    /// Until every node sees the others.
    fn wait(&self) {
        for port in self.ports() {
            wait_until("the cluster is whole", || {
                let info = command(port, &["CLUSTER", "INFO"]).map(|value| text(&value)).unwrap_or_default();
                info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
            });
        }
    }

    pub(crate) fn url(&self) -> String {
        let nodes: Vec<String> = self.ports().iter().map(|port| format!("127.0.0.1:{port}")).collect();
        format!("redis+cluster://{}", nodes.join(","))
    }

    pub(crate) fn ports(&self) -> Vec<u16> {
        self.nodes.iter().map(|node| node.port).collect()
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self, node: usize) {
        self.nodes[node].process = None;
    }

    /// Starts again what was killed.
    pub(crate) fn restart(&mut self) {
        for node in self.nodes.iter_mut().filter(|node| node.process.is_none()) {
            node.restart();
        }
        self.wait();
    }
}

/// A primary, a replica and a Sentinel.
pub(crate) struct Watched {
    pub(crate) primary: Server,
    pub(crate) replica: Server,
    sentinel: u16,
    _folder: TempDir,
    _process: Guarded,
}

impl Watched {
    pub(crate) fn start() -> Self {
        let primary = Server::start(&[]);
        let replica = Server::start(&["--replicaof", "127.0.0.1", &primary.port().to_string()]);
        wait_until("the replica has caught up", || {
            text(&replica.command(&["INFO", "replication"])).contains("master_link_status:up")
        });
        let (folder, sentinel) = (tempfile::tempdir().unwrap(), free_port());
        let config = folder.path().join("sentinel.conf");
        let settings = format!(
            "port {sentinel}\nbind 127.0.0.1\ndir {}\nsentinel monitor main 127.0.0.1 {} 1\n\
             sentinel down-after-milliseconds main 500\nsentinel failover-timeout main 3000\n",
            folder.path().display(),
            primary.port()
        );
        std::fs::write(&config, settings).unwrap();
        let program = ["redis-server", config.to_str().unwrap(), "--sentinel"].map(str::to_owned);
        let process = Guarded::start(None, &folder.path().join("log"), &program);
        wait_until("Sentinel knows the replica", || {
            command(sentinel, &["SENTINEL", "replicas", "main"]).is_ok_and(|value| text(&value).contains("slave"))
        });
        Self { primary, replica, sentinel, _folder: folder, _process: process }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis+sentinel://127.0.0.1:{}/main", self.sentinel)
    }
}

fn start(port: u16, folder: &Path, clean: Option<&Path>, options: &[String]) -> Guarded {
    let pid = folder.join("redis.pid");
    let mut program: Vec<String> = ["redis-server", "--bind", "127.0.0.1", "--save", ""].map(str::to_owned).into();
    program.extend(["--port".to_owned(), port.to_string()]);
    program.extend(["--dir".to_owned(), folder.display().to_string()]);
    program.extend(["--pidfile".to_owned(), pid.display().to_string()]);
    program.extend(["--appendonly", "yes", "--appendfsync", "always"].map(str::to_owned));
    program.extend(["--maxmemory-policy", "noeviction"].map(str::to_owned));
    program.extend(options.iter().cloned());
    let process = Guarded::start(clean, &folder.join("log"), &program);
    wait_until("Redis answers", || command(port, &["PING"]).is_ok());
    process
}

pub(crate) fn command(port: u16, words: &[&str]) -> redis::RedisResult<redis::Value> {
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}"))?;
    let mut connection = client.get_connection_with_timeout(Duration::from_secs(1))?;
    connection.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    command.query(&mut connection)
}

/// All words of an answer, one to a line.
pub(crate) fn text(value: &redis::Value) -> String {
    match value {
        redis::Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        redis::Value::SimpleString(word) => word.clone(),
        redis::Value::Int(number) => number.to_string(),
        redis::Value::Array(values) => values.iter().map(text).collect::<Vec<_>>().join("\n"),
        redis::Value::Map(pairs) => {
            pairs.iter().map(|(key, value)| format!("{}\n{}", text(key), text(value))).collect::<Vec<_>>().join("\n")
        }
        other => format!("{other:?}"),
    }
}

/// Asks again and again, for at most 20 s.
#[expect(clippy::disallowed_methods, reason = "waits for other processes, whose time no test can set")]
pub(crate) fn wait_until(what: &str, mut happened: impl FnMut() -> bool) {
    for _ in 0..1_000 {
        if happened() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("{what}: not within 20 s");
}
