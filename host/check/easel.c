/* easel: draws pictures and text by cairo. Knows nothing of data sets. */
#include "easel.h"
#include "data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#ifdef WITH_CAIRO
#include <cairo.h>

/* LEAST and MOST: sides of a picture on the sheet, in pixels. */
enum { LEAST = 112, MOST = 256, GAP = 10, LINE = 15, HEADER = 30 };

/* Where everything lies. */
struct layout {
    int columns, rows, cell_w, cell_h; /* of a picture on the sheet */
    int width, height;
};

static struct layout lay_out(const struct sheet *sheet)
{
    const int shorter = sheet->height < sheet->width ? sheet->height : sheet->width;
    const int longer = sheet->height < sheet->width ? sheet->width : sheet->height;
    const double scale = shorter < LEAST ? ceil((double)LEAST / shorter) : longer > MOST ? (double)MOST / longer : 1.0;
    struct layout layout = {.cell_w = (int)lrint(sheet->width * scale), .cell_h = (int)lrint(sheet->height * scale)};
    layout.cell_w = layout.cell_w > 0 ? layout.cell_w : 1;
    layout.cell_h = layout.cell_h > 0 ? layout.cell_h : 1;
    const int step_w = layout.cell_w + GAP, step_h = layout.cell_h + 2 * LINE + GAP;
    /* About as wide as high, unless one row holds them all. */
    layout.columns = sheet->count <= 8 ? sheet->count : (int)ceil(sqrt((double)sheet->count * step_h / step_w));
    layout.rows = (sheet->count + layout.columns - 1) / layout.columns;
    layout.columns = (sheet->count + layout.rows - 1) / layout.rows; /* rows alike */
    layout.width = layout.columns * step_w + GAP;
    layout.height = layout.rows * step_h + HEADER + GAP;
    return layout;
}

/* The bytes without the last character of UTF-8 text. */
static size_t before_last(const char *text, size_t length)
{
    do
        length--;
    while (length > 0 && ((unsigned char)text[length] & 0xC0) == 0x80);
    return length;
}

/* Text that ends in an ellipsis where it is wider than room. */
static void show_text(cairo_t *cairo, double x, double y, const char *text, double room)
{
    char shown[512];
    cairo_text_extents_t extents;
    size_t length = strlen(text);
    while (length + sizeof "…" > sizeof shown)
        length = before_last(text, length);
    memcpy(shown, text, length);
    strcpy(shown + length, text[length] ? "…" : "");
    for (cairo_text_extents(cairo, shown, &extents); extents.x_advance > room && length > 0;
         cairo_text_extents(cairo, shown, &extents)) {
        length = before_last(text, length);
        strcpy(shown + length, "…");
    }
    cairo_move_to(cairo, x, y);
    cairo_show_text(cairo, shown);
}

/* Enlarged pictures keep their pixels as squares; reduced ones are averaged. */
static int draw_picture(uint8_t *canvas, int stride, const struct sheet *sheet, const struct layout *layout,
                        const uint8_t *rgb)
{
    uint8_t *reduced = NULL;
    const bool reduce = layout->cell_w < sheet->width;
    if (reduce)
        TRY(image_resize(rgb, sheet->height, sheet->width, 3, layout->cell_h, layout->cell_w, &reduced));
    const uint8_t *from = reduce ? reduced : rgb;
    const int from_h = reduce ? layout->cell_h : sheet->height, from_w = reduce ? layout->cell_w : sheet->width;
    for (int y = 0; y < layout->cell_h; y++)
        for (int x = 0; x < layout->cell_w; x++) {
            const int64_t place = (int64_t)(y * from_h / layout->cell_h) * from_w + x * from_w / layout->cell_w;
            const uint8_t *pixel = from + place * 3;
            const uint32_t argb = 0xFF000000u | (uint32_t)pixel[0] << 16 | (uint32_t)pixel[1] << 8 | pixel[2];
            memcpy(canvas + (int64_t)y * stride + (int64_t)x * 4, &argb, sizeof argb);
        }
    memory_give(reduced);
    return OK;
}

static void draw_texts(cairo_t *cairo, const struct sheet *sheet, const struct layout *layout)
{
    cairo_set_source_rgb(cairo, 0.0, 0.0, 0.0);
    cairo_select_font_face(cairo, "sans", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(cairo, 13.0);
    show_text(cairo, GAP, HEADER - GAP, sheet->title, layout->width - 2.0 * GAP);
    cairo_set_font_size(cairo, 12.0);
    for (int i = 0; i < sheet->count; i++) {
        const double x = GAP + i % layout->columns * (layout->cell_w + GAP);
        const double y = HEADER + i / layout->columns * (layout->cell_h + 2 * LINE + GAP) + layout->cell_h;
        for (int k = 0; k < 2; k++) {
            cairo_set_source_rgb(cairo, 0.4 * k, 0.4 * k, 0.4 * k);
            show_text(cairo, x, y + LINE * (k + 1) - 3, sheet->cells[i].lines[k], layout->cell_w);
        }
    }
}

static int save(const char *file, const uint8_t *canvas, int stride, const struct layout *layout)
{
    uint8_t *rgb;
    TRY(memory_take(&rgb, (size_t)layout->width * (size_t)layout->height * 3, "a contact sheet"));
    uint8_t *to = rgb;
    for (int y = 0; y < layout->height; y++)
        for (int x = 0; x < layout->width; x++) {
            uint32_t argb;
            memcpy(&argb, canvas + (int64_t)y * stride + (int64_t)x * 4, sizeof argb);
            for (int shift = 16; shift >= 0; shift -= 8)
                *to++ = (uint8_t)(argb >> shift);
        }
    const int status = png_write(file, rgb, layout->height, layout->width, 3);
    memory_give(rgb);
    return status;
}

int easel_write(const char *file, const struct sheet *sheet)
{
    const struct layout layout = lay_out(sheet);
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, layout.width, layout.height);
    cairo_t *cairo = cairo_create(surface);
    int status = OK;
    cairo_set_source_rgb(cairo, 1.0, 1.0, 1.0);
    cairo_paint(cairo);
    draw_texts(cairo, sheet, &layout);
    cairo_surface_flush(surface);
    if (cairo_status(cairo) != CAIRO_STATUS_SUCCESS)
        status = FAIL(ERR_MEMORY, "%s: cairo cannot draw %d x %d pixels: %s", file, layout.width, layout.height,
                      cairo_status_to_string(cairo_status(cairo)));
    uint8_t *canvas = cairo_image_surface_get_data(surface);
    const int stride = cairo_image_surface_get_stride(surface);
    for (int i = 0; i < sheet->count && status == OK; i++) {
        const int x = GAP + i % layout.columns * (layout.cell_w + GAP);
        const int y = HEADER + i / layout.columns * (layout.cell_h + 2 * LINE + GAP);
        status =
            draw_picture(canvas + (int64_t)y * stride + (int64_t)x * 4, stride, sheet, &layout, sheet->cells[i].rgb);
    }
    if (status == OK)
        status = save(file, canvas, stride, &layout);
    cairo_destroy(cairo);
    cairo_surface_destroy(surface);
    return status;
}
#else
int easel_write(const char *file, const struct sheet *sheet)
{
    (void)sheet;
    return FAIL(ERR_UNSUPPORTED, "%s: this program was built without cairo; install libcairo2-dev and build again",
                file);
}
#endif
