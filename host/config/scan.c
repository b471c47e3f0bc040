/* scan: takes a value off a line: quotes with TOML's escapes, brackets, comments. Must not know keys or types. */
#include "schema.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define PROBLEM(...) (snprintf(problem, PROBLEM_BYTES, __VA_ARGS__), false)

/* What may follow a closed quote or bracket: nothing but a comment. */
static bool scan_rest(const char *rest, bool comments, char *problem)
{
    rest += strspn(rest, " \t\r");
    if (!*rest || (comments && (*rest == '#' || *rest == ';')))
        return true;
    return PROBLEM("'%.40s' after the value; expected nothing or a comment", rest);
}

/* \uXXXX or \UXXXXXXXX as UTF-8. Returns what was read of it, 0 when it is not such an escape. */
static size_t scan_unicode(const char *at, char utf8[static 5])
{
    size_t digits = *at == 'u' ? 4 : 8, read = 0;
    unsigned long code = 0;
    for (; read < digits && isxdigit((unsigned char)at[1 + read]); read++)
        code = code * 16 + (unsigned long)(isdigit((unsigned char)at[1 + read])
                                               ? at[1 + read] - '0'
                                               : tolower((unsigned char)at[1 + read]) - 'a' + 10);
    if (read < digits || code == 0 || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
        return 0;
    static const struct {
        unsigned long below;
        unsigned char lead;
        int more;
    } forms[] = {{0x80, 0, 0}, {0x800, 0xC0, 1}, {0x10000, 0xE0, 2}, {0x110000, 0xF0, 3}};
    int form = 0;
    while (code >= forms[form].below)
        form++;
    int length = forms[form].more + 1;
    utf8[length] = 0;
    for (int i = forms[form].more; i > 0; i--, code >>= 6)
        utf8[i] = (char)(0x80 | (code & 0x3F));
    utf8[0] = (char)(forms[form].lead | code);
    return 1 + digits;
}

static bool scan_quoted(const char *raw, bool comments, struct token *token, char *problem)
{
    static const char letters[] = "\"\\bfnrt", meant[] = "\"\\\b\f\n\r\t";
    char quote = *raw, *to = token->text;
    const char *at = raw + 1;
    token->kind = TOKEN_QUOTED;
    while (*at && *at != quote) {
        if (*at != '\\' || quote == '\'') {
            *to++ = *at++;
            continue;
        }
        const char *letter = at[1] ? strchr(letters, at[1]) : NULL;
        char utf8[5];
        size_t length = at[1] == 'u' || at[1] == 'U' ? scan_unicode(at + 1, utf8) : 0;
        if (!letter && !length)
            return PROBLEM("unknown escape '%.2s'; write \\\\ for a backslash, or use single quotes", at);
        if (letter)
            *to++ = meant[letter - letters];
        for (size_t i = 0; length && utf8[i]; i++)
            *to++ = utf8[i];
        at += 1 + (length ? length : 1);
    }
    *to = 0;
    if (*at != quote)
        return PROBLEM("the text's closing %c is missing", quote);
    return scan_rest(at + 1, comments, problem);
}

static bool scan_list(const char *raw, bool comments, struct token *token, char *problem)
{
    size_t length = strcspn(raw, comments ? "]#;" : "]");
    if (raw[length] != ']')
        return PROBLEM("the list's closing ] is missing; write the list on one line");
    token->kind = TOKEN_LIST;
    memcpy(token->text, raw + 1, length - 1);
    token->text[length - 1] = 0;
    return scan_rest(raw + length + 1, comments, problem);
}

bool value_scan(const char *raw, bool comments, struct token *token, char problem[static PROBLEM_BYTES])
{
    raw += strspn(raw, " \t\r\n");
    if (strlen(raw) >= VALUE_BYTES)
        return PROBLEM("the value is longer than %d bytes", VALUE_BYTES - 1);
    if (*raw == '"' || *raw == '\'')
        return scan_quoted(raw, comments, token, problem);
    if (*raw == '[')
        return scan_list(raw, comments, token, problem);
    token->kind = TOKEN_BARE;
    size_t length = 0;
    for (; raw[length]; length++)
        if (comments && (raw[length] == '#' || raw[length] == ';') &&
            (length == 0 || isspace((unsigned char)raw[length - 1])))
            break;
    memcpy(token->text, raw, length);
    while (length && isspace((unsigned char)token->text[length - 1]))
        length--;
    token->text[length] = 0;
    return true;
}
