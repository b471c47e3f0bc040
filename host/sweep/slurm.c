/* slurm: job scripts for a sweep, from the templates in configs/slurm/. See include/sweep.h.
 * Fills in and starts scripts; what they do is in the templates. */
#include "sweep.h"
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TEMPLATE_LIMIT = 1 << 16, MOST_TASKS = 1000 /* Slurm's MaxArraySize is 1001 unless it was changed */ };
static const char *const templates[] = {"array.sbatch", "report.sbatch", "submit.sh"};

struct filling {
    const char *name; /* with its signs: "@SWEEP@" */
    char *value;
};
enum { FILLINGS = 7 };

static int own_path(char path[static PATH_BYTES])
{
    ssize_t length = readlink("/proc/self/exe", path, PATH_BYTES - 1);
    if (length < 0)
        return FAIL(ERR_NO_INPUT, "/proc/self/exe: %s; cannot tell where this program lies", strerror(errno));
    path[length] = '\0';
    return OK;
}

/* Beside the program or one of the three folders above: bin/ of an installed one, a build folder. */
static int find_templates(char folder[static PATH_BYTES])
{
    static const char *const places[] = {"share/evenkeel/configs/slurm", "configs/slurm"};
    char at[PATH_BYTES];
    TRY(own_path(at));
    for (int up = 0; up < 4; up++) {
        char *slash = strrchr(at, '/'); /* always one: the path is absolute */
        slash[slash == at] = '\0';
        for (int i = 0; i < COUNT_OF(places); i++) {
            TRY(path_join(folder, at, places[i]));
            if (folder_exists(folder))
                return OK;
        }
    }
    return FAIL(ERR_NO_INPUT,
                "the templates of the job scripts were not found: neither %s nor %s beside this program or above it; "
                "install it with `make install`",
                places[0], places[1]);
}

int sweep_slurm_look(void)
{
    char folder[PATH_BYTES];
    return find_templates(folder);
}

static const char *value_of(const struct filling *fillings, const char *at)
{
    for (int i = 0; i < FILLINGS; i++)
        if (strncmp(at, fillings[i].name, strlen(fillings[i].name)) == 0)
            return fillings[i].value;
    return NULL;
}

/* Copies a template into the sweep's folder, its @WORDS@ filled in. */
static int fill(const struct sweep *sweep, const char *folder, const char *name, const struct filling *fillings)
{
    char from[PATH_BYTES], to[PATH_BYTES];
    void *text;
    size_t bytes;
    struct new_file file;
    TRY(path_join(from, folder, name));
    TRY(sweep_file(sweep, name, to));
    TRY(file_read(from, TEMPLATE_LIMIT, &text, &bytes));
    int status = new_file_open(&file, to);
    for (const char *at = text; status == OK && *at; at++) {
        const char *value = *at == '@' ? value_of(fillings, at) : NULL;
        if (value) {
            fputs(value, file.stream);
            at = strchr(at + 1, '@');
        } else {
            fputc(*at, file.stream);
        }
    }
    memory_give(text);
    TRY(status);
    TRY(new_file_commit(&file));
    return chmod(to, 0755) == 0 ? OK : FAIL(ERR_IO, "%s: cannot be made executable: %s", to, strerror(errno));
}

static char *shell_word(struct arena *arena, const char *text)
{
    char *word = arena_push(arena, 4 * strlen(text) + 3);
    text_shell(word, 4 * strlen(text) + 3, text);
    return word;
}

static int write_scripts(const struct sweep *sweep, int limit, struct arena *arena)
{
    char program[PATH_BYTES], here[PATH_BYTES], folder[PATH_BYTES];
    TRY(own_path(program));
    TRY(find_templates(folder));
    if (!getcwd(here, sizeof here))
        return FAIL(ERR_NO_INPUT, "this folder: %s", strerror(errno));
    int tasks = sweep->run_count < MOST_TASKS ? sweep->run_count : MOST_TASKS;
    char *path = realpath(sweep->path, NULL);
    if (!path)
        return FAIL(ERR_NO_INPUT, "%s: %s", sweep->path, strerror(errno));
    const struct filling fillings[FILLINGS] = {
        {"@NAME@", shell_word(arena, path_base(sweep->path))},
        {"@TASKS@", arena_format(arena, "%d", tasks)},
        {"@LIMIT@", limit ? arena_format(arena, "%%%d", limit) : arena_text(arena, "")},
        {"@LINES@", arena_format(arena, "%d", sweep->run_count)},
        {"@FOLDER@", shell_word(arena, here)},
        {"@SWEEP@", shell_word(arena, path)},
        {"@EVENKEEL@", shell_word(arena, program)},
    };
    free(path);
    for (int i = 0; i < COUNT_OF(templates); i++)
        TRY(fill(sweep, folder, templates[i], fillings));
    return OK;
}

int sweep_slurm_write(const struct sweep *sweep, int limit)
{
    struct arena arena = {0};
    int status = write_scripts(sweep, limit, &arena);
    arena_free(&arena);
    return status;
}

int sweep_slurm_submit(const struct sweep *sweep)
{
    char path[PATH_BYTES], word[4 * PATH_BYTES + 3];
    TRY(sweep_file(sweep, "submit.sh", path));
    text_shell(word, sizeof word, path);
    fflush(NULL);
    int status = system(word);
    if (status == 0)
        return OK;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127) /* a shell's, of a command that is not there */
        return FAIL(ERR_DEVICE, "no sbatch here; run %s where Slurm is, or leave --slurm out to train on this machine",
                    path);
    return FAIL(ERR_DEVICE, "%s: the jobs were not accepted; sbatch's own words are above", path);
}
