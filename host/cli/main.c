/* main: placeholder entry until the command table lands. */
#include "base.h"
int main(void) { return OK; }
