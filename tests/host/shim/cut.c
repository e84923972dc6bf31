/* Counts what a process writes, syncs and renames below one folder, and ends it there.

   Preloaded (LD_PRELOAD) it stands before libc's functions; the process arms it itself:

     cut_arm(folder, mode, at, log)   at the at-th point (1 is the next one):
        COUNT  nothing; KILL  SIGKILL before it; TORN  SIGKILL after half of a write;
        FULL   this and every later one that needs room fails with ENOSPC;
        BROKEN this sync fails with EIO.
     cut_points()                     how many points there were
     cut_mark(text)                   a record of the test's own in the log

   With a log (a file descriptor, or -1) every point is recorded before it is done, with its
   data, so that any state of a disk in between can be rebuilt: see disk.py.  A record:
     u8 what, u32 first path, u32 second path, u64 offset, u32 data (lengths, little-endian), then
     those bytes.
   Only a process with one writing thread gives the same numbers every time. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum mode { COUNT, KILL, TORN, FULL, BROKEN };
enum what { CREATE = 'c', WRITE = 'w', TRUNCATE = 't', SYNC = 's', RENAME = 'r', UNLINK = 'u',
            MKDIR = 'm', MARK = '!' };

static char folder[PATH_MAX];
static size_t folder_length;
static enum mode mode;
static long at, points;
static int log_to = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void put(const void *data, size_t size)
{
    const char *p = data;
    while (size) {
        long done = syscall(SYS_write, log_to, p, size);
        if (done <= 0)
            _exit(99);
        p += done;
        size -= done;
    }
}

static void record(char what, const char *path, const char *other, uint64_t offset,
                   const void *data, uint32_t size)
{
    if (log_to < 0)
        return;
    uint32_t lengths[2] = {strlen(path), strlen(other)};
    put(&what, 1);
    put(lengths, sizeof lengths);
    put(&offset, sizeof offset);
    put(&size, sizeof size);
    put(path, lengths[0]);
    put(other, lengths[1]);
    if (data)
        put(data, size);
}

void cut_arm(const char *where, int how, long number, int log)
{
    pthread_mutex_lock(&lock);
    strncpy(folder, where, sizeof folder - 1);
    folder_length = strlen(folder);
    mode = how;
    at = number;
    points = 0;
    log_to = log;
    pthread_mutex_unlock(&lock);
}

long cut_points(void) { return points; }

void cut_mark(const char *text)
{
    pthread_mutex_lock(&lock);
    record(MARK, text, "", 0, NULL, 0);
    pthread_mutex_unlock(&lock);
}

/* Tell whether a path is below the folder, or it. */
static int ours(const char *path)
{
    if (!folder_length || strncmp(path, folder, folder_length))
        return 0;
    const char *rest = path + folder_length;
    return (*rest == '/' || !*rest) && !strstr(rest, " (deleted)");
}

static int path_of(int fd, char *path)
{
    char name[64];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(name, path, PATH_MAX - 1);
    if (size < 0)
        return 0;
    path[size] = 0;
    return ours(path);
}

/* Pass one point; return the errno with which it is to fail, or 0. */
static int point(char what, const char *path, const char *other, uint64_t offset,
                 const void *data, uint32_t size, int fd)
{
    int error = 0;
    int needs_room = what == WRITE || what == CREATE || what == MKDIR;
    pthread_mutex_lock(&lock);
    points++;
    if (mode == KILL && points == at)
        kill(getpid(), SIGKILL);
    if (mode == TORN && points == at) {
        if (what == WRITE && data)
            syscall(SYS_pwrite64, fd, data, size / 2, offset);
        kill(getpid(), SIGKILL);
    }
    if (mode == FULL && points >= at && needs_room)
        error = ENOSPC;
    if (mode == BROKEN && points == at && what == SYNC)
        error = EIO;
    if (!error)
        record(what, path, other, offset, data, size);
    pthread_mutex_unlock(&lock);
    return error;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define FAIL(error) do { int e_ = (error); if (e_) { errno = e_; return -1; } } while (0)

static int opening(const char *path, int flags)
{
    struct stat found;
    if (!ours(path) || !(flags & (O_CREAT | O_TRUNC)))
        return 0;
    if (!lstat(path, &found)) {
        if (!(flags & O_TRUNC) || !found.st_size)
            return 0;
        return point(TRUNCATE, path, "", 0, NULL, 0, -1);
    }
    return flags & O_CREAT ? point(CREATE, path, "", 0, NULL, 0, -1) : 0;
}

#define OPEN(name)                                            \
    int name(const char *path, int flags, ...)                \
    {                                                         \
        va_list rest;                                         \
        va_start(rest, flags);                                \
        mode_t bits = va_arg(rest, mode_t);                   \
        va_end(rest);                                         \
        FAIL(opening(path, flags));                           \
        return REAL(name)(path, flags, bits);                 \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                          \
    int name(int base, const char *path, int flags, ...)      \
    {                                                         \
        va_list rest;                                         \
        va_start(rest, flags);                                \
        mode_t bits = va_arg(rest, mode_t);                   \
        va_end(rest);                                         \
        FAIL(opening(path, flags));                           \
        return REAL(name)(base, path, flags, bits);           \
    }
OPENAT(openat)
OPENAT(openat64)

ssize_t write(int fd, const void *data, size_t size)
{
    char path[PATH_MAX];
    if (folder_length && size && path_of(fd, path)) {
        off_t offset = lseek(fd, 0, SEEK_CUR);
        FAIL(point(WRITE, path, "", offset, data, size, fd));
    }
    return REAL(write)(fd, data, size);
}

static int writing(int fd, const void *data, size_t size, off_t offset)
{
    char path[PATH_MAX];
    if (!folder_length || !size || !path_of(fd, path))
        return 0;
    return point(WRITE, path, "", offset, data, size, fd);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    FAIL(writing(fd, data, size, offset));
    return REAL(pwrite)(fd, data, size, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
    FAIL(writing(fd, data, size, offset));
    return REAL(pwrite64)(fd, data, size, offset);
}

static int cutting(int fd, off_t size)
{
    char path[PATH_MAX];
    if (!folder_length || !path_of(fd, path))
        return 0;
    return point(TRUNCATE, path, "", size, NULL, 0, fd);
}

int ftruncate(int fd, off_t size)
{
    FAIL(cutting(fd, size));
    return REAL(ftruncate)(fd, size);
}

int ftruncate64(int fd, off64_t size)
{
    FAIL(cutting(fd, size));
    return REAL(ftruncate64)(fd, size);
}

static int syncing(int fd)
{
    char path[PATH_MAX];
    if (!folder_length || !path_of(fd, path))
        return 0;
    return point(SYNC, path, "", 0, NULL, 0, fd);
}

int fsync(int fd)
{
    FAIL(syncing(fd));
    return REAL(fsync)(fd);
}

int fdatasync(int fd)
{
    FAIL(syncing(fd));
    return REAL(fdatasync)(fd);
}

int rename(const char *from, const char *to)
{
    if (ours(from) || ours(to))
        FAIL(point(RENAME, from, to, 0, NULL, 0, -1));
    return REAL(rename)(from, to);
}

int unlink(const char *path)
{
    struct stat found;
    if (ours(path) && !lstat(path, &found))
        FAIL(point(UNLINK, path, "", 0, NULL, 0, -1));
    return REAL(unlink)(path);
}

int mkdir(const char *path, mode_t bits)
{
    struct stat found;
    if (ours(path) && lstat(path, &found))
        FAIL(point(MKDIR, path, "", 0, NULL, 0, -1));
    return REAL(mkdir)(path, bits);
}
