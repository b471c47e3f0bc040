/* value: one value of a config: parsing it by its key's type and range, writing it back.
 * Must not know files, sections or where a key is used. */
#include "schema.h"
#include "text.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PROBLEM(...) (snprintf(problem, PROBLEM_BYTES, __VA_ARGS__), false)

/* ---- what is expected ---- */

const char *value_type_name(const struct key *key)
{
    static const char *const names[] = {
        [KEY_INT] = "whole number", [KEY_INT64] = "whole number",  [KEY_REAL] = "number",
        [KEY_FLOAT] = "number",     [KEY_BOOL] = "true/false",     [KEY_TEXT] = "text",
        [KEY_ENUM] = "choice",      [KEY_LIST] = "list of numbers"};
    return key->words ? "choice" : names[key->type];
}

void value_expected(const struct key *key, char *text, size_t bytes)
{
    size_t used = 0;
    if (key->words) {
        used = (size_t)snprintf(text, bytes, "one of ");
        for (int i = 0; key->words[i] && used < bytes; i++)
            used += (size_t)snprintf(text + used, bytes - used, "%s%s", i ? ", " : "", key->words[i]);
        return;
    }
    if (key->type == KEY_BOOL || key->type == KEY_TEXT) {
        snprintf(text, bytes, "%s", key->type == KEY_BOOL ? "true or false" : "a text in double quotes");
        return;
    }
    const char *what = key->type == KEY_LIST                            ? "up to 4 numbers, [a, b, c], each"
                       : key->type == KEY_INT || key->type == KEY_INT64 ? "a whole number"
                                                                        : "a number";
    used = (size_t)snprintf(text, bytes, "%s %s %.16g", what, key->above ? "above" : "from", key->low);
    if (used < bytes)
        snprintf(text + used, bytes - used, "%s %.16g",
                 key->below   ? " and below"
                 : key->above ? ", at most"
                              : " to",
                 key->high);
}

/* ---- parsing ---- */

/* "0,001" as "0.001": false where a comma is not the mistake. */
static bool decimal_comma(const char *text, char *meant, size_t bytes)
{
    double number;
    const char *comma = strchr(text, ',');
    if (!comma || comma[1] < '0' || comma[1] > '9' || !text_copy(meant, bytes, text))
        return false;
    meant[comma - text] = '.';
    return text_to_double(meant, &number);
}

static bool complain(const struct key *key, const char *text, const char *what, char *problem)
{
    char expected[512], meant[64];
    value_expected(key, expected, sizeof expected);
    bool number = !key->words && key->type != KEY_BOOL && key->type != KEY_TEXT;
    if (number && decimal_comma(text, meant, sizeof meant))
        return PROBLEM("'%.60s' has a decimal comma; write %s; expected %s", text, meant, expected);
    /* "yes" to a probability: what the key means says what to write. */
    if (number && isalpha((unsigned char)*text))
        return PROBLEM("'%.60s' %s; expected %s: %s", text, what, expected, key->help);
    return PROBLEM("'%.60s' %s; expected %s", text, what, expected);
}

static bool in_range(const struct key *key, double number)
{
    bool low = key->above ? number > key->low : number >= key->low;
    return low && (key->below ? number < key->high : number <= key->high);
}

static bool not_finite(const char *text)
{
    text += *text == '-' || *text == '+';
    return strcasecmp(text, "nan") == 0 || strcasecmp(text, "inf") == 0 || strcasecmp(text, "infinity") == 0;
}

/* A number beyond what a double holds. */
static bool is_huge(const char *text)
{
    char *end;
    return *text && !text[strspn(text, "0123456789+-.eE")] && isinf(strtod(text, &end)) && !*end;
}

static bool parse_number(const struct key *key, const char *text, double *number, char *problem)
{
    if (not_finite(text))
        return complain(key, text, "is not finite", problem);
    if (is_huge(text))
        return complain(key, text, "is out of range", problem);
    if (!text_to_double(text, number))
        return complain(key, text, "is not a number", problem);
    return in_range(key, *number) || complain(key, text, "is out of range", problem);
}

static bool parse_whole(const struct key *key, void *to, const char *text, char *problem)
{
    int64_t whole;
    if (!text_to_int64(text, &whole)) {
        double number;
        bool huge = text_to_double(text, &number) && !in_range(key, number);
        return complain(key, text, huge ? "is out of range" : "is not a whole number", problem);
    }
    if (!in_range(key, (double)whole))
        return complain(key, text, "is out of range", problem);
    if (key->type == KEY_INT64)
        *(int64_t *)to = whole;
    else
        *(int *)to = (int)whole;
    return true;
}

/* The index of text among the key's words, upper case or not; -1: none. */
static int find_word(const struct key *key, const char *text)
{
    for (int i = 0; key->words[i]; i++)
        if (strcasecmp(key->words[i], text) == 0)
            return i;
    return -1;
}

static bool parse_text(const struct key *key, char *to, const char *text, char *problem)
{
    int word = key->words ? find_word(key, text) : 0;
    if (word < 0) {
        char near[256];
        int count = 0;
        while (key->words[count])
            count++;
        suggest_words(text, key->words, count, near, sizeof near);
        complain(key, text, "is not known", problem);
        size_t used = strlen(problem);
        snprintf(problem + used, PROBLEM_BYTES - used, "%s%s", *near ? ";" : "", near);
        return false;
    }
    if (key->type == KEY_ENUM)
        memcpy(to, &word, sizeof word);
    else if (!text_copy(to, key->bytes, key->words ? key->words[word] : text))
        return PROBLEM("the text is longer than %zu bytes", key->bytes - 1);
    return true;
}

static bool parse_list(const struct key *key, void *base, const char *text, char *problem)
{
    enum { LIST_MAX = 4 };
    double numbers[LIST_MAX] = {0};
    int count = 0;
    const char *at = text + strspn(text, " \t");
    while (*at) {
        char one[64];
        size_t length = strcspn(at, ",");
        snprintf(one, sizeof one, "%.*s", length < sizeof one ? (int)length : (int)sizeof one - 1, at);
        if (count == LIST_MAX)
            return complain(key, text, "has more than 4 numbers", problem);
        if (!parse_number(key, text_trim(one), &numbers[count++], problem))
            return false;
        at += length;
        if (*at == ',') /* TOML allows one after the last */
            at += 1 + strspn(at + 1, " \t");
    }
    memcpy((char *)base + key->offset, numbers, sizeof numbers);
    memcpy((char *)base + key->mark_offset, &count, sizeof count);
    return true;
}

static bool parse_bool(const struct key *key, void *base, const char *text, char *problem)
{
    bool *to = (bool *)((char *)base + key->offset);
    if (!text_to_bool(text, to))
        return complain(key, text, "is neither", problem);
    if (key->mark_offset)
        *(bool *)((char *)base + key->mark_offset) = true;
    return true;
}

bool value_parse(const struct key *key, void *base, const struct token *token, char problem[static PROBLEM_BYTES])
{
    void *to = (char *)base + key->offset;
    bool words = key->type == KEY_TEXT || key->type == KEY_ENUM;
    char expected[512];
    value_expected(key, expected, sizeof expected);
    if (token->kind == TOKEN_BARE && !*token->text)
        return PROBLEM("has no value; expected %s%s", expected,
                       key->type == KEY_TEXT && !key->words ? " (\"\" for none)" : "");
    if (token->kind == TOKEN_LIST && key->type != KEY_LIST)
        return PROBLEM("a list; expected %s", expected);
    if (token->kind == TOKEN_QUOTED && !words)
        return PROBLEM("'%.60s' in quotes is a text; write it without quotes; expected %s", token->text, expected);
    double number;
    switch (key->type) {
    case KEY_INT:
    case KEY_INT64: return parse_whole(key, to, token->text, problem);
    case KEY_REAL:
    case KEY_FLOAT:
        if (!parse_number(key, token->text, &number, problem))
            return false;
        if (key->type == KEY_REAL)
            *(double *)to = number;
        else
            *(float *)to = (float)number;
        return true;
    case KEY_BOOL: return parse_bool(key, base, token->text, problem);
    case KEY_TEXT:
    case KEY_ENUM: return parse_text(key, to, token->text, problem);
    case KEY_LIST: break;
    }
    return parse_list(key, base, token->text, problem);
}

/* ---- writing ---- */

/* The shortest decimal that reads back as the same number. */
static int print_number(char text[static 32], double number, bool is_float)
{
    int length = 0;
    for (int digits = 1; digits <= 17; digits++) {
        length = snprintf(text, 32, "%.*g", digits, number);
        double back = strtod(text, NULL);
        if (is_float ? (float)back == (float)number : back == number)
            break;
    }
    return length;
}

static size_t print_text(char *to, size_t bytes, const char *text)
{
    enum { LONGEST = 8 }; /* one escape, the closing quote and the end */
    size_t used = (size_t)snprintf(to, bytes, "\"");
    for (; *text && used + LONGEST < bytes; text++) {
        const char *format = *text == '"' || *text == '\\'                  ? "\\%c"
                             : (unsigned char)*text < 0x20 || *text == 0x7F ? "\\u%04X"
                                                                            : "%c";
        used += (size_t)snprintf(to + used, bytes - used, format, *text);
    }
    return used + (size_t)snprintf(to + used, bytes - used, "\"");
}

static size_t print_list(char *to, size_t bytes, const double *numbers, int count)
{
    size_t used = (size_t)snprintf(to, bytes, "[");
    for (int i = 0; i < count && used < bytes; i++) {
        char number[32];
        print_number(number, numbers[i], false);
        used += (size_t)snprintf(to + used, bytes - used, "%s%s", i ? ", " : "", number);
    }
    return used + (used < bytes ? (size_t)snprintf(to + used, bytes - used, "]") : 0);
}

size_t value_print(const struct key *key, const void *base, char *text, size_t bytes)
{
    const void *from = (const char *)base + key->offset;
    char number[32];
    int word;
    switch (key->type) {
    case KEY_INT: return (size_t)snprintf(text, bytes, "%d", *(const int *)from);
    case KEY_INT64: return (size_t)snprintf(text, bytes, "%lld", (long long)*(const int64_t *)from);
    case KEY_REAL: print_number(number, *(const double *)from, false); break;
    case KEY_FLOAT: print_number(number, (double)*(const float *)from, true); break;
    case KEY_BOOL: return (size_t)snprintf(text, bytes, "%s", *(const bool *)from ? "true" : "false");
    case KEY_TEXT: return print_text(text, bytes, from);
    case KEY_ENUM: memcpy(&word, from, sizeof word); return print_text(text, bytes, key->words[word]);
    case KEY_LIST: return print_list(text, bytes, from, *(const int *)((const char *)base + key->mark_offset));
    }
    return (size_t)snprintf(text, bytes, "%s", number);
}
