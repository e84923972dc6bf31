# What both emulated boards have and QEMU's stock ones lack: a clock, a file system, more memory.

MICROPY_VFS_LFS2 = 1
# The vectors are parsed on the board; a real board reads them in pieces, or has PSRAM.
MICROPY_HEAP_SIZE = 3145728

CFLAGS += -DMP_CONFIGFILE='"boards/PAEBIRU_COMMON/mpconfig.h"'
SRC_C += boards/PAEBIRU_COMMON/board.c
FROZEN_MANIFEST = boards/PAEBIRU_COMMON/manifest.py
LDFLAGS += -Wl,--wrap=uart_rx_chr -Wl,--wrap=mp_hal_stdio_poll
