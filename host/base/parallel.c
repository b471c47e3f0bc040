/* parallel: host work spread over threads. See include/parallel.h.
 * Knows nothing of what the work is. */
#include "parallel.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

enum { MAX_THREADS = 256 };

struct job {
    int64_t count;
    int (*work)(void *context, int64_t i);
    void *context;
    _Atomic int64_t next;
    atomic_bool failed;
    pthread_mutex_t mutex; /* guards what follows */
    int64_t failed_at;
    int status;
    char text[2048];
};

static void record_failure(struct job *job, int64_t i, int status)
{
    pthread_mutex_lock(&job->mutex);
    if (job->status == OK || i < job->failed_at) {
        job->status = status;
        job->failed_at = i;
        strncpy(job->text, fail_text(), sizeof job->text - 1);
    }
    pthread_mutex_unlock(&job->mutex);
    atomic_store(&job->failed, true);
}

/* Indices are handed out in order, so when one fails all lower ones are done or being worked on: to hand out no more is
 * enough for the lowest failure to be found. */
static void *take_turns(void *argument)
{
    struct job *job = argument;
    while (!atomic_load(&job->failed)) {
        int64_t i = atomic_fetch_add(&job->next, 1);
        if (i >= job->count)
            break;
        int status = job->work(job->context, i);
        if (status < 0)
            record_failure(job, i, status);
    }
    return NULL;
}

int parallel_for(int64_t count, int threads, int (*work)(void *context, int64_t i), void *context)
{
    assert(work && threads >= 0);
    if (threads == 0)
        threads = cpu_count();
    if (threads > count)
        threads = (int)count;
    if (threads > MAX_THREADS)
        threads = MAX_THREADS;
    struct job job = {.count = count, .work = work, .context = context, .mutex = PTHREAD_MUTEX_INITIALIZER};
    pthread_t workers[MAX_THREADS];
    int started = 0;
    /* The caller is one of the threads. Where no more can be started, fewer do the work. */
    while (started < threads - 1 && pthread_create(&workers[started], NULL, take_turns, &job) == 0)
        started++;
    take_turns(&job);
    for (int i = 0; i < started; i++)
        pthread_join(workers[i], NULL);
    pthread_mutex_destroy(&job.mutex);
    return job.status == OK ? OK : FAIL(job.status, "%s", job.text);
}
