/* Stands between a program and the disk under its SQLite files, and does there what the file named by DISK_ORDERS says.
 * Loaded with LD_PRELOAD; the orders are four numbers that the test process writes while the program runs. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

enum { PEACE, FULL, UNREADABLE, KILL_BEFORE, KILL_AFTER, FAIL_BEFORE, FAIL_AFTER };

struct orders {
  int what;  /* one of the above */
  int at;    /* with which commit, counted from 1 */
  int syncs; /* commits so far: each ends by forcing its log to the disk */
  int struck;
};

static struct orders nothing;
static struct orders *orders = &nothing;
static ssize_t (*real_pwrite)(int, const void *, size_t, off64_t);
static ssize_t (*real_pread)(int, void *, size_t, off64_t);
static int (*real_fsync)(int);

__attribute__((constructor)) static void begin(void) {
  real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
  real_pread = dlsym(RTLD_NEXT, "pread64");
  real_fsync = dlsym(RTLD_NEXT, "fsync");
  const char *path = getenv("DISK_ORDERS");
  int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
  void *shared = file < 0 ? MAP_FAILED : mmap(NULL, sizeof *orders, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (shared == MAP_FAILED) abort();
  orders = shared;
}

static int is_of_the_store(int file) {
  char link[32], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return strstr(path, "/flybridge.db") != NULL;
}

/* Once, with the commit that was named. */
static int strikes(int what, int commit) {
  int peace = 0;
  return orders->what == what && orders->at == commit &&
         __atomic_compare_exchange_n(&orders->struck, &peace, 1, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

static void die(void) {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t offset) {
  if (orders->what != PEACE && is_of_the_store(file)) {
    int commit = orders->syncs + 1;
    if (orders->what == FULL) {
      errno = ENOSPC;
      return -1;
    }
    if (strikes(KILL_BEFORE, commit)) die();
    if (strikes(FAIL_BEFORE, commit)) {
      errno = EIO;
      return -1;
    }
  }
  return real_pwrite(file, bytes, count, offset);
}

int fsync(int file) {
  if (is_of_the_store(file)) {
    int commit = __atomic_add_fetch(&orders->syncs, 1, __ATOMIC_SEQ_CST);
    if (strikes(KILL_AFTER, commit)) die();
    if (strikes(FAIL_AFTER, commit)) {
      errno = EIO;
      return -1;
    }
  }
  return real_fsync(file);
}

ssize_t pread64(int file, void *bytes, size_t count, off64_t offset) {
  if (orders->what == UNREADABLE && is_of_the_store(file)) {
    errno = EIO;
    return -1;
  }
  return real_pread(file, bytes, count, offset);
}
