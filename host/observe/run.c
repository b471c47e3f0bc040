/* run: the run directory: its making, reopening, locking and marks. See include/run.h.
 * Owns the files' names; must not know columns (run_records.c) nor what is trained. */
#include "run.h"
#include "run_records.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "json.h"
#include "text.h"

#ifdef __clang__
static const char compiler[] = "clang " __clang_version__;
#else
static const char compiler[] = "gcc " __VERSION__;
#endif

enum { LAST_NUMBER = 99999 };
static const char config_name[] = "config.resolved.ini", env_name[] = "env.json", skipped_name[] = "skipped.txt";
static const char *const marks[] = {"DONE", "FAILED"};

/* Adds the remedy to a failure below. */
static int explain(int status, const char *what, const char *remedy)
{
    if (status >= 0)
        return status;
    return FAIL(status, "%s: %s; %s", what, fail_text(), remedy);
}

static const char make_room[] = "make room, or put the run elsewhere with run.dir=FOLDER";

/* ---- making ---- */

static int check_name(const char *name)
{
    if (name[0] == 0 || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
        text_has_control(name))
        return FAIL(ERR_CONFIG, "run.name = \"%s\" cannot name a folder; use letters, digits, - and _", name);
    return OK;
}

/* mkdir is the lock: of several processes one makes the folder, the others count on. */
static int make_numbered(char path[static PATH_BYTES], const char *dir, const char *name)
{
    TRY(path_join(path, dir, name));
    size_t length = strlen(path);
    if (length + 8 > PATH_BYTES)
        return FAIL(ERR_CREATE, "%.64s…: the path is too long; use a shorter run.dir or run.name", path);
    for (int number = 1; number <= LAST_NUMBER; number++) {
        if (number > 1)
            snprintf(path + length, PATH_BYTES - length, "-%d", number);
        if (mkdir(path, 0777) == 0)
            return OK;
        if (errno != EEXIST)
            return FAIL(ERR_CREATE, "%s: cannot make the run's folder: %s; put it elsewhere with run.dir=FOLDER", path,
                        strerror(errno));
    }
    return FAIL(ERR_CREATE, "%s/%s: all numbers up to %d are taken; set another run.name", dir, name, LAST_NUMBER);
}

static int take_lock(struct run *run)
{
    run->lock = open(run->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (run->lock < 0)
        return FAIL(ERR_NO_INPUT, "%s: cannot open the run: %s", run->path, strerror(errno));
    /* Other failures mean a file system without locks; then nothing can be known. */
    if (flock(run->lock, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return FAIL(ERR_CREATE, "%s: another evenkeel is writing in this run; wait for it or stop it", run->path);
    return OK;
}

static int open_logs(struct run *run, int64_t steps_bytes, int64_t results_bytes, int64_t log_bytes)
{
    char path[PATH_BYTES];
    TRY(path_join(path, run->path, "steps.csv"));
    TRY(append_open(&run->steps, path, steps_bytes));
    TRY(path_join(path, run->path, "results.csv"));
    TRY(append_open(&run->results, path, results_bytes));
    TRY(path_join(path, run->path, "log.jsonl"));
    return append_open(&run->log, path, log_bytes);
}

int run_write_config(const struct run *run, const struct config *config)
{
    char path[PATH_BYTES];
    struct new_file file;
    TRY(path_join(path, run->path, config_name));
    TRY(new_file_open(&file, path));
    int status = config_write(config, file.stream);
    if (status >= 0)
        return new_file_commit(&file);
    new_file_abandon(&file);
    return status;
}

static int fill_new(struct run *run, const struct config *config)
{
    char path[PATH_BYTES];
    TRY(take_lock(run));
    TRY(path_join(path, run->path, "checkpoints"));
    TRY(folder_make(path));
    TRY(open_logs(run, 0, 0, 0));
    TRY(run_records_write_heads(run));
    TRY(run_write_config(run, config)); /* last: its presence makes the folder a run */
    return folder_sync(run->path);
}

static void begin(struct run *run)
{
    *run =
        (struct run){.steps = {.descriptor = -1}, .results = {.descriptor = -1}, .log = {.descriptor = -1}, .lock = -1};
}

int run_check_dir(const struct config *config)
{
    char path[PATH_BYTES];
    if (!text_copy(path, sizeof path, config->run.dir))
        return FAIL(ERR_CREATE, "%.64s…: the path is too long; use a shorter run.dir", config->run.dir);
    /* What is not there yet is made in its nearest folder that is. */
    while (!file_exists(path)) {
        char *slash = strrchr(path, '/');
        if (slash && slash > path)
            *slash = '\0';
        else
            text_copy(path, sizeof path, slash ? "/" : ".");
    }
    if (!folder_exists(path))
        return FAIL(ERR_CREATE, "run.dir = %s: %s is no folder; set run.dir to a folder that can be written",
                    config->run.dir, path);
    if (access(path, W_OK | X_OK) != 0)
        return FAIL(ERR_CREATE, "run.dir = %s: %s: %s; set run.dir to a folder that can be written", config->run.dir,
                    path, strerror(errno));
    return OK;
}

int run_create(struct run *run, const struct config *config)
{
    begin(run);
    const char *name = config->run.name[0] ? config->run.name : config->name;
    char path[PATH_BYTES];
    TRY(check_name(name));
    TRY(explain(folder_make(config->run.dir), "run.dir", "set run.dir to a folder that can be written"));
    TRY(make_numbered(path, config->run.dir, name));
    memcpy(run->path, path, sizeof path);
    int status = explain(fill_new(run, config), "a new run cannot be set up", make_room);
    if (status < 0) {
        run_close(run);
        char reason[1500];
        snprintf(reason, sizeof reason, "%s", fail_text());
        folder_remove(path);
        return FAIL(status, "%s", reason);
    }
    return OK;
}

int run_reopen(struct run *run, const char *path, int64_t steps_bytes, int64_t results_bytes, int64_t log_bytes)
{
    char config[PATH_BYTES];
    begin(run);
    TRY(path_join(config, path, config_name));
    if (!file_exists(config))
        return FAIL(ERR_NO_INPUT, "%s: not a run (it has no %s); give the folder that `evenkeel train` printed", path,
                    config_name);
    TRY(path_join(run->path, path, ""));
    for (size_t length = strlen(run->path); length > 1 && run->path[length - 1] == '/'; length--)
        run->path[length - 1] = 0;
    int status = take_lock(run);
    if (status >= 0)
        status = open_logs(run, steps_bytes, results_bytes, log_bytes);
    if (status >= 0)
        status = run_records_write_heads(run);
    if (status < 0)
        run_close(run);
    return status;
}

void run_close(struct run *run)
{
    if (!run->path[0])
        return;
    append_close(&run->steps);
    append_close(&run->results);
    append_close(&run->log);
    if (run->lock >= 0)
        close(run->lock);
    begin(run);
}

int run_sync(struct run *run, int64_t *steps_bytes, int64_t *results_bytes, int64_t *log_bytes)
{
    TRY(append_sync(&run->steps));
    TRY(append_sync(&run->results));
    TRY(append_sync(&run->log));
    *steps_bytes = append_length(&run->steps);
    *results_bytes = append_length(&run->results);
    *log_bytes = append_length(&run->log);
    return OK;
}

/* ---- where and with what ---- */

static char *quoted_list(struct arena *arena, int count, char **texts)
{
    char *list = arena_text(arena, "");
    for (int i = 0; i < count; i++)
        list = arena_format(arena, "%s%s%s", list, i ? "," : "", text_quote(arena, texts[i]));
    return list;
}

/* What a first start wrote stays, a later one is added to its list "resumed". text: of this start. */
static int write_env(const char *path, const char *text)
{
    json_t *first = json_read(path), *later = json_loads(text, 0, NULL);
    json_t *list = json_object_get(first, "resumed");
    if (json_is_object(first) && !list)
        json_object_set_new(first, "resumed", list = json_array());
    json_array_append(list, later);
    char *both = json_is_array(list) ? json_dumps(first, JSON_COMPACT) : NULL;
    const int status = both ? file_write(path, both, strlen(both)) : file_write(path, text, strlen(text));
    free(both);
    json_decref(first);
    json_decref(later);
    return status;
}

int run_write_env(struct run *run, const char *device, int argc, char **argv)
{
    struct arena arena = {0};
    struct utsname system = {0};
    char folder[PATH_BYTES], path[PATH_BYTES], now[32];
    uname(&system);
    if (!getcwd(folder, sizeof folder))
        folder[0] = 0;
    clock_timestamp(now);
    TRY(path_join(path, run->path, env_name));
    const char *members = arena_format(
        &arena,
        "\"version\":%s,\"compiler\":%s,\"device\":%s,\"host\":%s,\"system\":%s,\"cpus\":%d,\"folder\":%s,"
        "\"command\":[%s]",
        text_quote(&arena, EVENKEEL_VERSION), text_quote(&arena, compiler), text_quote(&arena, device),
        text_quote(&arena, system.nodename),
        text_quote(&arena, arena_format(&arena, "%s %s %s", system.sysname, system.release, system.machine)),
        cpu_count(), text_quote(&arena, folder), quoted_list(&arena, argc, argv));
    const char *text = arena_format(&arena, "{\"started\":\"%s\",%s}\n", now, members);
    int status = explain(write_env(path, text), "the run's surroundings", make_room);
    if (status >= 0)
        status = run_log_event(run, "environment", "%s", members);
    arena_free(&arena);
    return status;
}

int run_write_skipped(struct run *run, const char *const *lines, int64_t count, const char *const *more,
                      int64_t more_count)
{
    char path[PATH_BYTES];
    struct new_file file = {0};
    TRY(path_join(path, run->path, skipped_name));
    if (count + more_count == 0)
        return unlink(path) == 0 || errno == ENOENT ? OK : FAIL(ERR_IO, "%s: %s", path, strerror(errno));
    TRY(new_file_open(&file, path));
    for (int64_t i = 0; i < count; i++)
        fprintf(file.stream, "%s\n", lines[i]);
    for (int64_t i = 0; i < more_count; i++)
        fprintf(file.stream, "%s\n", more[i]);
    return explain(new_file_commit(&file), "the list of skipped images", make_room);
}

/* ---- how it ended ---- */

int run_write_stability(struct run *run, const char *json)
{
    char path[PATH_BYTES];
    struct arena arena = {0};
    TRY(path_join(path, run->path, "stability.json"));
    const char *text = arena_format(&arena, "%s\n", json);
    int status = explain(file_write(path, text, strlen(text)), "the run's stability", make_room);
    arena_free(&arena);
    TRY(status);
    return run_log_event(run, "stability", "\"stability\":%s", json);
}

static int remove_mark(const struct run *run, const char *mark)
{
    char path[PATH_BYTES];
    TRY(path_join(path, run->path, mark));
    if (unlink(path) != 0 && errno != ENOENT)
        return FAIL(ERR_IO, "%s: cannot remove: %s; remove it by hand", path, strerror(errno));
    return OK;
}

int run_mark(struct run *run, const char *mark, const char *text)
{
    char path[PATH_BYTES];
    struct arena arena = {0};
    TRY(path_join(path, run->path, mark));
    const char *line = arena_format(&arena, "%s\n", text);
    int status = explain(file_write(path, line, strlen(line)), "the run's end", make_room);
    arena_free(&arena);
    TRY(status);
    for (int i = 0; i < COUNT_OF(marks); i++)
        if (strcmp(marks[i], mark) != 0)
            TRY(remove_mark(run, marks[i]));
    return folder_sync(run->path);
}

int run_unmark(struct run *run)
{
    for (int i = 0; i < COUNT_OF(marks); i++)
        TRY(remove_mark(run, marks[i]));
    return OK;
}
