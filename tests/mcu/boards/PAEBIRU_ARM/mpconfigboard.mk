include boards/MPS2_AN385/mpconfigboard.mk
include boards/PAEBIRU_COMMON/board.mk
LDFLAGS += -Wl,-T,boards/PAEBIRU_ARM/unwind.ld
