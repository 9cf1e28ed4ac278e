// fsync(2) on a bad day, for a program that this is preloaded into. What lies at a path like $FSYNC_OF (a pattern as of a shell) is
// not made durable: the process is killed there if $FSYNC_KILLS is set, and told of a failing disk if it is not.
#define _GNU_SOURCE
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int fsync(int file) {
  char link[32], path[PATH_MAX] = "";
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  readlink(link, path, sizeof path - 1);
  if (fnmatch(getenv("FSYNC_OF"), path, 0)) return syscall(SYS_fsync, file);
  if (getenv("FSYNC_KILLS")) raise(SIGKILL);
  errno = EIO;
  return -1;
}
