/* cudnn: stands in for the library's header of this name where files that name its calls are built for the emulator.
 * None of them is made there: libraries.cpp answers one level up. */
#ifndef EMU_CUDNN_H
#define EMU_CUDNN_H
#ifdef __cplusplus
extern "C" {
#endif

int cudnnBackendCreateDescriptor(void);
int cudnnBackendDestroyDescriptor(void);
int cudnnBackendExecute(void);
int cudnnBackendFinalize(void);
int cudnnBackendGetAttribute(void);
int cudnnBackendSetAttribute(void);
int cudnnCreate(void);
int cudnnDestroy(void);
int cudnnGetErrorString(void);
int cudnnGetLastErrorString(void);
int cudnnGetVersion(void);
int cudnnSetStream(void);

#ifdef __cplusplus
}
#endif
#endif
