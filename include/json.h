/* json: what every writer of JSON needs besides the library (jansson).
 * Level 1. */
#ifndef JSON_H
#define JSON_H
#include "base.h"

struct json_t;

/* JSON has no NaN and no infinity: null says that there is no such number. */
struct json_t *json_known(double value);
/* What a file name or an argument may hold: bytes that are not UTF-8 are replaced. */
struct json_t *json_text(const char *text);
/* The whole of a file; NULL: it cannot be read, or is not JSON. */
struct json_t *json_read(const char *path);
/* The number under a name of an object; NaN: there is none. */
double json_known_value(const struct json_t *object, const char *name);
/* To stdout, with a line's end; takes the reference. flags: jansson's. ERR_IO, also where all is NULL. */
int json_print(struct json_t *all, size_t flags);
#endif
