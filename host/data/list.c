/* list: a text file with the path and the label of an image a line, paths relative to the file or to a folder that is
 * called as the file is without its ending. Knows nothing of how
 * images are decoded.
 *
 * A line is "path<TAB>label"; without a tab the last comma, and without that the last blank, parts them. Both may be in
 * double quotes, as spreadsheets write them. Empty lines and those that begin with # are left out, and a first line of
 * column names. */
#include "file.h"
#include "formats.h"
#include "log.h"
#include "text.h"

#include <stdio.h>
#include <string.h>

enum { LIST_BYTES_MAX = 1 << 30 };

bool list_recognise(const char *path, const struct listing *listing)
{
    static const char *const endings[] = {".txt", ".csv", ".tsv", ".lst", ".list"};
    for (int i = 0; i < COUNT_OF(endings); i++)
        if (!listing && name_ends_with(path, endings[i]) && file_exists(path))
            return true;
    return false;
}

struct lines {
    struct dataset *dataset;
    const char *path;
    struct problems *problems;
    const char **labels, **where;
    const char *head_file, *head_label; /* of a first line that may name the columns; NULL: it does not */
};

/* Without quotes around it. */
static char *unquote(char *text)
{
    const size_t length = strlen(text);
    if (length < 2 || text[0] != '"' || text[length - 1] != '"')
        return text;
    text[length - 1] = 0;
    return text + 1;
}

/* What parts a quoted label, which may hold blanks and commas, from the path before it. NULL: it is not quoted. */
static char *before_quoted(char *line)
{
    const size_t length = strlen(line);
    char *quote = length > 1 && line[length - 1] == '"' ? memrchr(line, '"', length - 1) : NULL;
    if (!quote || quote == line || !strchr(", ", quote[-1]))
        return NULL;
    char *at = quote - 1;
    while (at > line && *at == ' ' && strchr(", ", at[-1]))
        at--;
    return at;
}

/* The label of a line; the path is what is left of it. NULL: there is none. */
static char *cut_label(char *line)
{
    char *at = strrchr(line, '\t');
    at = at ? at : before_quoted(line);
    at = at ? at : strrchr(line, ',');
    at = at ? at : strrchr(line, ' ');
    if (!at)
        return NULL;
    *at = 0;
    return at + 1;
}

/* As spreadsheets of some languages write a table. */
static bool is_parted_by_semicolon(const char *line)
{
    char path[PATH_BYTES];
    const char *at = strrchr(line, ';');
    if (!at || strchr(line, '\t'))
        return false;
    snprintf(path, sizeof path, "%.*s", (int)(at - line), line);
    return is_image_name(unquote(text_trim(path)));
}

static bool is_there(const struct dataset *dataset, const char *file)
{
    char path[PATH_BYTES];
    return path_join(path, file[0] == '/' ? "" : dataset->encoded.root, file) == OK && file_exists(path);
}

/* A line that is of no use. */
static int judge_line(const struct lines *lines, const char *file, const char *label, int64_t number)
{
    const bool labelled = label && *label, odd = labelled && !is_image_name(file);
    if (!labelled && strchr(file, ';'))
        return FAIL(ERR_DATA, "%s:%lld: path and label are parted by ';'; expected a tab or a comma between them",
                    lines->path, (long long)number);
    if (!labelled || !*file || strlen(file) >= PATH_BYTES)
        return FAIL(ERR_DATA, "%s:%lld: %s; expected a path, a tab and a label", lines->path, (long long)number,
                    strlen(file) >= PATH_BYTES ? "the path is too long"
                    : labelled                 ? "there is no path"
                                               : "there is no label");
    if (odd && is_image_name(label) && !is_there(lines->dataset, file))
        return FAIL(ERR_DATA,
                    "%s:%lld: the columns are the other way round: '%.80s' stands where the path is expected and "
                    "'%.80s' where its label is; put the path first",
                    lines->path, (long long)number, file, label);
    return OK;
}

static void take_line(struct lines *lines, char *line, int64_t number)
{
    struct dataset *dataset = lines->dataset;
    struct arena *arena = &dataset->arena;
    line = text_trim(line);
    if (!*line || *line == '#')
        return;
    char *label = is_parted_by_semicolon(line) ? NULL : cut_label(line);
    const char *file = unquote(text_trim(line));
    label = label ? unquote(text_trim(label)) : NULL;
    if (judge_line(lines, file, label, number) < 0) {
        problems_add_failure(lines->problems, ERR_DATA);
        return;
    }
    if (number == 1 && !is_image_name(file) && !is_there(dataset, file)) {
        lines->head_file = arena_text(arena, file);
        lines->head_label = arena_text(arena, label);
        return;
    }
    lines->labels[dataset->count] = arena_text(arena, label);
    lines->where[dataset->count] = arena_format(arena, "%s:%lld", lines->path, (long long)number);
    dataset->files[dataset->count++] = arena_text(arena, file);
}

/* Whether the first line, whose file is not there, names the columns: the next one names an image, the name is no path,
 * and no image is labelled with it. Else a file is missing. */
static void judge_head(struct lines *lines)
{
    const struct dataset *dataset = lines->dataset;
    const char *file = lines->head_file;
    if (!file)
        return;
    bool names = dataset->count > 0 && !strpbrk(file, "/.") &&
                 (is_image_name(dataset->files[0]) || is_there(dataset, dataset->files[0]));
    for (int64_t i = 0; i < dataset->count && names; i++)
        names = strcmp(lines->labels[i], lines->head_label) != 0;
    if (names) {
        log_info("%s:1: '%.80s' and '%.80s' are taken for the names of the columns", lines->path, file,
                 lines->head_label);
        return;
    }
    FAIL(ERR_DATA, "%s:1: there is no file '%.80s'; a line of column names is to be removed, or to begin with #",
         lines->path, file);
    problems_add_failure(lines->problems, ERR_DATA);
}

static int64_t count_lines(const char *text, size_t bytes)
{
    int64_t count = 1;
    for (const char *at = text; (at = memchr(at, '\n', bytes - (size_t)(at - text))); at++)
        count++;
    return count;
}

static int read_lines(struct lines *lines, char *text, size_t bytes)
{
    struct dataset *dataset = lines->dataset;
    if (strlen(text) != bytes)
        return FAIL(ERR_DATA, "%s: is no text: it holds a zero byte", lines->path);
    const size_t most = (size_t)count_lines(text, bytes);
    TRY(arena_take(&dataset->arena, &lines->labels, most * sizeof *lines->labels, lines->path));
    TRY(arena_take(&dataset->arena, &lines->where, most * sizeof *lines->where, lines->path));
    TRY(arena_take(&dataset->arena, &dataset->files, most * sizeof *dataset->files, lines->path));
    char *line, *rest = text_begin(text);
    for (int64_t number = 1; (line = strsep(&rest, "\n")); number++)
        take_line(lines, line, number);
    judge_head(lines);
    if (dataset->count == 0 && lines->problems->count == 0)
        return FAIL(ERR_DATA, "%s: lists no image; expected a path, a tab and a label a line", lines->path);
    return OK;
}

/* "train.csv" beside a folder "train" may name the images in that: told by the first of them. */
static void find_folder(struct dataset *dataset, const char *path)
{
    const char *dot = strrchr(path_base(path), '.');
    const char *folder = arena_format(&dataset->arena, "%.*s", (int)(dot - path), path);
    const char *root = dataset->encoded.root;
    if (dataset->count == 0 || dataset->files[0][0] == '/' || is_there(dataset, dataset->files[0]))
        return;
    dataset->encoded.root = folder;
    if (!is_there(dataset, dataset->files[0]))
        dataset->encoded.root = root;
}

int list_load(struct dataset *dataset, const char *path, const struct listing *listing,
              const struct dataset_options *options, struct problems *problems)
{
    (void)listing, (void)options;
    struct lines lines = {.dataset = dataset, .path = path, .problems = problems};
    const int length = (int)(path_base(path) - path);
    void *text;
    size_t bytes;
    dataset->format = "list";
    /* "a/list.txt" -> "a", "list.txt" -> ".", "/list.txt" -> "/". */
    dataset->encoded.root =
        length == 0 ? "." : arena_format(&dataset->arena, "%.*s", length > 1 ? length - 1 : 1, path);
    TRY(file_read(path, LIST_BYTES_MAX, &text, &bytes));
    int status = read_lines(&lines, text, bytes);
    memory_give(text);
    TRY(status);
    dataset->encoded.where = lines.where;
    const char *beside = dataset->encoded.root;
    find_folder(dataset, path);
    return labels_assign(dataset, lines.labels, lines.where, beside, problems);
}
