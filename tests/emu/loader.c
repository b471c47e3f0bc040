/* loader: answers for the dynamic loader: the two libraries by the names that the CUDA backend asks for, and of each
 * the calls that it makes (vendor.h). */
#include "loader.h"
#include "vendor.h"
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#define SYMBOL(name) {#name, (void *)name},
static const struct symbol {
    const char *name;
    void *at;
} dnn[] = {DNN_CALLS(SYMBOL){0}}, blas[] = {BLAS_CALLS(SYMBOL){0}};

void *emu_dlopen(const char *file, int mode)
{
    (void)mode;
    return strcmp(file, "libcudnn.so.9") == 0       ? (void *)dnn
           : strcmp(file, "libcublasLt.so.13") == 0 ? (void *)blas
                                                    : NULL;
}

void *emu_dlsym(void *library, const char *name)
{
    for (const struct symbol *symbol = library; symbol->name; symbol++)
        if (strcmp(symbol->name, name) == 0)
            return symbol->at;
    return NULL;
}

char *emu_dlerror(void)
{
    static char text[] = "the emulator has no such library";
    return text;
}

/* Choosing among plans by time takes sixteen runs of each; tests that are not about that take the first. */
__attribute__((constructor)) static void choose_untimed(void)
{
    setenv("EVENKEEL_CUDA_TUNE", "0", 0);
}
