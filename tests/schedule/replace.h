/*
 * replace.h: put in front of every source of the library's upper layers when they are compiled for tests/schedule: locks, condition
 * variables, threads, yielding and atomic accesses become calls of the scheduler (scheduler.h), which owns every switch.
 *
 * Atomic accesses happen in one order that all threads see; what weaker memory would show besides is the thread
 * sanitizer's to find.
 */
#ifndef BPS_REPLACE_H
#define BPS_REPLACE_H

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#include "schedule/scheduler.h"

#define pthread_mutex_init(mutex, attributes) bps_mutex_init(mutex)
#define pthread_mutex_destroy(mutex) bps_mutex_destroy(mutex)
#define pthread_mutex_lock(mutex) bps_mutex_lock(mutex)
#define pthread_mutex_unlock(mutex) bps_mutex_unlock(mutex)
#define pthread_rwlock_init(lock, attributes) bps_rwlock_init(lock)
#define pthread_rwlock_destroy(lock) bps_rwlock_destroy(lock)
#define pthread_rwlock_rdlock(lock) bps_rwlock_read(lock)
#define pthread_rwlock_wrlock(lock) bps_rwlock_write(lock)
#define pthread_rwlock_unlock(lock) bps_rwlock_unlock(lock)
#define pthread_cond_init(condition, attributes) bps_cond_init(condition)
#define pthread_cond_destroy(condition) bps_cond_destroy(condition)
#define pthread_cond_wait(condition, mutex) bps_cond_wait(condition, mutex, false)
#define pthread_cond_timedwait(condition, mutex, until) ((void)(until), bps_cond_wait(condition, mutex, true))
#define pthread_cond_signal(condition) bps_cond_wake(condition, false)
#define pthread_cond_broadcast(condition) bps_cond_wake(condition, true)
#define pthread_create(thread, attributes, start, argument) bps_thread_start(thread, start, argument)
#define pthread_join(thread, result) bps_thread_join(thread)
#define sched_yield() bps_yield()

#undef atomic_load
#undef atomic_load_explicit
#undef atomic_store
#undef atomic_store_explicit
#undef atomic_exchange
#undef atomic_exchange_explicit
#undef atomic_fetch_add
#undef atomic_fetch_add_explicit
#undef atomic_fetch_sub
#undef atomic_fetch_sub_explicit
#undef atomic_fetch_or
#undef atomic_fetch_or_explicit
#undef atomic_fetch_and
#undef atomic_fetch_and_explicit
#undef atomic_compare_exchange_strong
#undef atomic_compare_exchange_strong_explicit
#undef atomic_compare_exchange_weak

#define atomic_load(at) (bps_point(), __atomic_load_n(at, __ATOMIC_SEQ_CST))
#define atomic_load_explicit(at, order) atomic_load(at)
#define atomic_store(at, value) (bps_point(), __atomic_store_n(at, value, __ATOMIC_SEQ_CST))
#define atomic_store_explicit(at, value, order) atomic_store(at, value)
#define atomic_exchange(at, value) (bps_point(), __atomic_exchange_n(at, value, __ATOMIC_SEQ_CST))
#define atomic_exchange_explicit(at, value, order) atomic_exchange(at, value)
#define atomic_fetch_add(at, value) (bps_point(), __atomic_fetch_add(at, value, __ATOMIC_SEQ_CST))
#define atomic_fetch_add_explicit(at, value, order) atomic_fetch_add(at, value)
#define atomic_fetch_sub(at, value) (bps_point(), __atomic_fetch_sub(at, value, __ATOMIC_SEQ_CST))
#define atomic_fetch_sub_explicit(at, value, order) atomic_fetch_sub(at, value)
#define atomic_fetch_or(at, value) (bps_point(), __atomic_fetch_or(at, value, __ATOMIC_SEQ_CST))
#define atomic_fetch_or_explicit(at, value, order) atomic_fetch_or(at, value)
#define atomic_fetch_and(at, value) (bps_point(), __atomic_fetch_and(at, value, __ATOMIC_SEQ_CST))
#define atomic_fetch_and_explicit(at, value, order) atomic_fetch_and(at, value)
#define atomic_compare_exchange_strong(at, old, value) \
    (bps_point(), __atomic_compare_exchange_n(at, old, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
#define atomic_compare_exchange_strong_explicit(at, old, value, good, bad) \
    atomic_compare_exchange_strong(at, old, value)
#define atomic_compare_exchange_weak(at, old, value) atomic_compare_exchange_strong(at, old, value)

#endif
