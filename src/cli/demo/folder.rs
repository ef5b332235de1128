//! The folder of the demo: one demo at a time, for its owner alone, and emptied only when a demo made it.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::cli::start::StartError;

const MARK: &str = "flybridge-demo";
const LOCK: &str = "lock";

/// A folder that no other demo uses while this value lives.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// The system gives the lock back when the process ends, however it ends.
    _lock: File,
}

impl Folder {
    /// Makes the folder where there is none, and locks it. Nothing else in it is touched.
    pub fn take(path: &Path) -> Result<Self, StartError> {
        let folder = path.display();
        let cannot = |what: &str, error: io::Error| StartError::new(&format!("{folder} cannot be {what}"), error);
        if path.exists() {
            let found = fs::read_dir(path).map_err(|e| cannot("read", e))?;
            // The lock alone: an earlier start ended before it came to the mark.
            let empty = found.flatten().all(|entry| entry.file_name() == LOCK);
            if !empty && !path.join(MARK).exists() {
                return Err(StartError::plain(format!(
                    "{folder} holds something and was not made by the demo, so it is left alone; name another folder \
                     with --data"
                )));
            }
        }
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|e| cannot("made", e))?;
        let lock =
            File::options().create(true).append(true).open(path.join(LOCK)).map_err(|e| cannot("locked", e))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(StartError::plain(format!(
                "{folder} is in use (is the demo running already? Stop it, or choose another folder with --data)"
            ))),
            Err(TryLockError::Error(error)) => Err(cannot("locked", error)),
        }
    }

    /// Makes the folder ready; `fresh`: without anything that an earlier demo has kept.
    pub fn prepare(&self, fresh: bool) -> Result<(), StartError> {
        let cannot =
            |what: &str, e: io::Error| StartError::new(&format!("{} cannot be {what}", self.path.display()), e);
        if fresh {
            self.empty().map_err(|e| cannot("emptied", e))?;
        }
        // Addresses of people, links and keys are in it.
        fs::set_permissions(&self.path, fs::Permissions::from_mode(0o700)).map_err(|e| cannot("made private", e))?;
        fs::create_dir_all(self.path.join("mail")).map_err(|e| cannot("made", e))?;
        fs::write(self.path.join(MARK), "Made by `flybridge demo`; --fresh empties this folder.\n")
            .map_err(|e| cannot("written", e))
    }

    /// The lock stays: a file made anew would be another one, which somebody else could lock. The mark stays too: who
    /// is stopped half-way can start over once more.
    fn empty(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if [MARK, LOCK].iter().any(|kept| entry.file_name() == *kept) {
                continue;
            }
            if entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())?;
            } else {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("is there").permissions().mode() & 0o777
    }

    #[test]
    fn a_folder_is_private_and_taken_once() {
        let parent = tempfile::tempdir().expect("a folder");
        let path = parent.path().join("demo");
        let folder = Folder::take(&path).expect("taken");
        let second = Folder::take(&path).expect_err("in use").to_string();
        assert!(second.contains("is the demo running already?"), "{second}");
        folder.prepare(false).expect("ready");
        fs::write(path.join("flybridge.db"), "kept").expect("written");
        assert_eq!(mode(&path), 0o700);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("set");
        folder.prepare(false).expect("ready");
        assert!(path.join("flybridge.db").exists());
        folder.prepare(true).expect("ready");
        assert!(!path.join("flybridge.db").exists());
        assert!(path.join("mail").exists());
        assert_eq!(mode(&path), 0o700);
        assert!(Folder::take(&path).is_err(), "locked as before");
        drop(folder);
        assert!(Folder::take(&path).is_ok());
    }

    #[test]
    fn a_folder_of_somebody_else_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("letters"), "mine").expect("written");
        let before = mode(folder.path());
        let refused = Folder::take(folder.path()).expect_err("refused").to_string();
        assert!(refused.contains("was not made by the demo"), "{refused}");
        let left: Vec<_> = fs::read_dir(folder.path()).expect("read").map(|e| e.expect("one").file_name()).collect();
        assert_eq!((left, mode(folder.path())), (vec!["letters".into()], before));
    }
}
