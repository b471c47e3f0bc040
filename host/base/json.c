/* json: see json.h. Must not know what is written. */
#include "json.h"
#include "file.h"
#include "text.h"

#include <jansson.h>
#include <math.h>

json_t *json_known(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *json_text(const char *text)
{
    json_t *as_it_is = json_string(text);
    if (as_it_is)
        return as_it_is;
    struct arena arena = {0};
    json_t *replaced = json_loads(text_quote(&arena, text), JSON_DECODE_ANY, NULL);
    arena_free(&arena);
    return replaced;
}

json_t *json_read(const char *path)
{
    void *text;
    size_t bytes;
    if (file_read(path, 1 << 24, &text, &bytes) < 0)
        return NULL;
    json_t *read = json_loadb(text, bytes, 0, NULL);
    memory_give(text);
    return read;
}

double json_known_value(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

int json_print(json_t *all, size_t flags)
{
    const int failed = all ? json_dumpf(all, stdout, flags) : -1;
    json_decref(all);
    printf("\n");
    return failed ? FAIL(ERR_IO, "stdout: the result could not be written as JSON") : OK;
}
