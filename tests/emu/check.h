/* check: cmocka from C++. */
#ifndef EMU_CHECK_H
#define EMU_CHECK_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above. */
extern "C" {
#include <cmocka.h>
}
#endif
