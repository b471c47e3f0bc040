/* loader: threads that read images ahead into a ring of batches. See include/loader.h. Knows neither formats nor what a
 * batch is for.
 *
 * Positions of the order are handed out in turn, a few at a time; batch b lies in slot b % slots and may be begun once
 * batch b - slots has been given back. So at most `slots` batches are held, and what is in them depends on the order
 * alone. The last slot of the feed is kept for loader_again. */
#include "loader.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS_LEAST = 4, SLOTS_MOST = 32, THREADS_MOST = 256, TURN = 8, TEXT = 1024 };

struct loader {
    struct loader_options options;
    struct feed feed;
    int slots; /* of the feed, without the last */
    size_t image_bytes;
    pthread_t threads[THREADS_MOST];
    int started;
    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t work, ready;
    bool quit;
    int busy; /* threads that are reading */
    const struct dataset *data;
    const int32_t *order;
    int64_t first, end, next; /* positions; next: to be handed out */
    int64_t batches_next;     /* to be given to the trainer */
    int64_t batches_free;     /* given back: batches before this */
    int missing[SLOTS_MOST];  /* rows of a slot that are not there yet */
    int64_t failed_at;        /* the lowest position that failed; -1: none */
    int failed_status;
    char failed_text[TEXT];
    double waited;
};

static int64_t batch_of(const struct loader *loader, int64_t position)
{
    return (position - loader->first) / loader->options.batch;
}

static int rows_of(const struct loader *loader, int64_t batch)
{
    const int64_t left = loader->end - loader->first - batch * loader->options.batch;
    return (int)(left < loader->options.batch ? left : loader->options.batch);
}

/* ---- reading ---- */

static bool may_read(const struct loader *loader)
{
    return loader->next < loader->end && batch_of(loader, loader->next) < loader->batches_free + loader->slots;
}

static void note_failure(struct loader *loader, int64_t position, int status)
{
    if (loader->failed_at >= 0 && loader->failed_at < position)
        return;
    loader->failed_at = position;
    loader->failed_status = status;
    strncpy(loader->failed_text, fail_text(), TEXT - 1);
}

/* The image of the first row's partner, behind the rows of a slot. */
static int read_partner(const struct loader *loader, const struct dataset *data, const int32_t *order, int64_t position,
                        int slot)
{
    if (!loader->options.partners)
        return OK;
    const size_t row = (size_t)loader->options.batch;
    return dataset_image(data, order[augment_partner(position)],
                         loader->feed.host + (size_t)slot * loader->feed.slot_bytes + row * loader->image_bytes);
}

/* Positions [from, from + count) of one batch; the mutex is held before and after, not while reading. */
static void read_turn(struct loader *loader, int64_t from, int count)
{
    const int64_t batch = batch_of(loader, from);
    const int slot = (int)(batch % loader->slots);
    const int64_t row = from - loader->first - batch * loader->options.batch;
    uint8_t *to = loader->feed.host + (size_t)slot * loader->feed.slot_bytes + (size_t)row * loader->image_bytes;
    int status = OK, read = 0;
    pthread_mutex_unlock(&loader->mutex);
    if (row == 0 && augment_partner(from) < loader->end)
        status = read_partner(loader, loader->data, loader->order, from, slot);
    for (; read < count && status == OK; read++, to += loader->image_bytes)
        status = dataset_image(loader->data, loader->order[from + read], to);
    pthread_mutex_lock(&loader->mutex);
    if (status != OK)
        note_failure(loader, from + (read > 0 ? read - 1 : 0), status);
    loader->missing[slot] -= count;
    if (loader->missing[slot] == 0)
        pthread_cond_broadcast(&loader->ready);
}

static void *read_ahead(void *argument)
{
    struct loader *loader = argument;
    pthread_mutex_lock(&loader->mutex);
    while (!loader->quit) {
        if (!may_read(loader)) {
            pthread_cond_wait(&loader->work, &loader->mutex);
            continue;
        }
        const int64_t from = loader->next, batch = batch_of(loader, from);
        const int64_t batch_end = loader->first + batch * loader->options.batch + rows_of(loader, batch);
        const int count = (int)(batch_end - from < TURN ? batch_end - from : TURN);
        loader->next += count;
        loader->busy++;
        read_turn(loader, from, count);
        if (--loader->busy == 0)
            pthread_cond_broadcast(&loader->ready);
    }
    pthread_mutex_unlock(&loader->mutex);
    return NULL;
}

/* ---- the trainer's side ---- */

/* The mutex is held. */
static void give_back(struct loader *loader, int64_t batch)
{
    if (batch < loader->batches_free || batch * loader->options.batch >= loader->end - loader->first)
        return;
    loader->batches_free = batch + 1;
    const int64_t next = batch + loader->slots;
    if (next * loader->options.batch < loader->end - loader->first)
        loader->missing[next % loader->slots] = rows_of(loader, next);
    pthread_cond_broadcast(&loader->work);
}

void loader_rest(struct loader *loader)
{
    pthread_mutex_lock(&loader->mutex);
    loader->next = loader->end;
    while (loader->busy > 0)
        pthread_cond_wait(&loader->ready, &loader->mutex);
    pthread_mutex_unlock(&loader->mutex);
}

int loader_begin(struct loader *loader, const struct dataset *data, const int32_t *order, int64_t first, int64_t end)
{
    assert(shape_equal(data->image, loader->options.image) && first <= end);
    loader_rest(loader);
    for (int slot = 0; slot < loader->slots; slot++)
        TRY(loader->options.backend->feed_wait(loader->options.device, &loader->feed, slot));
    pthread_mutex_lock(&loader->mutex);
    loader->data = data;
    loader->order = order;
    loader->first = loader->next = first;
    loader->end = end;
    loader->batches_next = loader->batches_free = 0;
    loader->failed_at = -1;
    for (int b = 0; b < loader->slots && (int64_t)b * loader->options.batch < end - first; b++)
        loader->missing[b] = rows_of(loader, b);
    pthread_cond_broadcast(&loader->work);
    pthread_mutex_unlock(&loader->mutex);
    return OK;
}

/* A device that works on by itself may still read the batches queued last; half the ring is kept for them, so that the
 * wait is for one that is long done unless the device is what the run waits for. */
static int make_room(struct loader *loader)
{
    const struct backend *backend = loader->options.backend;
    const int64_t done = loader->batches_next - 1 - (backend->synchronous ? 0 : loader->slots / 2);
    if (done < 0)
        return OK;
    TRY(backend->feed_wait(loader->options.device, &loader->feed, (int)(done % loader->slots)));
    pthread_mutex_lock(&loader->mutex);
    give_back(loader, done);
    pthread_mutex_unlock(&loader->mutex);
    return OK;
}

int loader_next(struct loader *loader, int32_t *slot)
{
    TRY(make_room(loader));
    pthread_mutex_lock(&loader->mutex);
    const int64_t batch = loader->batches_next++;
    assert(batch * loader->options.batch < loader->end - loader->first);
    const int64_t last = loader->first + batch * loader->options.batch + rows_of(loader, batch) - 1;
    *slot = (int32_t)(batch % loader->slots);
    const double began = clock_seconds();
    const bool waits = loader->missing[*slot] > 0;
    while (loader->missing[*slot] > 0)
        pthread_cond_wait(&loader->ready, &loader->mutex);
    if (waits)
        loader->waited += clock_seconds() - began;
    int status = OK;
    if (loader->failed_at >= 0 && loader->failed_at <= last)
        status = FAIL(loader->failed_status, "%s", loader->failed_text);
    pthread_mutex_unlock(&loader->mutex);
    TRY(status);
    return loader->options.backend->feed_send(loader->options.device, &loader->feed, *slot);
}

int loader_taken(struct loader *loader, int32_t slot)
{
    return loader->options.backend->feed_taken(loader->options.device, &loader->feed, slot);
}

int loader_again(struct loader *loader, const struct dataset *data, const int32_t *order, int64_t first, int count,
                 int32_t *slot)
{
    assert(count <= loader->options.batch);
    const struct backend *backend = loader->options.backend;
    *slot = loader->slots;
    TRY(backend->feed_wait(loader->options.device, &loader->feed, *slot));
    for (int i = 0; i < count; i++)
        TRY(dataset_image(data, order[first + i],
                          loader->feed.host + (size_t)*slot * loader->feed.slot_bytes +
                              (size_t)i * loader->image_bytes));
    TRY(read_partner(loader, data, order, first, *slot));
    return backend->feed_send(loader->options.device, &loader->feed, *slot);
}

double loader_waited(const struct loader *loader)
{
    return loader->waited;
}

size_t loader_bytes(const struct loader *loader)
{
    return (size_t)loader->feed.slots * loader->feed.slot_bytes;
}

const struct feed *loader_feed(const struct loader *loader)
{
    return &loader->feed;
}

/* ---- opening ---- */

static int start(struct loader *loader)
{
    const struct loader_options *options = &loader->options;
    int threads = options->threads ? options->threads : cpu_count();
    threads = threads < THREADS_MOST ? threads : THREADS_MOST;
    /* Every thread has a turn's work beyond the batches that the device may be reading. */
    int slots = SLOTS_LEAST + 2 * threads * TURN / options->batch;
    loader->slots = slots < SLOTS_MOST ? slots : SLOTS_MOST;
    loader->image_bytes = (size_t)shape_count(options->image);
    loader->failed_at = -1;
    TRY(options->backend->feed_open(options->device, &loader->feed, loader->slots + 1,
                                    (size_t)(options->batch + options->partners) * loader->image_bytes));
    while (loader->started < threads &&
           pthread_create(&loader->threads[loader->started], NULL, read_ahead, loader) == 0)
        loader->started++;
    return loader->started > 0 ? OK : FAIL(ERR_MEMORY, "no thread can be started to read images");
}

int loader_open(struct loader **loader, const struct loader_options *options)
{
    *loader = calloc(1, sizeof **loader);
    if (!*loader)
        return FAIL(ERR_MEMORY, "out of memory for reading images");
    (*loader)->options = *options;
    pthread_mutex_init(&(*loader)->mutex, NULL);
    pthread_cond_init(&(*loader)->work, NULL);
    pthread_cond_init(&(*loader)->ready, NULL);
    int status = start(*loader);
    if (status != OK) {
        loader_close(*loader);
        *loader = NULL;
    }
    return status;
}

void loader_close(struct loader *loader)
{
    if (!loader)
        return;
    pthread_mutex_lock(&loader->mutex);
    loader->quit = true;
    pthread_cond_broadcast(&loader->work);
    pthread_mutex_unlock(&loader->mutex);
    for (int i = 0; i < loader->started; i++)
        pthread_join(loader->threads[i], NULL);
    loader->options.backend->feed_close(loader->options.device, &loader->feed);
    pthread_cond_destroy(&loader->work);
    pthread_cond_destroy(&loader->ready);
    pthread_mutex_destroy(&loader->mutex);
    free(loader);
}
