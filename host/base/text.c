/* text: parsing numbers, comparing words, printing sizes. See include/text.h.
 * Knows no file, no config key, no terminal. */
#include "text.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <wchar.h>

bool text_to_int64(const char *text, int64_t *value)
{
    const char *digits = text + (*text == '-' || *text == '+');
    if (!isdigit((unsigned char)*digits))
        return false;
    char *end;
    errno = 0;
    long long parsed = strtoll(text, &end, 10);
    if (*end || errno)
        return false;
    *value = parsed;
    return true;
}

bool text_to_double(const char *text, double *value)
{
    /* strtod alone would also take white space, hexadecimal, inf and nan. */
    if (!*text || text[strspn(text, "0123456789+-.eE")])
        return false;
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!plain)
        return false;
    char *end;
    errno = 0;
    double parsed = strtod_l(text, &end, plain);
    /* ERANGE also reports subnormal numbers, which are representable. */
    bool bad = end == text || *end || !isfinite(parsed) || (errno == ERANGE && parsed == 0);
    freelocale(plain);
    if (!bad)
        *value = parsed;
    return !bad;
}

bool text_to_bool(const char *text, bool *value)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = {{"true", true}, {"false", false}, {"yes", true}, {"no", false},
                 {"on", true},   {"off", false},   {"1", true},   {"0", false}};
    for (int i = 0; i < COUNT_OF(words); i++)
        if (strcasecmp(text, words[i].word) == 0) {
            *value = words[i].value;
            return true;
        }
    return false;
}

char *text_begin(char *text)
{
    return strncmp(text, "\xEF\xBB\xBF", 3) == 0 ? text + 3 : text;
}

char *text_trim(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    size_t length = strlen(text);
    while (length && isspace((unsigned char)text[length - 1]))
        length--;
    text[length] = 0;
    return text;
}

char *text_one_line(char *text)
{
    for (char *at = text; *at; at++)
        if (iscntrl((unsigned char)*at))
            *at = '?';
    return text;
}

bool text_has_control(const char *text)
{
    while (*text && !iscntrl((unsigned char)*text))
        text++;
    return *text != 0;
}

static int lower(char c)
{
    return tolower((unsigned char)c);
}

enum { WORD_BYTES = 64 }; /* longer words are compared by their first 63 characters */

int text_distance(const char *a, const char *b, int limit)
{
    int rows = (int)strnlen(a, WORD_BYTES - 1), columns = (int)strnlen(b, WORD_BYTES - 1);
    if (abs(rows - columns) > limit)
        return limit + 1;
    int line[3][WORD_BYTES];
    for (int j = 0; j <= columns; j++)
        line[0][j] = j;
    for (int i = 1; i <= rows; i++) {
        int *now = line[i % 3], *before = line[(i + 2) % 3], *earlier = line[(i + 1) % 3];
        now[0] = i;
        for (int j = 1; j <= columns; j++) {
            int best = before[j - 1] + (lower(a[i - 1]) != lower(b[j - 1]));
            best = before[j] + 1 < best ? before[j] + 1 : best;
            best = now[j - 1] + 1 < best ? now[j - 1] + 1 : best;
            bool swapped = i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]);
            if (swapped && earlier[j - 2] + 1 < best)
                best = earlier[j - 2] + 1;
            now[j] = best;
        }
    }
    int distance = line[rows % 3][columns];
    return distance > limit ? limit + 1 : distance;
}

/* Whether one of the words is the beginning of the other, "batch" of "batch_size" or "optim" of "optimizer". */
static bool begins_other(const char *word, const char *candidate)
{
    size_t length = strlen(word), other = strlen(candidate);
    return (length >= 2 && strncasecmp(word, candidate, length) == 0) ||
           (other >= 3 && strncasecmp(word, candidate, other) == 0);
}

int text_suggest(const char *word, const char *const *candidates, int count, const char *found[static TEXT_SUGGESTIONS])
{
    size_t length = strlen(word);
    /* In a word of up to three letters two changes leave nothing of it. */
    int limit = length <= 3 ? 1 : 2, found_count = 0, ranks[TEXT_SUGGESTIONS];
    if (!length)
        return 0;
    for (int i = 0; i < count; i++) {
        int rank = text_distance(word, candidates[i], limit);
        if (rank > limit && !begins_other(word, candidates[i]))
            continue;
        int at = found_count;
        while (at > 0 && ranks[at - 1] > rank)
            at--;
        if (at == TEXT_SUGGESTIONS)
            continue;
        int moved = found_count < TEXT_SUGGESTIONS ? found_count : TEXT_SUGGESTIONS - 1;
        for (int j = moved; j > at; j--) {
            found[j] = found[j - 1];
            ranks[j] = ranks[j - 1];
        }
        found[at] = candidates[i];
        ranks[at] = rank;
        if (found_count < TEXT_SUGGESTIONS)
            found_count++;
    }
    return found_count;
}

bool text_copy(char *to, size_t to_bytes, const char *from)
{
    assert(to_bytes > 0);
    size_t length = strlen(from);
    size_t kept = length < to_bytes ? length : to_bytes - 1;
    memmove(to, from, kept);
    to[kept] = 0;
    return kept == length;
}

/* Bytes of the UTF-8 sequence at text; 0 if it is not valid (RFC 3629: no surrogates, no overlong forms). */
static size_t utf8_length(const unsigned char *text)
{
    unsigned char first = text[0];
    if (first < 0x80)
        return 1;
    size_t length = first >= 0xC2 && first <= 0xDF   ? 2
                    : (first & 0xF0) == 0xE0         ? 3
                    : first >= 0xF0 && first <= 0xF4 ? 4
                                                     : 0;
    for (size_t i = 1; i < length; i++)
        if ((text[i] & 0xC0) != 0x80)
            return 0;
    if ((first == 0xE0 && text[1] < 0xA0) || (first == 0xED && text[1] > 0x9F) || (first == 0xF0 && text[1] < 0x90) ||
        (first == 0xF4 && text[1] > 0x8F))
        return 0;
    return length;
}

bool text_is_utf8(const char *text)
{
    size_t length = 1;
    for (; *text && length; text += length)
        length = utf8_length((const unsigned char *)text);
    return length > 0;
}

/* One JSON character or escape for the head of text; *used: bytes of text it stands for. */
static size_t json_piece(char piece[static 8], const unsigned char *text, size_t *used)
{
    static const char plain[] = "\"\\\b\f\n\r\t", escaped[] = "\"\\bfnrt";
    *used = 1;
    const char *special = strchr(plain, *text);
    if (special)
        return (size_t)snprintf(piece, 8, "\\%c", escaped[special - plain]);
    if (*text < 0x20 || *text == 0x7F)
        return (size_t)snprintf(piece, 8, "\\u%04x", *text);
    size_t length = utf8_length(text);
    if (!length)
        return (size_t)snprintf(piece, 8, "\\ufffd");
    memcpy(piece, text, length);
    *used = length;
    return length;
}

/* Where text_json writes: pieces go in whole or not at all, and none after one that did not fit. */
struct sink {
    char *to;
    size_t bytes, length;
    bool full;
};

static void sink_put(struct sink *sink, const char *piece, size_t length)
{
    sink->full = sink->full || sink->length + length >= sink->bytes;
    if (!sink->full) {
        memcpy(sink->to + sink->length, piece, length);
        sink->to[sink->length + length] = 0;
    }
    sink->length += length;
}

size_t text_json(char *to, size_t bytes, const char *text)
{
    struct sink sink = {.to = to, .bytes = bytes};
    if (bytes)
        *to = 0;
    sink_put(&sink, "\"", 1);
    for (size_t used; *text; text += used) {
        char piece[8];
        size_t length = json_piece(piece, (const unsigned char *)text, &used);
        sink_put(&sink, piece, length);
    }
    sink_put(&sink, "\"", 1);
    return sink.length;
}

char *text_quote(struct arena *arena, const char *text)
{
    size_t bytes = text_json(NULL, 0, text) + 1;
    char *to = arena_push(arena, bytes);
    text_json(to, bytes, text);
    return to;
}

void text_shell(char *to, size_t bytes, const char *text)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@%+=:,./-";
    struct sink sink = {.to = to, .bytes = bytes};
    assert(bytes > 0);
    *to = 0;
    bool quote = !*text || text[strspn(text, plain)];
    if (quote)
        sink_put(&sink, "'", 1);
    for (; *text; text++)
        sink_put(&sink, *text == '\'' ? "'\\''" : text, *text == '\'' ? 4 : 1);
    if (quote)
        sink_put(&sink, "'", 1);
}

int text_columns(const char *text)
{
    mbstate_t state = {0};
    int columns = 0;
    for (size_t left = strlen(text); left > 0;) {
        wchar_t character;
        size_t used = mbrtowc(&character, text, left, &state);
        bool valid = used > 0 && used <= left;
        int width = valid ? wcwidth(character) : 1;
        columns += width > 0 ? width : 0;
        if (!valid) {
            used = 1;
            state = (mbstate_t){0};
        }
        text += used;
        left -= used;
    }
    return columns;
}

size_t text_wrap(char *to, size_t bytes, const char *text, int indent, int columns)
{
    size_t used = 0;
    int column = indent;
    to[0] = 0;
    while (*text && used + 1 < bytes) {
        const size_t blanks = strspn(text, " "), length = strcspn(text + blanks, " ");
        char word[1024];
        snprintf(word, sizeof word, "%.*s", (int)length, text + blanks);
        const int width = text_columns(word);
        const bool breaks = column > indent && column + (int)blanks + width > columns;
        used += (size_t)snprintf(to + used, bytes - used, "%s%*s%s", breaks ? "\n" : "", breaks ? indent : (int)blanks,
                                 "", word);
        column = (breaks ? indent : column + (int)blanks) + width;
        text += blanks + (length < sizeof word ? length : sizeof word - 1);
    }
    return used < bytes ? used : bytes - 1;
}

/* number with three digits and the unit that keeps it below base. */
static void print_scaled(char text[static 24], double number, double base, const char *const *units, int count)
{
    if (!isfinite(number)) {
        text_copy(text, 24, "-");
        return;
    }
    int unit = 0;
    /* What would be printed as a full base belongs to the next unit. */
    while (unit < count - 1 && fabs(number) >= (unit ? base - 0.5 : base)) {
        number /= base;
        unit++;
    }
    double size = fabs(number);
    int decimals = unit == 0 ? 0 : size < 9.995 ? 2 : size < 99.95 ? 1 : 0;
    snprintf(text, 24, "%.*f%s%s", decimals, number, *units[unit] ? " " : "", units[unit]);
}

void text_count(char text[static 24], double count)
{
    static const char *const units[] = {"", "k", "M", "G", "T", "P", "E"};
    print_scaled(text, count, 1000, units, COUNT_OF(units));
}

void text_bytes(char text[static 24], double bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    print_scaled(text, bytes, 1024, units, COUNT_OF(units));
}

void text_duration(char text[static 24], double seconds)
{
    if (!isfinite(seconds) || seconds < 0 || seconds > 1e12) {
        text_copy(text, 24, "-");
        return;
    }
    long long whole = llround(seconds);
    if (seconds < 9.95)
        snprintf(text, 24, "%.1f s", seconds);
    else if (whole < 60)
        snprintf(text, 24, "%lld s", whole);
    else if (whole < 3600)
        snprintf(text, 24, "%lld:%02lld", whole / 60, whole % 60);
    else
        snprintf(text, 24, "%lld:%02lld:%02lld", whole / 3600, whole / 60 % 60, whole % 60);
}
