/* say: lines for people, broken at words where a terminal is too narrow for them. What goes to a file or a pipe is one
 * line each. Knows no command. */
#include "cli.h"
#include "terminal.h"
#include "text.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int columns_of(FILE *stream)
{
    struct terminal terminal;
    if (!isatty(fileno(stream)))
        return INT_MAX;
    terminal_look(&terminal, fileno(stream));
    return terminal.columns;
}

void cli_say(FILE *stream, int indent, const char *lead, const char *format, ...)
{
    const int columns = columns_of(stream), width = text_columns(lead), from = width > indent ? width : indent;
    va_list args;
    fprintf(stream, "%s%*s", lead, from - width, "");
    va_start(args, format);
    if (columns == INT_MAX)
        vfprintf(stream, format, args);
    else {
        char text[4096], wrapped[8192];
        vsnprintf(text, sizeof text, format, args);
        text_wrap(wrapped, sizeof wrapped, text, from, columns);
        fputs(wrapped, stream);
    }
    va_end(args);
    fputc('\n', stream);
}

void cli_say_lines(FILE *stream, const char *lines)
{
    const bool joins = columns_of(stream) != INT_MAX;
    char paragraph[4096];
    size_t used = 0;
    while (*lines) {
        const size_t length = strcspn(lines, "\n");
        const char *next = lines + length + (lines[length] == '\n');
        used += (size_t)snprintf(paragraph + used, sizeof paragraph - used, "%.*s", (int)length, lines);
        const bool goes_on = joins && *paragraph && *paragraph != ' ' && *next && *next != ' ' && *next != '\n';
        if (goes_on)
            used += (size_t)snprintf(paragraph + used, sizeof paragraph - used, " ");
        else {
            cli_say(stream, 0, "", "%s", paragraph);
            used = 0;
        }
        lines = next;
    }
}
