/* page: see page.h. Owns escaping and the page's frame; must not know what is on it. */
#include "page.h"
#include "text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const char replacement[] = "\xEF\xBF\xBD"; /* U+FFFD */

static void put_character(FILE *page, unsigned char c, bool utf8)
{
    switch (c) {
    case '&': fputs("&amp;", page); break;
    case '<': fputs("&lt;", page); break;
    case '>': fputs("&gt;", page); break;
    case '"': fputs("&quot;", page); break;
    case '\'': fputs("&#39;", page); break;
    default:
        if ((c < ' ' && c != '\t' && c != '\n') || c == 0x7F || (c >= 0x80 && !utf8))
            fputs(replacement, page);
        else
            fputc(c, page);
    }
}

void page_text(FILE *page, const char *text)
{
    const bool utf8 = text_is_utf8(text);
    for (const char *at = text; *at; at++)
        put_character(page, (unsigned char)*at, utf8);
}

void page_said(FILE *page, const char *text)
{
    const bool utf8 = text_is_utf8(text);
    bool in_code = false;
    for (const char *at = text; *at; at++)
        if (*at == '`' && (in_code || strchr(at + 1, '`'))) {
            fputs(in_code ? "</code>" : "<code>", page);
            in_code = !in_code;
        } else
            put_character(page, (unsigned char)*at, utf8);
}

void page_format(FILE *page, const char *format, ...)
{
    struct arena arena = {0};
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    const size_t bytes = (size_t)vsnprintf(NULL, 0, format, args) + 1;
    char *text = arena_push(&arena, bytes);
    vsnprintf(text, bytes, format, again);
    va_end(again);
    va_end(args);
    page_text(page, text);
    arena_free(&arena);
}

static const char *const colour_names[CHART_COLOURS] = {
    [CHART_BLUE] = "c-blue",     [CHART_ORANGE] = "c-orange", [CHART_GREEN] = "c-green", [CHART_PURPLE] = "c-purple",
    [CHART_YELLOW] = "c-yellow", [CHART_SKY] = "c-sky",       [CHART_BROWN] = "c-brown", [CHART_GREY] = "c-grey",
    [CHART_INK] = "c-ink",       [CHART_RED] = "c-red",
};

const char *page_colour(enum chart_colour colour)
{
    return colour_names[colour];
}

/* The palette as variables; the style sheet says what they are for. */
static void put_colours(FILE *page, bool dark)
{
    for (int i = 0; i < CHART_COLOURS; i++) {
        const struct chart_rgb letters = chart_letter_colour((enum chart_colour)i), marks = chart_colours[i];
        fprintf(page, "--%s:#%06x;--%s-letters:#%06x;", colour_names[i], dark ? marks.dark : marks.light,
                colour_names[i], dark ? letters.dark : letters.light);
    }
}

void page_begin(FILE *page, const char *title)
{
    fputs("<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n<meta "
          "charset=\"utf-8\"/>\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
          "<meta name=\"color-scheme\" content=\"light dark\"/>\n<title>",
          page);
    page_text(page, title);
    fputs("</title>\n<style>\n:root{", page);
    put_colours(page, false);
    fputs("}\n@media screen and (prefers-color-scheme:dark){:root{", page);
    put_colours(page, true);
    fputs("}}\n", page);
    for (int i = 0; i < CHART_COLOURS; i++)
        fprintf(page, ".%s{--c:var(--%s);--letters:var(--%s-letters)}", colour_names[i], colour_names[i],
                colour_names[i]);
    fputs("\n", page);
    for (const char *const *part = page_style; *part; part++)
        fputs(*part, page);
    fputs("</style>\n</head>\n<body>\n", page);
}

void page_end(FILE *page)
{
    fputs("</body>\n</html>\n", page);
}
