/* devices: lists the backends compiled in and the device each would open. Knows nothing of training. */
#include "backend.h"
#include "cli.h"

#include <stdio.h>

static void print_backend(const struct backend *backend)
{
    struct device *device = NULL;
    if (backend->open(&device, 0, 0) < 0) {
        printf("%-6s not usable: %s\n", backend->name, fail_text());
        return;
    }
    char text[256];
    backend->describe(device, text, sizeof text);
    printf("%-6s %s\n       precision:", backend->name, text);
    for (int dtype = DT_F32; dtype <= DT_F16; dtype++) {
        bool in_hardware = false;
        if (backend->supports(device, (enum dtype)dtype, &in_hardware))
            printf(" %s%s", dtype_name((enum dtype)dtype), in_hardware ? "" : " (emulated, slow)");
    }
    printf("\n");
    backend->close(device);
}

int command_devices(int argc, char **argv)
{
    static const struct cli_usage usage = {
        .synopsis = "devices",
        .about = "Lists the backends of this program and the device each would use (train.device in a config).",
    };
    TRY(cli_parse(&usage, &argc, argv));
    if (argc > 1)
        return FAIL(ERR_USAGE, "devices takes no arguments, got '%s'", argv[1]);
    for (int i = 0; backend_list[i]; i++)
        print_backend(backend_list[i]);
    return OK;
}
