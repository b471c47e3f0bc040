/* launched: which kernels a program has run. With EMU_LAUNCHED=FILE in the environment each is added to that file once,
 * as "PROGRAM ADDRESS", the address as the program's own tables have it; tests/emu/launched.sh puts names to them.
 * Knows nothing of what a kernel is. */
#include "scheduler.h"
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <set>
#include <unistd.h>

namespace emu
{
void note_launch(const void *kernel)
{
    static std::set<const void *> &seen = *new std::set<const void *>;
    const char *path = getenv("EMU_LAUNCHED");
    char program[PATH_MAX] = "";
    Dl_info info;
    if (!path || !seen.insert(kernel).second || !dladdr(kernel, &info) ||
        readlink("/proc/self/exe", program, sizeof program - 1) < 0)
        return;
    FILE *file = fopen(path, "a"); /* a line is written at once: programs run side by side */
    if (!file)
        return;
    fprintf(file, "%s 0x%lx\n", program,
            static_cast<unsigned long>(static_cast<const char *>(kernel) - static_cast<const char *>(info.dli_fbase)));
    fclose(file);
}
} // namespace emu
