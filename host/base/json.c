/* json: see json.h. Must not know what is written. */
#include "json.h"

#include <jansson.h>
#include <math.h>

json_t *json_known(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
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
    return failed ? FAIL(ERR_IO, "stdout: the result could not be written as JSON (names must be UTF-8)") : OK;
}
