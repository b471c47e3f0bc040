/* loader: where kernels/cuda/libraries.c is built for the emulator, the libraries that it loads are the stand-ins. */
#ifndef EMU_LOADER_H
#define EMU_LOADER_H
#define dlopen  emu_dlopen
#define dlsym   emu_dlsym
#define dlerror emu_dlerror
#endif
