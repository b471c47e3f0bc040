/* profile: where a step's time goes, by a copy of the session's backend that marks where its ranges begin and end. A
 * device that works by itself keeps the times: its recording of a step has the marks in it, so that parts are timed
 * with all of the step queued, and the host's calls are no part of them. */
#include "bench.h"
#include "order.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH = 4 };

/* The ranges of a kind of batch, in the order they begin in: range i is from mark 2i to mark 2i + 1. */
struct ranges {
    int *part; /* [count], room for as many as there may be parts */
    int count;
};

/* Ranges are begun and ended without a context: one profile is made at a time. */
static struct recorder {
    struct backend backend; /* the copy */
    const struct backend *real;
    struct device *device;
    struct plan *plan;
    struct bench_profile *profile;
    struct ranges kinds[BATCH_KINDS], *ranges; /* ranges: of the batch that is being queued */
    int (*queue)(void *context);               /* which queues it */
    double *clock;                             /* [2 * room]: marks of a synchronous backend */
    double *now;                               /* [part_count]: seconds in the step under way */
    int depth, open[DEPTH];                    /* ranges */
    int status;
} recorder;

static void keep(int status)
{
    if (recorder.status == OK)
        recorder.status = status;
}

static void mark(int number)
{
    if (recorder.real->synchronous)
        recorder.clock[number] = clock_seconds();
    else
        keep(recorder.real->mark(recorder.device, number));
}

static double mark_seconds(int from, int to)
{
    double seconds = 0.0;
    if (recorder.real->synchronous)
        return recorder.clock[to] - recorder.clock[from];
    keep(recorder.real->mark_seconds(recorder.device, from, to, &seconds));
    return seconds;
}

/* The number of the part of this name within the innermost open one. */
static int find_part(const char *name)
{
    struct bench_profile *profile = recorder.profile;
    const int within = recorder.depth > 0 ? recorder.ranges->part[recorder.open[recorder.depth - 1]] : -1;
    for (int i = 0; i < profile->part_count; i++)
        if (profile->parts[i].within == within && strcmp(profile->parts[i].name, name) == 0)
            return i;
    assert(profile->part_count < profile->room);
    profile->parts[profile->part_count] = (struct bench_part){.name = name, .within = within, .node = -1};
    return profile->part_count++;
}

static void range_begin(const char *name)
{
    struct ranges *ranges = recorder.ranges;
    assert(recorder.depth < DEPTH && ranges->count < recorder.profile->room);
    ranges->part[ranges->count] = find_part(name);
    recorder.open[recorder.depth++] = ranges->count;
    mark(2 * ranges->count++);
}

static void range_end(void)
{
    mark(2 * recorder.open[--recorder.depth] + 1);
}

/* In place of the plan's own: what is queued now are these ranges. */
static int queue_ranges(void *context)
{
    recorder.ranges->count = 0;
    return recorder.queue(context);
}

/* One batch; its times are read before the next one's take the same marks. */
static int repeat(struct device *device, struct recording **recording, int (*queue)(void *context), void *context)
{
    struct ranges *ranges = &recorder.kinds[recording - recorder.plan->recordings];
    recorder.ranges = ranges;
    recorder.queue = queue;
    TRY(recorder.real->repeat(device, recording, queue_ranges, context));
    TRY(recorder.real->wait(device));
    TRY(recorder.status);
    for (int i = 0; i < ranges->count; i++)
        recorder.now[ranges->part[i]] += mark_seconds(2 * i, 2 * i + 1);
    return recorder.status;
}

static int run(struct bench *bench, int steps)
{
    struct bench_profile *profile = recorder.profile;
    struct arena arena = {0};
    double *times = arena_push(&arena, (size_t)profile->room * (size_t)steps * sizeof *times);
    int status = OK;
    recorder.now = arena_push(&arena, (size_t)profile->room * sizeof *recorder.now);
    recorder.clock = arena_push(&arena, 2 * (size_t)profile->room * sizeof *recorder.clock);
    for (int kind = 0; kind < BATCH_KINDS; kind++)
        recorder.kinds[kind].part = arena_push(&arena, (size_t)profile->room * sizeof *recorder.kinds->part);
    /* Until a step is recorded its ranges are as long as the host takes to queue them. */
    if (!recorder.real->synchronous)
        status = bench_steps(bench, BACKEND_PLAIN_RUNS + 1);
    for (int step = 0; step < steps && status == OK; step++) {
        memset(recorder.now, 0, (size_t)profile->room * sizeof *recorder.now);
        status = bench_steps(bench, 1);
        for (int i = 0; i < profile->part_count; i++)
            times[i * steps + step] = recorder.now[i];
    }
    for (int i = 0; i < profile->part_count && status == OK; i++) {
        sort_doubles(times + i * steps, steps);
        profile->parts[i].seconds = times[i * steps + steps / 2];
        profile->parts[i].least = times[i * steps];
    }
    arena_free(&arena);
    return status;
}

/* Which node, and which of its passes, a part is. */
static void name_nodes(struct bench_profile *profile, const struct graph *graph)
{
    for (int i = 0; i < profile->part_count; i++) {
        struct bench_part *part = &profile->parts[i];
        const char *stage = part->within < 0 ? "" : profile->parts[part->within].name;
        part->backward = strcmp(stage, "backward") == 0;
        for (int node = 0; node < graph->node_count && (part->backward || strcmp(stage, "forward") == 0); node++)
            if (strcmp(graph->nodes[node].name, part->name) == 0)
                part->node = node;
    }
}

int bench_profile(struct bench *bench, int steps, struct bench_profile *profile)
{
    struct session *session = bench->session;
    struct plan *plan = &session->plan;
    struct recording *kept[BATCH_KINDS];
    const int room = 2 * session->graph.node_count + 16;
    *profile = (struct bench_profile){.room = room};
    profile->parts = arena_push(&profile->arena, (size_t)room * sizeof *profile->parts);
    recorder = (struct recorder){.backend = *session->backend,
                                 .real = session->backend,
                                 .device = session->device,
                                 .plan = plan,
                                 .profile = profile};
    recorder.backend.range_begin = range_begin;
    recorder.backend.range_end = range_end;
    recorder.backend.repeat = repeat;
    memcpy(kept, plan->recordings, sizeof kept);
    memset(plan->recordings, 0, sizeof kept);
    plan->backend = &recorder.backend;
    const int status = run(bench, steps);
    plan->backend = recorder.real;
    for (int kind = 0; kind < BATCH_KINDS; kind++)
        recorder.real->forget(recorder.device, plan->recordings[kind]);
    memcpy(plan->recordings, kept, sizeof kept);
    name_nodes(profile, &session->graph);
    return status;
}

void bench_profile_free(struct bench_profile *profile)
{
    arena_free(&profile->arena);
    *profile = (struct bench_profile){0};
}
