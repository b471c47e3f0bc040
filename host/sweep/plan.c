/* plan: the sweep's folder and the plan in it: written, read, and a run's config from it. See include/sweep.h.
 * Knows no processes and no results. */
#include "axes.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PLAN_LIMIT = 1 << 28, CONFIG_LIMIT = 1 << 20 };
static const char plan_name[] = "sweep.plan", config_name[] = "sweep.ini";
static const char plan_head[] =
    "# The plan of a sweep. `evenkeel sweep FOLDER` does what is left of it and prints the table.\n"
    "# every: a setting of all runs, on top of sweep.ini. run: a folder, and the settings of the run in it.\n"
    "plan 1\n";

int sweep_file(const struct sweep *sweep, const char *name, char path[static PATH_BYTES])
{
    return path_join(path, sweep->path, name);
}

bool sweep_is(const char *path)
{
    char plan[PATH_BYTES];
    return path_join(plan, path, plan_name) == OK && file_exists(plan);
}

const char *sweep_value(const struct sweep_run *run, const char *key)
{
    for (int i = 0; i < run->setting_count; i++)
        if (strcmp(run->settings[i].key, key) == 0)
            return run->settings[i].value;
    return NULL;
}

void sweep_run_label(const struct sweep_run *run, char *text, size_t bytes)
{
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i < run->setting_count && used < bytes; i++) {
        const char *dot = strchr(run->settings[i].key, '.');
        used += (size_t)snprintf(text + used, bytes - used, "%s%s=%s", i ? " " : "",
                                 dot ? dot + 1 : run->settings[i].key, run->settings[i].value);
    }
}

static bool same_point(const struct sweep_run *a, const struct sweep_run *b)
{
    if (a->setting_count != b->setting_count)
        return false;
    for (int i = 0; i < a->setting_count; i++)
        if (strcmp(a->settings[i].key, b->settings[i].key) != 0 ||
            (strcmp(a->settings[i].key, "train.seed") != 0 && strcmp(a->settings[i].value, b->settings[i].value) != 0))
            return false;
    return true;
}

void sweep_number_points(struct sweep *sweep, struct sweep_run *runs)
{
    sweep->point_count = 0;
    for (int i = 0; i < sweep->run_count; i++) {
        int first = 0;
        while (first < i && !same_point(&runs[first], &runs[i]))
            first++;
        runs[i].point = first < i ? runs[first].point : sweep->point_count++;
    }
}

int sweep_load_run(const struct sweep *sweep, const char *file, const struct sweep_run *run, struct config *config,
                   FILE *errors)
{
    struct arena arena = {0};
    const char **words = arena_push(&arena, (size_t)(sweep->every_count + run->setting_count + 2) * sizeof *words);
    int count = 0;
    for (; count < sweep->every_count; count++)
        words[count] = sweep->every[count];
    for (int i = 0; i < run->setting_count; i++)
        if (strchr(run->settings[i].key, '.'))
            words[count++] = arena_format(&arena, "%s=%s", run->settings[i].key, run->settings[i].value);
    words[count++] = arena_format(&arena, "run.dir=%s", sweep->path);
    words[count++] = arena_format(&arena, "run.name=%s", run->name);
    int status = config_load(config, file, words, count, errors);
    arena_free(&arena);
    return status;
}

int sweep_load_config(const struct sweep *sweep, const struct sweep_run *run, struct config *config, FILE *errors)
{
    char path[PATH_BYTES];
    TRY(sweep_file(sweep, config_name, path));
    return sweep_load_run(sweep, path, run, config, errors);
}

void sweep_free(struct sweep *sweep)
{
    arena_free(&sweep->arena);
    *sweep = (struct sweep){0};
}

/* ---- writing ---- */

/* The plan as text; given back with free. */
static char *print_plan(const struct sweep *sweep, size_t *bytes)
{
    char *text = NULL;
    FILE *stream = open_memstream(&text, bytes);
    if (!stream)
        return NULL;
    fputs(plan_head, stream);
    for (int i = 0; i < sweep->every_count; i++)
        fprintf(stream, "every %s\n", sweep->every[i]);
    for (int i = 0; i < sweep->run_count; i++) {
        fprintf(stream, "run %s", sweep->runs[i].name);
        for (int k = 0; k < sweep->runs[i].setting_count; k++)
            fprintf(stream, " %s=%s", sweep->runs[i].settings[k].key, sweep->runs[i].settings[k].value);
        fputc('\n', stream);
    }
    if (fclose(stream) == 0)
        return text;
    free(text);
    return NULL;
}

/* The same file is there already, or none: it is written then. */
static int write_once(const char *path, const void *data, size_t bytes)
{
    void *there;
    size_t length;
    if (!file_exists(path))
        return file_write(path, data, bytes);
    TRY(file_read(path, PLAN_LIMIT, &there, &length));
    bool same = length == bytes && memcmp(there, data, bytes) == 0;
    memory_give(there);
    if (same)
        return OK;
    return FAIL(
        ERR_CREATE,
        "%s: is of another sweep than this; `evenkeel sweep %.*s` goes on with that one, --out FOLDER puts this "
        "one elsewhere",
        path, (int)(path_base(path) - path - 1), path);
}

static int write_parts(const struct sweep *sweep, const void *config, size_t config_bytes)
{
    char path[PATH_BYTES];
    size_t bytes;
    /* A plan makes the folder a sweep: what it needs is there before. */
    TRY(sweep_file(sweep, config_name, path));
    TRY(write_once(path, config, config_bytes));
    char *text = print_plan(sweep, &bytes);
    if (!text)
        return FAIL(ERR_MEMORY, "no memory for the plan of %d runs", sweep->run_count);
    int status = sweep_file(sweep, plan_name, path);
    if (status == OK)
        status = write_once(path, text, bytes);
    free(text);
    return status;
}

/* What a run is to be called may be there already, in a folder that is no sweep: nothing of it may be lost. */
static int check_names(const struct sweep *sweep)
{
    char path[PATH_BYTES];
    for (int i = 0; i < sweep->run_count; i++) {
        TRY(sweep_file(sweep, sweep->runs[i].name, path));
        if (folder_exists(path) || file_exists(path))
            return FAIL(ERR_CREATE, "%s: is there already and of no sweep; --out FOLDER puts this sweep elsewhere",
                        path);
    }
    return OK;
}

int sweep_write(const struct sweep *sweep, const struct sweep_request *request)
{
    void *config;
    size_t bytes;
    if (!sweep_is(sweep->path))
        TRY(check_names(sweep));
    TRY(folder_make(sweep->path));
    TRY(file_read(request->file, CONFIG_LIMIT, &config, &bytes));
    int status = write_parts(sweep, config, bytes);
    memory_give(config);
    return status;
}

/* ---- reading ---- */

struct reader {
    struct sweep *sweep;
    const char *path;
    struct sweep_run *runs;
    const char **every;
    int line;
};

static int bad_line(const struct reader *reader, const char *what)
{
    return FAIL(ERR_DATA, "%s:%d: %s; the file was changed by hand or is not whole, begin the sweep anew", reader->path,
                reader->line, what);
}

static int read_run(struct reader *reader, char *rest)
{
    struct sweep *sweep = reader->sweep;
    struct sweep_run *run = &reader->runs[sweep->run_count];
    struct sweep_setting *settings = arena_push(&sweep->arena, (AXES + 3) * sizeof *settings);
    const char *name = strsep(&rest, " ");
    if (!*name || strchr(name, '/') || name[0] == '.')
        return bad_line(reader, "a run without the name of a folder");
    *run = (struct sweep_run){.name = name, .settings = settings};
    char *word;
    while ((word = strsep(&rest, " "))) {
        char *equals = strchr(word, '=');
        if (!equals || run->setting_count == AXES + 3)
            return bad_line(reader, "a setting is not written as key=value, or there are too many");
        *equals = '\0';
        settings[run->setting_count++] = (struct sweep_setting){word, equals + 1};
    }
    sweep->run_count++;
    return OK;
}

static int read_line(struct reader *reader, char *line)
{
    struct sweep *sweep = reader->sweep;
    char *rest = line;
    const char *word = strsep(&rest, " ");
    if (line[0] == '#' || line[0] == '\0')
        return OK;
    if (strcmp(word, "plan") == 0)
        return rest && strcmp(rest, "1") == 0 ? OK : bad_line(reader, "a plan of another version of this program");
    if (!rest)
        return bad_line(reader, "a line without what belongs to it");
    if (strcmp(word, "every") == 0)
        reader->every[sweep->every_count++] = rest;
    else if (strcmp(word, "run") == 0)
        return read_run(reader, rest);
    else
        return bad_line(reader, "expected 'every' or 'run'");
    return OK;
}

static int read_lines(struct reader *reader, char *text)
{
    struct sweep *sweep = reader->sweep;
    size_t lines = 1;
    for (const char *at = text; *at; at++)
        lines += *at == '\n';
    reader->runs = arena_push(&sweep->arena, lines * sizeof *reader->runs);
    reader->every = arena_push(&sweep->arena, lines * sizeof *reader->every);
    char *line;
    while ((line = strsep(&text, "\n"))) {
        reader->line++;
        TRY(read_line(reader, line));
    }
    if (sweep->run_count == 0)
        return bad_line(reader, "no run is planned");
    sweep->runs = reader->runs;
    sweep->every = reader->every;
    sweep_number_points(sweep, reader->runs);
    return OK;
}

int sweep_parse(struct sweep *sweep, const char *name, const char *text)
{
    *sweep = (struct sweep){0};
    struct reader reader = {.sweep = sweep, .path = name};
    return read_lines(&reader, arena_text(&sweep->arena, text));
}

int sweep_read(struct sweep *sweep, const char *path)
{
    void *text;
    size_t bytes;
    char file[PATH_BYTES];
    *sweep = (struct sweep){0};
    if (!sweep_is(path))
        return FAIL(ERR_NO_INPUT, "%s: no sweep: it has no %s; give the folder that `evenkeel sweep CONFIG …` printed",
                    path, plan_name);
    TRY(path_join(file, path, plan_name));
    TRY(file_read(file, PLAN_LIMIT, &text, &bytes));
    int status = sweep_parse(sweep, file, text);
    memory_give(text);
    TRY(status);
    TRY(path_join(sweep->path, path, ""));
    for (size_t length = strlen(sweep->path); length > 1 && sweep->path[length - 1] == '/'; length--)
        sweep->path[length - 1] = '\0';
    return OK;
}
