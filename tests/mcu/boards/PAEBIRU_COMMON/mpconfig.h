// QEMU's port as it is, and what a real board has besides.
#include <mpconfigport.h>

#undef MICROPY_PY_TIME
#define MICROPY_PY_TIME (1)
#undef MICROPY_PY_SELECT
#define MICROPY_PY_SELECT (1)

// Counted by board.c; the disk is mounted once the VM is up, also after a soft reset.
void paebiru_board_init(void);
#define MICROPY_PORT_INIT_FUNC paebiru_board_init()
