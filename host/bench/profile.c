/* profile: where a step's time goes, by a copy of the session's backend whose ranges take the time. Calls are made
 * plainly, each waited for at its end; so on a device that works by itself short ones seem longer than they are. */
#include "bench.h"
#include "order.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH = 4 };

/* Ranges are begun and ended without a context: one profile is made at a time. */
static struct recorder {
    struct backend backend; /* the copy */
    const struct backend *real;
    struct device *device;
    struct bench_profile *profile;
    double *now; /* [part_count]: seconds in the step under way */
    int depth, at[DEPTH];
    double begun[DEPTH];
    int status;
} recorder;

/* The number of the part of this name within the innermost open one. */
static int find_part(const char *name)
{
    struct bench_profile *profile = recorder.profile;
    const int within = recorder.depth > 0 ? recorder.at[recorder.depth - 1] : -1;
    for (int i = 0; i < profile->part_count; i++)
        if (profile->parts[i].within == within && strcmp(profile->parts[i].name, name) == 0)
            return i;
    assert(profile->part_count < profile->room);
    profile->parts[profile->part_count] = (struct bench_part){.name = name, .within = within, .node = -1};
    return profile->part_count++;
}

static void range_begin(const char *name)
{
    assert(recorder.depth < DEPTH);
    recorder.at[recorder.depth] = find_part(name);
    recorder.begun[recorder.depth++] = clock_seconds();
}

static void range_end(void)
{
    const int status = recorder.real->wait(recorder.device);
    if (recorder.status == OK)
        recorder.status = status;
    recorder.depth--;
    recorder.now[recorder.at[recorder.depth]] += clock_seconds() - recorder.begun[recorder.depth];
}

static int call_plainly(struct device *device, struct recording **recording, int (*queue)(void *context), void *context)
{
    (void)device, (void)recording;
    return queue(context);
}

static int run(struct bench *bench, int steps)
{
    struct bench_profile *profile = recorder.profile;
    struct arena arena = {0};
    double *times = arena_push(&arena, (size_t)profile->room * (size_t)steps * sizeof *times);
    int status = OK;
    recorder.now = arena_push(&arena, (size_t)profile->room * sizeof *recorder.now);
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
    return status == OK ? recorder.status : status;
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
    const int room = 2 * session->graph.node_count + 16;
    *profile = (struct bench_profile){.room = room};
    profile->parts = arena_push(&profile->arena, (size_t)room * sizeof *profile->parts);
    recorder = (struct recorder){
        .backend = *session->backend, .real = session->backend, .device = session->device, .profile = profile};
    recorder.backend.range_begin = range_begin;
    recorder.backend.range_end = range_end;
    recorder.backend.repeat = call_plainly;
    session->plan.backend = &recorder.backend;
    const int status = run(bench, steps);
    session->plan.backend = recorder.real;
    name_nodes(profile, &session->graph);
    return status;
}

void bench_profile_free(struct bench_profile *profile)
{
    arena_free(&profile->arena);
    *profile = (struct bench_profile){0};
}
