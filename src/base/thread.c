/*
 * thread.c: starting the library's own threads.
 */
#include "base/thread.h"

int bpi_thread_start(pthread_t *thread_out, size_t stack_size, void *(*run)(void *), void *argument)
{
    pthread_attr_t attributes;
    int code = pthread_attr_init(&attributes);
    if (code != 0) {
        return code;
    }
    code = pthread_attr_setstacksize(&attributes, stack_size);
    if (code == 0) {
        code = pthread_create(thread_out, &attributes, run, argument);
    }
    (void)pthread_attr_destroy(&attributes);
    return code == 0 ? 0 : pthread_create(thread_out, NULL, run, argument);
}
