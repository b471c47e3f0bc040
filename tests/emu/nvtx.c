/* nvtx: what the stand-in for NVTX remembers. See emu.h. */
#include "emu.h"

#include <stdio.h>
#include <string.h>

/* As the stand-in for the header has them. */
int nvtxRangePushA(const char *name);
int nvtxRangePop(void);

static char text[4096];

static void append(const char *word)
{
    const size_t used = strlen(text);
    snprintf(text + used, sizeof text - used, "%s", word);
}

int nvtxRangePushA(const char *name)
{
    const size_t used = strlen(text);
    if (used > 0 && text[used - 1] == ')')
        append(" ");
    append(name);
    append("(");
    return 0;
}

int nvtxRangePop(void)
{
    append(")");
    return 0;
}

const char *emu_ranges(void)
{
    return text;
}

void emu_ranges_reset(void)
{
    text[0] = 0;
}
