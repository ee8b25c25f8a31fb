#define _GNU_SOURCE
#include "Processes.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

extern char **environ;

pid_t csys_fork(void) { return fork(); }

int csys_pidfd_open(pid_t process) { return (int)syscall(SYS_pidfd_open, process, 0); }

static void end_signals(sigset_t *set) {
  sigemptyset(set);
  sigaddset(set, SIGINT);
  sigaddset(set, SIGTERM);
  sigaddset(set, SIGHUP);
}

void csys_block_end_signals(void) {
  sigset_t set;
  end_signals(&set);
  pthread_sigmask(SIG_BLOCK, &set, NULL);
  signal(SIGPIPE, SIG_IGN);
}

int csys_wait_end_signal(int wake) {
  sigset_t set;
  end_signals(&set);
  int signals = signalfd(-1, &set, SFD_CLOEXEC);
  struct pollfd ends[2] = {{.fd = wake, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
  int number = 0;
  while (poll(ends, signals < 0 ? 1 : 2, -1) < 0 && errno == EINTR) {}
  struct signalfd_siginfo info;
  if (!ends[0].revents && ends[1].revents && read(signals, &info, sizeof info) == sizeof info)
    number = (int)info.ssi_signo;
  if (signals >= 0) close(signals);
  return number;
}

static volatile sig_atomic_t noted;

static void note(int number) { noted = number; }

static int status_at_end_signal;

static void end_at_once(int number) {
  (void)number;
  _exit(status_at_end_signal);
}

static void handle_end_signals(void (*handler)(int)) {
  const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
  // No SA_RESTART: the interrupted call must return.
  struct sigaction action = {.sa_handler = handler}, old;
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
    // What is ignored, as under nohup(1), stays so.
    if (sigaction(numbers[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
      sigaction(numbers[i], &action, NULL);
}

void csys_note_end_signals(void) { handle_end_signals(note); }

void csys_exit_at_end_signals(int status) {
  status_at_end_signal = status;
  handle_end_signals(end_at_once);
}

int csys_noted_end_signal(void) { return noted; }

void csys_end_by_signal(int number) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, number);
  signal(number, SIG_DFL);
  pthread_sigmask(SIG_UNBLOCK, &set, NULL);
  raise(number);
  _exit(128 + number);
}

static void nothing(int number) { (void)number; }

void csys_make_sigusr1_interrupt(void) {
  // No SA_RESTART: the interrupted call must return.
  struct sigaction action = {.sa_handler = nothing};
  sigaction(SIGUSR1, &action, NULL);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

void csys_syslog_open(const char *name) { openlog(name, LOG_PID, LOG_DAEMON); }
void csys_syslog(int priority, const char *text) { syslog(priority, "%s", text); }

int csys_read_process(pid_t process, uint64_t address, void *buffer, size_t length) {
  struct iovec local = {buffer, length}, remote = {(void *)(uintptr_t)address, length};
  ssize_t n = process_vm_readv(process, &local, 1, &remote, 1, 0);
  if (n < 0) return errno;
  return (size_t)n == length ? 0 : EFAULT;
}

int csys_umount(const char *path, int lazy) {
  return umount2(path, (lazy ? MNT_DETACH : 0) | UMOUNT_NOFOLLOW) ? errno : 0;
}

int csys_run(const char *const *arguments, char *error, size_t capacity) {
  int ends[2];
  if (capacity) error[0] = 0;
  if (pipe2(ends, O_CLOEXEC)) return -errno;
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  pid_t child;
  int e = posix_spawnp(
    &child, arguments[0], &actions, &attributes, (char *const *)arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  close(ends[1]);
  if (e) { close(ends[0]); return -e; }
  size_t used = 0;
  for (;;) {
    char scrap[256];
    int keep = used + 1 < capacity;
    ssize_t n = read(
      ends[0], keep ? error + used : scrap, keep ? capacity - used - 1 : sizeof scrap);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    if (keep) used += (size_t)n;
  }
  if (capacity) error[used] = 0;
  close(ends[0]);
  int status;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return -errno;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
