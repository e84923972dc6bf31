include boards/VIRT_RV32/mpconfigboard.mk
include boards/PAEBIRU_COMMON/board.mk

# GCC 12 finds no 32-bit libraries under the set's newer name (rv32imac_zicsr), which MicroPython
# asks for; in the older specification the CSR instructions belong to rv32i itself.
ifeq ($(findstring /rv32,$(shell riscv64-unknown-elf-gcc -march=rv32imac_zicsr -mabi=ilp32 \
	-print-libgcc-file-name)),)
RV32_ARCH = rv32imac
override RV32_ABI = ilp32 -misa-spec=2.2
endif

# The stock memory map with room for the heap; build.sh makes it.
LDSCRIPT = boards/PAEBIRU_RV32/virt.ld
