#define _GNU_SOURCE
#include "CExtantSystem.h"

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
