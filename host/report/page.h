/* page: writing HTML. Private to host/report. Text goes through page_text, which escapes it; what the program itself
 * says is written as it is. */
#ifndef PAGE_H
#define PAGE_H
#include "report.h"

#include <stdio.h>

/* Escaped for HTML and XML, in text and in attributes. Bytes that are no UTF-8 and control characters are replaced. */
void page_text(FILE *page, const char *text);
/* The same of what is said on a terminal, where commands stand between backticks. */
void page_said(FILE *page, const char *text);
/* As printf, whatever comes out is escaped. */
void page_format(FILE *page, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Up to the page's content: head, styles. The title is escaped. */
void page_begin(FILE *page, const char *title);
void page_end(FILE *page);

extern const char *const page_style[]; /* NULL at its end */

/* A chart as a figure: title, how to read it, inline SVG. Its size follows the page, its letters keep theirs. */
enum figure_size { FIGURE_PLAIN, FIGURE_SMALL };
void page_figure(FILE *page, const struct chart *chart, enum figure_size size);
/* The class that carries a colour: "c-blue". */
const char *page_colour(enum chart_colour colour);
#endif
