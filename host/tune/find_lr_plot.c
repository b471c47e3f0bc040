/* find_lr_plot: what find_lr found, as a table, as a picture and as characters. See include/find_lr.h.
 * Computes nothing that it does not draw. */
#include "find_lr.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The part of the plane that is shown: decades of the rate, losses up to somewhat above the beginning's. */
struct frame {
    double left, right; /* log10 of the rate */
    double low, high;   /* loss */
};

static struct frame frame_of(const struct find_lr *found)
{
    struct frame frame = {.left = INFINITY, .right = -INFINITY, .low = INFINITY, .high = -INFINITY};
    double begin = 0.0;
    for (int r = 0; r < found->restart_count; r++) {
        const struct find_lr_curve *curve = &found->restarts[r].curve;
        begin = fmax(begin, curve->smooth[0]);
        for (int i = 0; i < curve->count; i++) {
            frame.left = fmin(frame.left, log10(curve->rate[i]));
            frame.right = fmax(frame.right, log10(curve->rate[i]));
            frame.low = fmin(frame.low, curve->smooth[i]);
            frame.high = fmax(frame.high, curve->smooth[i]);
        }
    }
    frame.high = fmin(frame.high, begin + 0.5 * (begin - frame.low));
    if (!(frame.high > frame.low))
        frame.high = frame.low + 1.0;
    return frame;
}

/* 0 at the left end of the frame, 1 at the right. */
static double across(const struct frame *frame, double rate)
{
    return (log10(rate) - frame->left) / (frame->right - frame->left);
}

/* 0 at the top, 1 at the bottom; what is higher lies on the edge. */
static double down(const struct frame *frame, double loss)
{
    return fmax(0.0, (frame->high - loss) / (frame->high - frame->low));
}

/* ---- csv ---- */

int find_lr_write_csv(const struct find_lr *found, const char *path)
{
    struct new_file file;
    TRY(new_file_open(&file, path));
    fputs("restart,trial,step,lr,loss,standard_error,smooth,gain\n", file.stream);
    for (int r = 0; r < found->restart_count; r++) {
        const struct find_lr_restart *restart = &found->restarts[r];
        for (int i = 0; i < restart->curve.count; i++) {
            fprintf(file.stream, "%d,,%d,%.9g,", r + 1, i, restart->curve.rate[i]);
            if (isfinite(restart->curve.loss[i]))
                fprintf(file.stream, "%.9g,%.9g", restart->curve.loss[i], sqrt(restart->curve.variance[i]));
            else
                fputs("nan,", file.stream);
            fprintf(file.stream, ",%.9g,\n", restart->curve.smooth[i]);
        }
        for (int i = 0; i < restart->trial_count; i++)
            fprintf(file.stream, "%d,%d,,%.9g,,,,%.9g\n", r + 1, i + 1, restart->trials[i].rate,
                    restart->trials[i].gain);
    }
    return new_file_commit(&file);
}

/* ---- characters ---- */

enum { ROWS = 12, LABEL = 8, DOTS_X = 2, DOTS_Y = 4 };

/* A braille letter has two columns of four dots; their bits, from the top. */
static const unsigned char dot_bits[DOTS_X][DOTS_Y] = {{0x01, 0x02, 0x04, 0x40}, {0x08, 0x10, 0x20, 0x80}};

struct canvas {
    int columns;
    unsigned char *cells; /* [ROWS][columns] */
};

static void put_dot(struct canvas *canvas, int x, int y)
{
    if (x >= 0 && x < canvas->columns * DOTS_X && y >= 0 && y < ROWS * DOTS_Y)
        canvas->cells[y / DOTS_Y * canvas->columns + x / DOTS_X] |= dot_bits[x % DOTS_X][y % DOTS_Y];
}

/* The curve between its points, a dot or more for each column of dots. */
static void draw_curve(struct canvas *canvas, const struct frame *frame, const struct find_lr_curve *curve)
{
    double width = canvas->columns * DOTS_X - 1, height = ROWS * DOTS_Y - 1;
    for (int i = 0; i + 1 < curve->count; i++) {
        double x0 = across(frame, curve->rate[i]) * width, x1 = across(frame, curve->rate[i + 1]) * width;
        double y0 = down(frame, curve->smooth[i]) * height, y1 = down(frame, curve->smooth[i + 1]) * height;
        int dots = (int)fmax(fabs(x1 - x0), fabs(y1 - y0)) + 1;
        for (int k = 0; k <= dots; k++)
            put_dot(canvas, (int)lround(x0 + (x1 - x0) * k / dots), (int)lround(y0 + (y1 - y0) * k / dots));
    }
}

static void put_cell(FILE *stream, unsigned char dots)
{
    /* U+2800 and the dots, in UTF-8. */
    fprintf(stream, "\xE2%c%c", 0xA0 | dots >> 6, 0x80 | (dots & 0x3F));
}

/* Marks below the axis: where the figures lie. */
static void print_marks(FILE *stream, const struct frame *frame, const struct find_lr *found, int columns)
{
    int best = found->best.count ? (int)lround(across(frame, found->best.middle) * (columns - 1)) : -1;
    int stable = found->best.count ? (int)lround(across(frame, found->stable.middle) * (columns - 1)) : -1;
    fprintf(stream, "%*s ", LABEL, "");
    for (int x = 0; x < columns; x++)
        fputs(x == best ? "\u25B2" : x == stable ? "\u2503" : " ", stream);
    fputs("\n", stream);
}

static void print_axis(FILE *stream, const struct frame *frame, int columns)
{
    char text[512] = "";
    fprintf(stream, "%*s \u2514", LABEL - 1, "");
    memset(text, ' ', (size_t)columns + 1);
    for (int x = 0, decade = (int)ceil(frame->left - 1e-9); x < columns; x++) {
        bool tick = decade <= frame->right + 1e-9 &&
                    x == (int)lround((decade - frame->left) / (frame->right - frame->left) * (columns - 1));
        fputs(tick ? "\u2534" : "\u2500", stream);
        if (tick && x + 6 < columns) {
            char label[16];
            int length = snprintf(label, sizeof label, "1e%d", decade);
            memcpy(text + x, label, (size_t)length);
        }
        decade += tick;
    }
    text[columns] = '\0';
    fprintf(stream, "\n%*s %s\n", LABEL, "", text);
}

void find_lr_plot(const struct find_lr *found, FILE *stream, int columns)
{
    struct frame frame = frame_of(found);
    struct arena arena = {0};
    columns = columns < 30 ? 30 : columns > 120 ? 120 : columns;
    struct canvas canvas = {.columns = columns - LABEL - 1};
    canvas.cells = arena_push(&arena, (size_t)(ROWS * canvas.columns));
    for (int r = 0; r < found->restart_count; r++)
        draw_curve(&canvas, &frame, &found->restarts[r].curve);
    for (int y = 0; y < ROWS; y++) {
        bool labelled = y == 0 || y == ROWS - 1;
        if (labelled)
            fprintf(stream, "%*.3g \u2502", LABEL - 1, y == 0 ? frame.high : frame.low);
        else
            fprintf(stream, "%*s \u2502", LABEL - 1, "");
        for (int x = 0; x < canvas.columns; x++)
            put_cell(stream, canvas.cells[y * canvas.columns + x]);
        fputs("\n", stream);
    }
    print_axis(stream, &frame, canvas.columns);
    print_marks(stream, &frame, found, canvas.columns);
    arena_free(&arena);
}

/* ---- svg ---- */

enum { WIDTH = 760, HEIGHT = 400, MARGIN = 60, TOP = 40, BOTTOM = 50 };

static double svg_x(const struct frame *frame, double rate)
{
    return MARGIN + across(frame, rate) * (WIDTH - MARGIN - 20);
}

static double svg_y(const struct frame *frame, double loss)
{
    return TOP + down(frame, loss) * (HEIGHT - TOP - BOTTOM);
}

static void svg_spread(FILE *stream, const struct frame *frame, const struct find_lr_spread *spread, const char *kind,
                       int row)
{
    if (spread->count == 0)
        return;
    double low = svg_x(frame, spread->low), high = svg_x(frame, spread->high), middle = svg_x(frame, spread->middle);
    fprintf(stream,
            "<rect class=\"%s band\" x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\"/>\n"
            "<line class=\"%s\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>\n"
            "<text class=\"%s\" x=\"%.1f\" y=\"%d\" text-anchor=\"end\">%s %.2g</text>\n",
            kind, low, TOP, fmax(high - low, 1.0), HEIGHT - TOP - BOTTOM, kind, middle, middle, TOP, HEIGHT - BOTTOM,
            kind, middle - 6.0, TOP + 16 * row, kind, spread->middle);
}

static void svg_axes(FILE *stream, const struct frame *frame)
{
    fprintf(stream, "<path class=\"axis\" d=\"M%d %dV%dH%d\"/>\n", MARGIN, TOP, HEIGHT - BOTTOM, WIDTH - 20);
    for (int decade = (int)ceil(frame->left - 1e-9); decade <= frame->right + 1e-9; decade++)
        fprintf(stream, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">1e%d</text>\n",
                svg_x(frame, pow(10.0, decade)), HEIGHT - BOTTOM + 18, decade);
    for (int i = 0; i <= 4; i++) {
        double loss = frame->low + (frame->high - frame->low) * i / 4.0;
        fprintf(stream, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.3g</text>\n", MARGIN - 8,
                svg_y(frame, loss) + 4.0, loss);
    }
    fprintf(stream, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">learning rate</text>\n", (MARGIN + WIDTH) / 2,
            HEIGHT - 10);
}

int find_lr_write_svg(const struct find_lr *found, const char *name, const char *path)
{
    struct frame frame = frame_of(found);
    struct new_file file;
    TRY(new_file_open(&file, path));
    fprintf(file.stream,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" "
            "font-size=\"12\">\n<style>\n"
            "svg{background:#fff;color:#222}text{fill:currentColor}.axis{fill:none;stroke:currentColor}\n"
            ".curve{fill:none;stroke:#36c;stroke-width:1.5;opacity:.8}.best{stroke:#2a7}.stable{stroke:#c52}\n"
            "text.best{fill:#2a7;stroke:none}text.stable{fill:#c52;stroke:none}.band{opacity:.15;stroke:none}\n"
            "rect.best{fill:#2a7}rect.stable{fill:#c52}\n"
            "@media(prefers-color-scheme:dark){svg{background:#181818;color:#ddd}.curve{stroke:#8ae}}\n"
            "</style>\n<text x=\"%d\" y=\"22\" font-size=\"14\">%s: loss while the learning rate grows, %d "
            "restart%s</text>\n",
            WIDTH, HEIGHT, MARGIN, name, found->restart_count, found->restart_count == 1 ? "" : "s");
    svg_axes(file.stream, &frame);
    svg_spread(file.stream, &frame, &found->best, "best", 1);
    svg_spread(file.stream, &frame, &found->stable, "stable", 2);
    for (int r = 0; r < found->restart_count; r++) {
        const struct find_lr_curve *curve = &found->restarts[r].curve;
        fputs("<polyline class=\"curve\" points=\"", file.stream);
        for (int i = 0; i < curve->count; i++)
            fprintf(file.stream, "%.1f,%.1f ", svg_x(&frame, curve->rate[i]), svg_y(&frame, curve->smooth[i]));
        fputs("\"/>\n", file.stream);
    }
    fputs("</svg>\n", file.stream);
    return new_file_commit(&file);
}
