/* list: a text file with the path and the label of an image a line, paths relative to the file. Knows nothing of how
 * images are decoded.
 *
 * A line is "path<TAB>label"; without a tab the last comma, and without that the last blank, parts them. Both may be in
 * double quotes, as spreadsheets write them. Empty lines and those that begin with # are left out. */
#include "file.h"
#include "formats.h"
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

/* A table's names of columns, which a list does not have. */
static bool is_header(const struct dataset *dataset, const char *file, int64_t number)
{
    char path[PATH_BYTES];
    return number == 1 && !is_image_name(file) &&
           path_join(path, file[0] == '/' ? "" : dataset->encoded.root, file) == OK && !file_exists(path);
}

static void take_line(struct lines *lines, char *line, int64_t number)
{
    struct dataset *dataset = lines->dataset;
    struct arena *arena = &dataset->arena;
    line = text_trim(line);
    if (!*line || *line == '#')
        return;
    char *label = cut_label(line);
    const char *file = unquote(text_trim(line));
    label = label ? unquote(text_trim(label)) : NULL;
    if (!label || !*label || !*file || strlen(file) >= PATH_BYTES) {
        FAIL(ERR_DATA, "%s:%lld: %s; expected a path, a tab and a label", lines->path, (long long)number,
             strlen(file) >= PATH_BYTES ? "the path is too long"
             : label && *label          ? "there is no path"
                                        : "there is no label");
        problems_add_failure(lines->problems, ERR_DATA);
        return;
    }
    if (is_header(dataset, file, number)) {
        FAIL(ERR_DATA, "%s:1: there is no file '%.80s'; a line of column names is to be removed, or to begin with #",
             lines->path, file);
        problems_add_failure(lines->problems, ERR_DATA);
        return;
    }
    lines->labels[dataset->count] = arena_text(arena, label);
    lines->where[dataset->count] = arena_format(arena, "%s:%lld", lines->path, (long long)number);
    dataset->files[dataset->count++] = arena_text(arena, file);
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
    if (dataset->count == 0 && lines->problems->count == 0)
        return FAIL(ERR_DATA, "%s: lists no image; expected a path, a tab and a label a line", lines->path);
    return OK;
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
    return labels_assign(dataset, lines.labels, lines.where, dataset->encoded.root, problems);
}
