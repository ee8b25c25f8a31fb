// Processes, signals and mounts: what Swift's Glibc leaves out. Used by ExtantFuse and the program.
#ifndef CPROCESSES_PROCESSES_H
#define CPROCESSES_PROCESSES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// fork(2). The child has the calling thread alone: call it before any other thread is started.
pid_t csys_fork(void);

// A descriptor that becomes readable when the process ends, or -1 with errno.
int csys_pidfd_open(pid_t process);

// Blocks SIGINT, SIGTERM and SIGHUP in the calling thread and all threads it starts later, and
// ignores SIGPIPE.
void csys_block_end_signals(void);

// Waits for one of those signals and returns its number, or 0 when `wake` becomes readable.
int csys_wait_end_signal(int wake);

// From now on SIGINT, SIGTERM and SIGHUP are noted, interrupt a blocking system call, and do nothing
// else.
void csys_note_end_signals(void);

// From now on they end the program at once with this status.
void csys_exit_at_end_signals(int status);

// The number of the last signal noted, or 0.
int csys_noted_end_signal(void);

// Ends the process by that signal, whatever it was set to.
void csys_end_by_signal(int number);

// Makes SIGUSR1 interrupt a blocking system call of the calling thread, and do nothing else.
void csys_make_sigusr1_interrupt(void);

// syslog(3) with the text as it is.
void csys_syslog_open(const char *name);
void csys_syslog(int priority, const char *text);

// Copies `length` bytes at `address` in another process into `buffer`; 0, or errno.
int csys_read_process(pid_t process, uint64_t address, void *buffer, size_t length);

// umount2(2): 0, or errno. `lazy` detaches the mount even while it is in use.
int csys_umount(const char *path, int lazy);

// Runs a program found in PATH and waits: its exit status, or -errno. `error` (of `capacity` bytes)
// gets what it wrote to standard error, NUL-terminated.
int csys_run(const char *const *arguments, char *error, size_t capacity);

#endif
