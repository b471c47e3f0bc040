/* Rows of quoted text: every cell lies within the text and ends there, and a row ends it exactly once. */
#include "csv.h"

#include "fuzz.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    enum { MOST = 8 };
    char *text = malloc(bytes + 1), *cells[MOST];
    assert(text);
    memcpy(text, data, bytes);
    text[bytes] = 0;
    struct csv csv = {text, text + bytes};
    size_t rows = 0, ends = 0;
    for (size_t i = 0; i < bytes; i++)
        ends += data[i] == '\n';
    for (int count; csv_row(&csv, cells, MOST, &count); rows++) {
        assert(count >= 1 && count <= MOST);
        for (int i = 0; i < count; i++)
            assert(cells[i] >= text && cells[i] + strlen(cells[i]) < csv.at && (i == 0 || cells[i] > cells[i - 1]));
        csv_column(cells, count, "file");
    }
    assert(rows <= ends);
    free(text);
    return 0;
}
