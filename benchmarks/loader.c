// SPDX-License-Identifier: Apache-2.0
/*
 * Load an object through libbpf: loader FILE. Prints how long it took from its
 * open to the end of its load: seconds, and seconds of CPU.
 */
#include <bpf/libbpf.h>
#include <stdio.h>
#include <time.h>

static double now(clockid_t clock) {
  struct timespec time;

  clock_gettime(clock, &time);
  return time.tv_sec + time.tv_nsec / 1e9;
}

static int quiet(enum libbpf_print_level level, const char *format,
                 va_list args) {
  return 0;
}

int main(int argc, char **argv) {
  struct bpf_object *object;
  double began = now(CLOCK_MONOTONIC), cpu = now(CLOCK_PROCESS_CPUTIME_ID);

  if (argc != 2)
    return 2;
  libbpf_set_print(quiet);
  object = bpf_object__open_file(argv[1], NULL);
  if (!object || bpf_object__load(object))
    return 1;
  printf("%.6f %.6f\n", now(CLOCK_MONOTONIC) - began,
         now(CLOCK_PROCESS_CPUTIME_ID) - cpu);
  bpf_object__close(object);
  return 0;
}
