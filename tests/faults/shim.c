/* Between the gateway and its disk: slow fsync, a kill in the middle of a write, and a count of refused writes.
 *
 * Loaded with LD_PRELOAD. The file that RFID_FAULTS names is shared with the suite: six 64-bit numbers, see shim.py.
 * SQLite alone uses pwrite64 and fdatasync in the gateway; everything else passes through.
 *
 * It stands before libfaketime, which fakes the wall clock alone here and yet takes a lock for each look at any clock
 * and for each wait of Python's for its interpreter lock: what goes by the monotonic clock passes it by, or a crowd of
 * tags would cost the gateway many times as much as without it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

struct control {
    int64_t sync_delay_us;  /* the suite sets it: how long each fsync takes longer */
    int64_t syncs_delayed;  /* we count */
    int64_t kill_at_write;  /* the suite sets it: the so-manieth write from now on is cut in half by a SIGKILL */
    int64_t kills;          /* we count */
    int64_t writes_refused; /* we count: no room for the database */
    int64_t files_refused;  /* we count: no room for another file */
};

static struct control *control;

__attribute__((constructor)) static void map_control(void)
{
    const char *path = getenv("RFID_FAULTS");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *memory = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (memory != MAP_FAILED)
        control = memory;
}

static void delay(void)
{
    int64_t us = control ? __atomic_load_n(&control->sync_delay_us, __ATOMIC_SEQ_CST) : 0;
    if (us <= 0)
        return;
    struct timespec rest = {us / 1000000, us % 1000000 * 1000};
    __atomic_add_fetch(&control->syncs_delayed, 1, __ATOMIC_SEQ_CST);
    /* The system call itself, because libfaketime replaces the functions. */
    syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &rest, NULL);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    static int (*real)(clockid_t, struct timespec *);
    if (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)
        return syscall(SYS_clock_gettime, clock, now);
    if (!real)
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    return real(clock, now);
}

int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until)
{
    static int (*real)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
    if (!real)
        real = (int (*)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *))
            dlsym(dlopen("libc.so.6", RTLD_LAZY), "pthread_cond_timedwait");
    return real(condition, mutex, until);
}

int fdatasync(int fd)
{
    static int (*real)(int);
    if (!real)
        real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    delay();
    return real(fd);
}

int fsync(int fd)
{
    static int (*real)(int);
    if (!real)
        real = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    delay();
    return real(fd);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
    static ssize_t (*real)(int, const void *, size_t, off64_t);
    if (!real)
        real = (ssize_t (*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64");
    if (control && __atomic_load_n(&control->kill_at_write, __ATOMIC_SEQ_CST) > 0 &&
        __atomic_sub_fetch(&control->kill_at_write, 1, __ATOMIC_SEQ_CST) == 0) {
        real(fd, data, size / 2, offset);
        __atomic_add_fetch(&control->kills, 1, __ATOMIC_SEQ_CST);
        kill(getpid(), SIGKILL);
    }
    ssize_t written = real(fd, data, size, offset);
    if (control && written < (ssize_t)size)
        __atomic_add_fetch(&control->writes_refused, 1, __ATOMIC_SEQ_CST);
    return written;
}

ssize_t write(int fd, const void *data, size_t size)
{
    static ssize_t (*real)(int, const void *, size_t);
    if (!real)
        real = (ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    ssize_t written = real(fd, data, size);
    if (control && written < 0 && errno == ENOSPC)
        __atomic_add_fetch(&control->files_refused, 1, __ATOMIC_SEQ_CST);
    return written;
}
