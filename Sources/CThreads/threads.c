#define _GNU_SOURCE
#include "Threads.h"

#include <signal.h>
#include <string.h>

struct start {
  void (*body)(void *);
  void *context;
};

static void *run(void *p) {
  struct start s = *(struct start *)p;
  free(p);
  s.body(s.context);
  return NULL;
}

int csys_thread_start(pthread_t *thread, const char *name, void (*body)(void *), void *context) {
  struct start *s = malloc(sizeof *s);
  if (!s) return ENOMEM;
  s->body = body;
  s->context = context;
  sigset_t all, old;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  int e = pthread_create(thread, NULL, run, s);
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  if (e) { free(s); return e; }
  char short_name[16];
  strncpy(short_name, name, sizeof short_name - 1);
  short_name[sizeof short_name - 1] = 0;
  pthread_setname_np(*thread, short_name);
  return 0;
}

static _Thread_local struct {
  unsigned count;
  struct {
    const void *object;
    uint8_t rank;
  } locks[64];
} held;

int csys_held_against(const void *object, uint8_t rank, int nests) {
  for (unsigned i = 0; i < held.count; i++)
    if (held.locks[i].object == object || held.locks[i].rank > rank
        || (held.locks[i].rank == rank && !nests))
      return held.locks[i].rank;
  return -1;
}

int csys_held_add(const void *object, uint8_t rank) {
  if (held.count == sizeof held.locks / sizeof *held.locks) return 0;
  held.locks[held.count].object = object;
  held.locks[held.count++].rank = rank;
  return 1;
}

int csys_held_remove(const void *object) {
  for (unsigned i = held.count; i-- > 0;)
    if (held.locks[i].object == object) {
      held.locks[i] = held.locks[--held.count];
      return 1;
    }
  return 0;
}
