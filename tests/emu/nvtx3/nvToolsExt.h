/* nvToolsExt: stands in for NVTX in the emulator: counts ranges, and remembers their names. emu.h has what tests ask.
 */
#ifndef EMU_NVTX_H
#define EMU_NVTX_H
int nvtxRangePushA(const char *name);
int nvtxRangePop(void);
#endif
