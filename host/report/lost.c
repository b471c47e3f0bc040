/* lost: the images that a run lost most, as pictures. */
#include "pictures.h"
#include "sections.h"

#include <math.h>
#include <string.h>

static void put_loss(FILE *page, double loss)
{
    if (isfinite(loss))
        fprintf(page, "loss %.2f", loss);
    else
        fputs("loss not a number", page);
}

static void put_image(FILE *page, struct pictures *pictures, bool train, const struct lost_image *image)
{
    fputs("<figure>", page);
    if (!pictures_put(pictures, page, train, image))
        fputs("<div class=\"gone\">no picture</div>", page);
    fputs("<figcaption><b>", page);
    page_text(page, image->name);
    fputs("</b>", page);
    if (strcmp(image->name, image->taken_for) != 0) {
        fputs("<span class=\"wrong\">taken for ", page);
        page_text(page, image->taken_for);
        fputs("</span>", page);
    }
    fputs("<span>", page);
    put_loss(page, image->loss);
    if (train)
        fprintf(page, ", right %d of %d times", image->correct, image->seen);
    fputs("</span><span class=\"file\">", page);
    if (*image->file)
        page_text(page, image->file);
    else
        fprintf(page, "image %lld", (long long)image->sample);
    fputs("</span></figcaption></figure>\n", page);
}

static void put_list(FILE *page, struct pictures *pictures, bool train, const struct lost_images *lost,
                     const char *title, const char *how)
{
    if (lost->count == 0)
        return;
    fprintf(page, "<section class=\"card\"><h3>%s</h3><p class=\"soft\">%s</p><div class=\"lost\">\n", title, how);
    for (int i = 0; i < lost->count; i++)
        put_image(page, pictures, train, &lost->list[i]);
    fputs("</div></section>\n", page);
}

void page_lost(FILE *page, const struct run_facts *facts)
{
    if (facts->lost_train.count + facts->lost_val.count == 0)
        return;
    struct pictures pictures;
    pictures_begin(&pictures, facts);
    fputs("<h2>Images it lost most</h2>\n<div class=\"stack\">", page);
    put_list(page, &pictures, false, &facts->lost_val, "Validation images that the best weights get most wrong",
             "In bold the label. Look whether the label is right, and whether a person could tell.");
    put_list(page, &pictures, true, &facts->lost_train, "Training images with the highest loss over the whole run",
             "An image that is hardly ever right, however often it is seen, is often labelled wrongly, spoiled, or of "
             "no class.");
    fputs("</div>\n", page);
    pictures_end(&pictures);
}
