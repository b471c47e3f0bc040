/* driver: which driver there is, in words. A new one brings a new compiler, and what was fastest with the last one need
 * not be. */
#include "cuda.h"
#include <ctype.h>
#include <cuda_runtime_api.h>
#include <stdio.h>
#include <string.h>

/* "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build ...": the first word that begins
 * with a digit. */
static void take_version(char *line, char *version, size_t bytes)
{
    char *rest;
    for (char *word = strtok_r(line, " \t\n", &rest); word; word = strtok_r(NULL, " \t\n", &rest))
        if (isdigit((unsigned char)word[0])) {
            snprintf(version, bytes, " %s", word);
            return;
        }
}

void cuda_describe_driver(const char *path, char text[CUDA_DRIVER_BYTES])
{
    char line[256], version[CUDA_DRIVER_BYTES - 12] = "";
    int level = 0;
    FILE *file = fopen(path, "r");
    if (file && fgets(line, sizeof line, file))
        take_version(line, version, sizeof version);
    if (file)
        fclose(file);
    cudaDriverGetVersion(&level);
    snprintf(text, CUDA_DRIVER_BYTES, "%d%s", level, version);
}
