// Locks, conditions, threads and clocks: what Swift's libraries do not wrap. Used by Threading alone.
#ifndef CTHREADS_THREADS_H
#define CTHREADS_THREADS_H

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

static inline pthread_mutex_t *csys_mutex_create(void) {
  pthread_mutex_t *m = malloc(sizeof *m);
  if (m && pthread_mutex_init(m, NULL)) { free(m); return NULL; }
  return m;
}
static inline void csys_mutex_destroy(pthread_mutex_t *m) { pthread_mutex_destroy(m); free(m); }

static inline pthread_rwlock_t *csys_rwlock_create(void) {
  pthread_rwlock_t *l = malloc(sizeof *l);
  if (!l) return NULL;
  pthread_rwlockattr_t a;
  pthread_rwlockattr_init(&a);
  // Readers never nest here, so a waiting writer may go first: it cannot starve.
  pthread_rwlockattr_setkind_np(&a, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
  int e = pthread_rwlock_init(l, &a);
  pthread_rwlockattr_destroy(&a);
  if (e) { free(l); return NULL; }
  return l;
}
static inline void csys_rwlock_destroy(pthread_rwlock_t *l) { pthread_rwlock_destroy(l); free(l); }

// A condition on the monotonic clock, so that setting the time of day wakes nobody.
static inline pthread_cond_t *csys_cond_create(void) {
  pthread_cond_t *c = malloc(sizeof *c);
  if (!c) return NULL;
  pthread_condattr_t a;
  pthread_condattr_init(&a);
  pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
  int e = pthread_cond_init(c, &a);
  pthread_condattr_destroy(&a);
  if (e) { free(c); return NULL; }
  return c;
}
static inline void csys_cond_destroy(pthread_cond_t *c) { pthread_cond_destroy(c); free(c); }

// Waits at most `nanoseconds`; 1 when woken, 0 when the time ran out.
static inline int csys_cond_wait_for(pthread_cond_t *c, pthread_mutex_t *m, uint64_t nanoseconds) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  t.tv_sec += (time_t)(nanoseconds / 1000000000u);
  t.tv_nsec += (long)(nanoseconds % 1000000000u);
  if (t.tv_nsec >= 1000000000l) { t.tv_sec++; t.tv_nsec -= 1000000000l; }
  return pthread_cond_timedwait(c, m, &t) != ETIMEDOUT;
}

static inline uint64_t csys_monotonic_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
static inline void csys_realtime(int64_t *seconds, uint32_t *nanoseconds) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  *seconds = t.tv_sec;
  *nanoseconds = (uint32_t)t.tv_nsec;
}

static inline void csys_sleep_ns(uint64_t nanoseconds) {
  struct timespec t = {.tv_sec = (time_t)(nanoseconds / 1000000000u),
                       .tv_nsec = (long)(nanoseconds % 1000000000u)};
  while (nanosleep(&t, &t) < 0 && errno == EINTR) {}
}

// Starts a joinable thread with all signals blocked: signals belong to the main thread.
int csys_thread_start(pthread_t *thread, const char *name, void (*body)(void *), void *context);

// What the calling thread holds: locks by address, with their ranks. For debug builds.

// A rank among those held that stands beside or behind `rank`, -1 for none; with `nests` not one of the
// same rank. The object itself is always one.
int csys_held_against(const void *object, uint8_t rank, int nests);
// 0 where there is no room for it.
int csys_held_add(const void *object, uint8_t rank);
// 0 where it is not held.
int csys_held_remove(const void *object);

#endif
