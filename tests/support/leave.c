/*
 * leave.c: in a coverage build, children that leave by _exit put down what they ran (linked with --wrap=_exit).
 */
#include "support/check.h"

#ifdef BPT_COVERAGE
void __gcov_dump(void);
_Noreturn void __real__exit(int code);
_Noreturn void __wrap__exit(int code);
_Noreturn void __wrap__exit(int code)
{
    __gcov_dump();
    __real__exit(code);
}
#endif
