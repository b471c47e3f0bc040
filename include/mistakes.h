/* mistakes: what is wrong with a config, found one after the other and told together, each with the line that it was
 * set in.
 * Level 3: config by name only. */
#ifndef MISTAKES_H
#define MISTAKES_H
#include "base.h"
#include <stdio.h>

struct config;

enum { ORIGIN_DEFAULT = 0, ORIGIN_COMMAND = -1 }; /* where a value is from; else a line of the file */
enum { MISTAKES_SHOWN = 100 };

struct mistakes {
    const char *file;  /* NULL: none but the command line */
    int count, status; /* status: of all, if it is the same; else ERR_CONFIG */
    struct mistake {
        int origin;
        const char *text;
    } shown[MISTAKES_SHOWN]; /* in the order in which they are told */
    struct arena texts;
};

/* None yet, of a config that was loaded. */
void mistakes_begin(struct mistakes *mistakes, const struct config *config);
/* Counts a mistake and keeps its text. */
void mistakes_add(struct mistakes *mistakes, int origin, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* One of settings that are right alone: keys "section.key", separated by blanks. The first of them that was set is
 * where it lies, and its name comes before the text. */
void mistakes_add_key(struct mistakes *mistakes, const struct config *config, const char *keys, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Likewise what fail_text says, with the status of the call that left it. */
void mistakes_add_failure(struct mistakes *mistakes, const struct config *config, const char *keys, int status);
/* OK where there are none. Else ERR_CONFIG (of failures alone: their status): all have been written to errors,
 * "file:line: error: …" in order of lines, the file as a whole after them, the command line ("command line: error: …")
 * last; fail_text is their summary. errors NULL: nothing is written, and fail_text is the first of them. Forgets them
 * in any case. */
int mistakes_tell(struct mistakes *mistakes, FILE *errors);
/* Another failure, if there is one, and the mistakes are forgotten; else mistakes_tell. */
int mistakes_settle(struct mistakes *mistakes, int status, FILE *errors);
#endif
