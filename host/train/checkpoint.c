/* checkpoint: a folder of weight files and a sealed state.json, complete or absent. See include/checkpoint.h.
 * Owns the folder's life and the checksums; must not know what the state says. */
#include "checkpoint.h"
#include "log.h"
#include "stats_file.h"
#include "text.h"
#include "weight_file.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

enum { CHECKPOINT_FORMAT = 1, STATE_LIMIT = 1 << 20, SEAL_BYTES = 21, FOLDER_BYTES = PATH_BYTES - 32 };
static const char state_name[] = "state.json";
static const char use_another[] = "use another checkpoint of the run";

static uint32_t checksum(const void *data, size_t bytes)
{
    return (uint32_t)crc32_z(0, data, bytes);
}

/* The names a checkpoint goes by while it is being replaced. */
struct places {
    char made[PATH_BYTES], former[PATH_BYTES], parent[PATH_BYTES];
};

static int find_places(struct places *places, const char *folder)
{
    size_t length = strlen(folder);
    if (length == 0 || length > FOLDER_BYTES || folder[length - 1] == '/')
        return FAIL(ERR_CREATE, "%.64s…: not a name for a checkpoint folder; choose a shorter run.dir", folder);
    snprintf(places->made, PATH_BYTES, "%s.new", folder);
    snprintf(places->former, PATH_BYTES, "%s.old", folder);
    size_t parent = (size_t)(path_base(folder) - folder);
    snprintf(places->parent, PATH_BYTES, "%.*s", (int)parent, parent ? folder : "");
    if (!parent)
        snprintf(places->parent, PATH_BYTES, ".");
    return OK;
}

/* ---- saving ---- */

/* The seal makes every byte of state.json count: it is the CRC of all that stands before it. */
static int write_state(const char *path, json_t *root)
{
    char *dumped = json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(17));
    assert(dumped);
    struct arena arena = {0};
    size_t before = strlen(dumped) - 1; /* without the last brace */
    dumped[before] = 0;
    const char *sealed = arena_format(&arena, "%s,\"crc32\":\"%08" PRIx32 "\"}\n", dumped, checksum(dumped, before));
    int status = file_write(path, sealed, strlen(sealed));
    arena_free(&arena);
    free(dumped);
    return status;
}

static void note_sum(json_t *sums, int kind, const struct file_sum *sum)
{
    char crc[16];
    snprintf(crc, sizeof crc, "%08" PRIx32, sum->crc);
    json_object_set_new(sums, weight_file_names[kind],
                        json_pack("{s:I, s:s}", "bytes", (json_int_t)sum->bytes, "crc32", crc));
}

static int write_files(const char *folder, struct plan *plan, int64_t batches_tracked, const char *const *metadata,
                       json_t *sums)
{
    char path[PATH_BYTES];
    struct file_sum sum;
    for (int kind = 0; kind < WEIGHT_FILES; kind++) {
        if (!weight_file_expected(plan, (enum weight_file)kind))
            continue;
        TRY(path_join(path, folder, weight_file_names[kind]));
        TRY(weight_file_write((enum weight_file)kind, path, plan, batches_tracked,
                              kind == WEIGHT_OPTIM ? NULL : metadata, &sum));
        note_sum(sums, kind, &sum);
    }
    TRY(path_join(path, folder, weight_file_names[STATS_FILE]));
    TRY(stats_file_write(path, plan, &sum));
    note_sum(sums, STATS_FILE, &sum);
    return OK;
}

static int write_folder(const char *folder, struct plan *plan, int64_t batches_tracked, const char *const *metadata,
                        const char *state_json)
{
    char path[PATH_BYTES];
    TRY(path_join(path, folder, state_name));
    TRY(folder_make(folder));
    json_t *state = json_loads(state_json, JSON_REJECT_DUPLICATES, NULL);
    assert(state);
    json_t *sums = json_object();
    json_t *root = json_pack("{s:i, s:o, s:o}", "format", CHECKPOINT_FORMAT, "state", state, "files", sums);
    int status = write_files(folder, plan, batches_tracked, metadata, sums);
    if (status >= 0)
        status = write_state(path, root); /* last: its presence says the rest is there */
    json_decref(root);
    TRY(status);
    return folder_sync(folder);
}

static int rename_folder(const char *from, const char *to)
{
    if (rename(from, to) != 0)
        return FAIL(ERR_IO, "%s: cannot be renamed to %s: %s; look at the folder's permissions and the disk", from, to,
                    strerror(errno));
    return OK;
}

/* From here to the end folder or former is complete at every moment. */
static int replace_folder(const char *folder, const struct places *places)
{
    if (folder_exists(folder)) {
        TRY(folder_remove(places->former));
        TRY(rename_folder(folder, places->former));
    }
    TRY(rename_folder(places->made, folder));
    TRY(folder_sync(places->parent));
    if (folder_remove(places->former) < 0) /* somebody may read it, on a network's disk */
        log_warn("%s; the new checkpoint is complete, and the next one tries again", fail_text());
    return OK;
}

int checkpoint_save(const char *folder, struct plan *plan, int64_t batches_tracked, const char *const *metadata,
                    const char *state_json)
{
    struct places places;
    TRY(find_places(&places, folder));
    TRY(folder_remove(places.made));
    int status = write_folder(places.made, plan, batches_tracked, metadata, state_json);
    if (status >= 0)
        return replace_folder(folder, &places);
    char reason[1024];
    snprintf(reason, sizeof reason, "%s", fail_text());
    folder_remove(places.made); /* room for another try; the first failure is the one to tell */
    return FAIL(status, "%s; the checkpoint was not written%s", reason,
                folder_exists(folder) ? ", the former one is kept" : "");
}

/* ---- loading ---- */

/* 1: a folder, 0: nothing. What cannot be told is an error: a checkpoint taken for absent is one that is written over.
 */
static int look(const char *path)
{
    struct stat status;
    if (stat(path, &status) == 0)
        return S_ISDIR(status.st_mode)
                   ? 1
                   : FAIL(ERR_DATA, "%s: no folder, where a checkpoint should be; move it away", path);
    return errno == ENOENT ? 0 : FAIL(ERR_IO, "%s: cannot be read: %s", path, strerror(errno));
}

int checkpoint_find(char path[static PATH_BYTES], const char *folder)
{
    struct places places;
    int found;
    TRY(find_places(&places, folder));
    TRY(found = look(folder));
    text_copy(path, PATH_BYTES, found ? folder : places.former);
    if (!found)
        TRY(found = look(places.former));
    return found ? OK
                 : FAIL(ERR_NO_INPUT, "%s: no checkpoint there; one is written at the end of the first epoch", folder);
}

/* Files of a checkpoint being read. */
struct reading {
    json_t *state; /* root of state.json */
    struct tensor_file files[CHECKPOINT_FILES];
    bool present[CHECKPOINT_FILES];
    char paths[CHECKPOINT_FILES][PATH_BYTES];
};

static int parse_state(struct reading *reading, const char *path, char *text, size_t bytes)
{
    char seal[SEAL_BYTES + 1];
    size_t before = bytes < SEAL_BYTES ? 0 : bytes - SEAL_BYTES;
    snprintf(seal, sizeof seal, ",\"crc32\":\"%08" PRIx32 "\"}", checksum(text, before));
    if (before == 0 || memcmp(text + before, seal, SEAL_BYTES - 1) != 0 || text[bytes - 1] != '\n')
        return FAIL(ERR_DATA, "%s: damaged: its checksum does not match; %s", path, use_another);
    json_error_t error;
    reading->state = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error);
    if (!reading->state)
        return FAIL(ERR_DATA, "%s: not JSON: %s; %s", path, error.text, use_another);
    const json_t *format = json_object_get(reading->state, "format");
    if (!json_is_integer(format) || json_integer_value(format) != CHECKPOINT_FORMAT)
        return FAIL(ERR_DATA,
                    "%s: checkpoint of another version (this program reads format %d); use the version that "
                    "wrote it",
                    path, CHECKPOINT_FORMAT);
    if (!json_is_object(json_object_get(reading->state, "state")))
        return FAIL(ERR_DATA, "%s: has no object \"state\"; %s", path, use_another);
    return OK;
}

static int read_state(struct reading *reading, const char *folder)
{
    char path[PATH_BYTES];
    void *text;
    size_t bytes;
    TRY(path_join(path, folder, state_name));
    TRY(file_read(path, STATE_LIMIT, &text, &bytes));
    int status = parse_state(reading, path, text, bytes);
    memory_give(text);
    return status;
}

static int verify_file(const struct reading *reading, int kind, const void *data, size_t bytes)
{
    const json_t *record = json_object_get(json_object_get(reading->state, "files"), weight_file_names[kind]);
    const char *want = json_string_value(json_object_get(record, "crc32"));
    if ((uint64_t)json_integer_value(json_object_get(record, "bytes")) != bytes)
        return FAIL(ERR_DATA, "%s: damaged: holds %zu bytes, %" PRId64 " were written; %s", reading->paths[kind], bytes,
                    (int64_t)json_integer_value(json_object_get(record, "bytes")), use_another);
    char got[16];
    snprintf(got, sizeof got, "%08" PRIx32, checksum(data, bytes));
    if (!want || strcmp(got, want) != 0)
        return FAIL(ERR_DATA, "%s: damaged: its checksum is %s, %s was written; %s", reading->paths[kind], got,
                    want ? want : "none", use_another);
    return OK;
}

static int read_weights(struct reading *reading, const char *folder, int kind)
{
    void *data;
    size_t bytes;
    struct tensor_file *file = &reading->files[kind];
    TRY(path_join(reading->paths[kind], folder, weight_file_names[kind]));
    TRY(file_read(reading->paths[kind], SIZE_MAX / 2, &data, &bytes));
    int status = verify_file(reading, kind, data, bytes);
    if (status >= 0)
        status = tensors_parse(file, reading->paths[kind], data, bytes);
    if (status < 0)
        memory_give(data);
    else
        file->buffer = data;
    return status;
}

static int check_ema(const struct reading *reading, const struct plan *plan, const char *folder)
{
    bool wanted = weight_file_expected(plan, WEIGHT_EMA), there = reading->present[WEIGHT_EMA];
    if (wanted == there)
        return OK;
    return FAIL(ERR_DATA, "%s: was written %s averaged weights, the config asks for %s; set optim.ema_decay as it was",
                folder, there ? "with" : "without", there ? "none" : "them");
}

/* Reads and checks; nothing of the plan is changed. */
static int read_all(struct reading *reading, const char *folder, const struct plan *plan, bool with_optimizer)
{
    TRY(read_state(reading, folder));
    const json_t *files = json_object_get(reading->state, "files");
    for (int kind = 0; kind < CHECKPOINT_FILES; kind++)
        reading->present[kind] = json_object_get(files, weight_file_names[kind]) != NULL;
    if (!with_optimizer) {
        int kind = reading->present[WEIGHT_EMA] ? WEIGHT_EMA : WEIGHT_MODEL;
        TRY(read_weights(reading, folder, kind));
        return weight_file_check(WEIGHT_MODEL, plan, &reading->files[kind], reading->paths[kind]);
    }
    TRY(check_ema(reading, plan, folder));
    for (int kind = 0; kind < WEIGHT_FILES; kind++) {
        if (!weight_file_expected(plan, (enum weight_file)kind))
            continue;
        TRY(read_weights(reading, folder, kind));
        TRY(weight_file_check((enum weight_file)kind, plan, &reading->files[kind], reading->paths[kind]));
    }
    return reading->present[STATS_FILE] ? read_weights(reading, folder, STATS_FILE) : OK;
}

static int hand_over(const struct reading *reading, struct plan *plan, bool with_optimizer, int64_t *batches_tracked)
{
    if (!with_optimizer) {
        int kind = reading->present[WEIGHT_EMA] ? WEIGHT_EMA : WEIGHT_MODEL;
        return weight_file_load(WEIGHT_MODEL, plan, &reading->files[kind], batches_tracked);
    }
    for (int kind = 0; kind < WEIGHT_FILES; kind++)
        if (weight_file_expected(plan, (enum weight_file)kind))
            TRY(weight_file_load((enum weight_file)kind, plan, &reading->files[kind], batches_tracked));
    return stats_file_load(plan, reading->present[STATS_FILE] ? &reading->files[STATS_FILE] : NULL);
}

int checkpoint_load(const char *folder, struct plan *plan, bool with_optimizer, struct arena *arena, char **state_json,
                    int64_t *batches_tracked)
{
    char path[PATH_BYTES];
    TRY(checkpoint_find(path, folder));
    struct reading *reading;
    TRY(memory_take(&reading, sizeof *reading, "a checkpoint's paths"));
    int status = read_all(reading, path, plan, with_optimizer);
    if (status >= 0)
        status = hand_over(reading, plan, with_optimizer, batches_tracked);
    if (status >= 0 && state_json) {
        char *text = json_dumps(json_object_get(reading->state, "state"), JSON_COMPACT | JSON_REAL_PRECISION(17));
        *state_json = arena_text(arena, text);
        free(text);
    }
    for (int kind = 0; kind < CHECKPOINT_FILES; kind++)
        tensors_free(&reading->files[kind]);
    json_decref(reading->state);
    memory_give(reading);
    return status;
}
