//! The file: how it is made, opened and checked.

use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::explain;
use crate::store::StoreError;

/// Rises with every change of [`TABLES`].
const SCHEMA: i64 = 1;

/// "FLYB": marks the file as ours, so that another program's database is not written to by mistake.
const APPLICATION: i64 = 0x464c_5942;

/// How long a statement waits for another process that is writing. Callers are promised an answer within 2 s.
const BUSY: Duration = Duration::from_millis(1_500);

/// Pages in the log before it is taken back into the file (16 to 32 MiB do best under load).
const CHECKPOINT_PAGES: i64 = 4_000;

const PAGE_BYTES: u64 = 4_096;

/// `records` and `counters` are read by name and by ranges of names, so the name is the table's own order.
const TABLES: &str = "
    CREATE TABLE records (
        partition  TEXT NOT NULL,
        name       TEXT NOT NULL,
        version    INTEGER NOT NULL,
        expires_at INTEGER,
        value      BLOB NOT NULL,
        PRIMARY KEY (partition, name)
    ) WITHOUT ROWID, STRICT;
    CREATE INDEX records_expiry ON records (expires_at) WHERE expires_at IS NOT NULL;
    CREATE TABLE counters (
        partition TEXT NOT NULL,
        name      TEXT NOT NULL,
        value     INTEGER NOT NULL,
        PRIMARY KEY (partition, name)
    ) WITHOUT ROWID, STRICT;
    CREATE TABLE probe (id INTEGER PRIMARY KEY, writes INTEGER NOT NULL) STRICT;
    INSERT INTO probe (id, writes) VALUES (1, 0);
";

/// Makes the folder (0700) and the file (0600) where they are missing. SQLite gives its log the mode of the file.
pub(super) fn make_file(path: &Path) -> Result<(), StoreError> {
    let unavailable = |e: std::io::Error| StoreError::Unavailable(format!("{}: {e}", path.display()));
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(unavailable)?;
    }
    OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path).map_err(unavailable)?;
    Ok(())
}

fn connect(path: &Path) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    Ok(connection)
}

/// The connection of the writer, on a file whose schema is the current one.
pub(super) fn open_for_writing(path: &Path, max_bytes: Option<u64>) -> Result<Connection, StoreError> {
    let sqlite = |e: rusqlite::Error| explain(&e);
    let mut connection = connect(path).map_err(sqlite)?;
    check_owner(&connection, path)?;
    require_durability(&connection, path)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES).map_err(sqlite)?;
    if let Some(bytes) = max_bytes {
        let pages = i64::try_from(bytes / PAGE_BYTES).unwrap_or(i64::MAX);
        connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).map_err(sqlite)?;
    }
    bring_up_to_date(&mut connection, path)?;
    Ok(connection)
}

/// A connection that only reads.
pub(super) fn open_for_reading(path: &Path) -> Result<Connection, StoreError> {
    let open = || {
        let connection = connect(path)?;
        connection.pragma_update(None, "query_only", true)?;
        Ok(connection)
    };
    open().map_err(|e: rusqlite::Error| explain(&e))
}

fn number(connection: &Connection, pragma: &str) -> Result<i64, StoreError> {
    connection.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get(0)).map_err(|e| explain(&e))
}

fn check_owner(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let owner = number(connection, "application_id")?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(|e| explain(&e))?;
    if owner == APPLICATION || (owner == 0 && tables == 0) {
        return Ok(());
    }
    Err(StoreError::Corrupt(format!(
        "{} is the database of another program: name a file that does not exist yet",
        path.display()
    )))
}

/// WAL and `synchronous=FULL` are not settings: an answered commit is on disk. Both are read back, since SQLite stays
/// in another mode without an error where the disk cannot do it.
fn require_durability(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let mode: String =
        connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(|e| explain(&e))?;
    connection.pragma_update(None, "synchronous", "FULL").map_err(|e| explain(&e))?;
    let synchronous = number(connection, "synchronous")?;
    if mode.eq_ignore_ascii_case("wal") && synchronous == 2 {
        return Ok(());
    }
    Err(StoreError::Unavailable(format!(
        "{}: the disk cannot keep a write-ahead log (journal mode {mode}, synchronous {synchronous}); \
         use a local disk, not a network share",
        path.display()
    )))
}

fn bring_up_to_date(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    if number(connection, "user_version")? == SCHEMA {
        return Ok(());
    }
    // Two processes may start at once: the version is read again under the write lock.
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(|e| explain(&e))?;
    let found = number(&transaction, "user_version")?;
    if found > SCHEMA {
        return Err(StoreError::Corrupt(format!(
            "{} was written by a newer version of this program (schema {found}, this one knows {SCHEMA}): run the \
             newer program, or restore a backup from before the update",
            path.display()
        )));
    }
    let create = || {
        if found == 0 {
            transaction.execute_batch(TABLES)?;
            transaction.pragma_update(None, "application_id", APPLICATION)?;
            transaction.pragma_update(None, "user_version", SCHEMA)?;
        }
        transaction.commit()
    };
    create().map_err(|e: rusqlite::Error| explain(&e))
}
