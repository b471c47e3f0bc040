/* do: one run of a plan in this process, begun or taken up where it stands. See sweep_do in include/sweep.h.
 * Knows one run; must not know that there are others. */
#include "log.h"
#include "process.h"
#include "text.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A run that found no memory before it had a folder has failed all the same: the folder then holds the reason alone. */
static int keep_reason(const char *path)
{
    char mark[PATH_BYTES], text[1500];
    text_copy(text, sizeof text, fail_text());
    TRY(folder_make(path));
    TRY(path_join(mark, path, "log.jsonl"));
    const char *event = "{\"event\":\"failed\",\"exit_status\":71}\n";
    TRY(file_write(mark, event, strlen(event)));
    TRY(path_join(mark, path, "FAILED"));
    return file_write(mark, text, strlen(text));
}

/* The words that would train this run alone, for env.json. */
static int train_words(const struct sweep *sweep, const struct sweep_run *run, struct train_request *request,
                       struct arena *arena)
{
    char config[PATH_BYTES];
    TRY(sweep_file(sweep, "sweep.ini", config));
    char **words = arena_push(arena, (size_t)(sweep->every_count + run->setting_count + 4) * sizeof *words);
    int count = 0;
    words[count++] = arena_text(arena, "train");
    words[count++] = arena_text(arena, config);
    for (int i = 0; i < sweep->every_count; i++)
        words[count++] = arena_text(arena, sweep->every[i]);
    for (int i = 0; i < run->setting_count; i++)
        if (strchr(run->settings[i].key, '.'))
            words[count++] = arena_format(arena, "%s=%s", run->settings[i].key, run->settings[i].value);
    words[count++] = arena_format(arena, "run.dir=%s", sweep->path);
    words[count++] = arena_format(arena, "run.name=%s", run->name);
    *request = (struct train_request){.file = words[1],
                                      .overrides = (const char *const *)words + 2,
                                      .override_count = count - 2,
                                      .argc = count,
                                      .argv = words};
    return OK;
}

static int train(const struct sweep *sweep, const struct sweep_run *run, bool begun, const char *path,
                 struct train_result *result, struct arena *arena)
{
    struct train_request request;
    TRY(train_words(sweep, run, &request, arena));
    if (begun) {
        char **words = arena_push(arena, 3 * sizeof *words);
        words[0] = arena_text(arena, "train");
        words[1] = arena_text(arena, "--resume");
        words[2] = arena_text(arena, path);
        request = (struct train_request){.resume = path, .argc = 3, .argv = words};
        return train_run(&request, result);
    }
    /* What a process left that was killed before the folder was a run. */
    TRY(folder_remove(path));
    return train_run(&request, result);
}

/* A failure that is a result, if the folder says so: that of a run which was taken up again may lie before it went on,
 * and then it stands where it stood. */
static int take_failure(const struct sweep *sweep, int run, const char *path, int status, struct sweep_outcome *outcome)
{
    TRY(process_outcome(sweep, run, outcome));
    if (outcome->state == SWEEP_BEGUN)
        return status;
    log_error("%s", fail_text()); /* here it is a result, but the run's own log says it as usual */
    return outcome->state == SWEEP_WAITING ? keep_reason(path) : OK;
}

static int do_locked(const struct sweep *sweep, int run, struct sweep_outcome *outcome, int *stopped_by)
{
    char path[PATH_BYTES];
    struct train_result result;
    TRY(process_outcome(sweep, run, outcome));
    if (outcome->state != SWEEP_WAITING && outcome->state != SWEEP_BEGUN)
        return OK;
    TRY(sweep_file(sweep, sweep->runs[run].name, path));
    struct arena arena = {0};
    int status = train(sweep, &sweep->runs[run], outcome->state == SWEEP_BEGUN, path, &result, &arena);
    arena_free(&arena);
    if (status < 0 && process_failure(status_exit_code(status)) != SWEEP_BEGUN)
        status = take_failure(sweep, run, path, status, outcome);
    TRY(status);
    *stopped_by = result.stopped_by;
    return process_outcome(sweep, run, outcome);
}

int sweep_do(const struct sweep *sweep, int run, struct sweep_outcome *outcome, int *stopped_by)
{
    int lock, status = process_lock(sweep, run, &lock);
    *stopped_by = 0;
    *outcome = (struct sweep_outcome){.state = SWEEP_GOING};
    if (status != OK)
        return status == LOCK_ELSEWHERE ? OK : status;
    status = do_locked(sweep, run, outcome, stopped_by);
    close(lock);
    return status;
}
