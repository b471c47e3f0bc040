/* text: number parsing that accepts the whole word or nothing, and "did you mean".
 * Level 1. */
#ifndef TEXT_H
#define TEXT_H
#include "base.h"

/* Parse the whole of text ("C" locale, no trailing junk, finite). false: not such a number, or out of the type's range.
 */
bool text_to_int64(const char *text, int64_t *value);
bool text_to_double(const char *text, double *value);
bool text_to_bool(const char *text, bool *value); /* true/false, yes/no, on/off, 1/0 */

/* Past a byte order mark, which editors and spreadsheets put before UTF-8. */
char *text_begin(char *text);

/* Removes white space at both ends, in place; returns the first kept character. */
char *text_trim(char *text);

/* Control characters, as a file's name may have them, become '?': what is said stays one line and moves no cursor. */
char *text_one_line(char *text);
/* Whether there are any. */
bool text_has_control(const char *text);

/* Damerau-Levenshtein distance (optimal string alignment), capped at limit + 1. */
int text_distance(const char *a, const char *b, int limit);

/* Up to three of the candidates nearest to word (one begins the other, or distance at most 2), best first. Returns how
 * many. */
enum { TEXT_SUGGESTIONS = 3 };
int text_suggest(const char *word, const char *const *candidates, int count,
                 const char *found[static TEXT_SUGGESTIONS]);

/* Breaks text at blanks so that no line is wider than so many columns: it begins at column `indent` and each further
 * line is indented by as much. A word longer than a line stays whole. Returns the length; cut where bytes end it. */
size_t text_wrap(char *to, size_t bytes, const char *text, int indent, int columns);

/* Copies with truncation; always terminated. false: it did not fit. */
bool text_copy(char *to, size_t to_bytes, const char *from);

bool text_is_utf8(const char *text);

/* A JSON string literal of text, quotes included, control characters escaped, invalid UTF-8 replaced. Writes to a
 * growing buffer: call with (NULL, 0) for the length; always terminated when bytes > 0. Returns the full length. */
size_t text_json(char *to, size_t bytes, const char *text);
/* The same, whole, in the arena. */
char *text_quote(struct arena *arena, const char *text);

/* Text as one word for a POSIX shell: as it is, or in single quotes where that is needed. Cut off to fit. */
void text_shell(char *to, size_t bytes, const char *text);

/* Columns that UTF-8 text takes on a terminal; a byte that is none counts as one. Needs a UTF-8 LC_CTYPE. */
int text_columns(const char *text);

/* 1234567 as "1.23 M", 1536 bytes as "1.50 KiB", 3725 s as "1:02:05", 3.21 s as "3.2 s"; "-" for what is no number. */
void text_count(char text[static 24], double count);
void text_bytes(char text[static 24], double bytes);
void text_duration(char text[static 24], double seconds);
#endif
