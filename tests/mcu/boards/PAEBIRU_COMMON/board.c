// The clock of both emulated boards, and what they do when the VM starts.
//
// mp_hal_ticks_cpu counts instructions when QEMU runs with -icount: its virtual clock, on which
// both counters below hang, then advances by a fixed time for each instruction.

#include "py/mphal.h"
#include "py/runtime.h"
#include "py/stackctrl.h"
#include "py/stream.h"
#include "shared/runtime/pyexec.h"

// The port's 10 KB are a board's; the harness and the tests nest deeper than firmware does.
#define STACK_LIMIT (48 * 1024)

#if defined(QEMU_SOC_MPS2)

// FPGAIO of the MPS2 board: a free-running counter.
#define COUNTER (*(volatile uint32_t *)0x40028018)
#define COUNTS_PER_US (25)
#define UART_HAS_INPUT (*(volatile uint32_t *)0x40004004 & 2)

mp_uint_t mp_hal_ticks_cpu(void) {
    return COUNTER;
}

#elif defined(QEMU_SOC_VIRT)

// CLINT of the virt machine: the lower half of mtime.
#define COUNTER (*(volatile uint32_t *)0x0200bff8)
#define COUNTS_PER_US (10)
#define UART_HAS_INPUT (*(volatile uint8_t *)0x10000005 & 1)

mp_uint_t mp_hal_ticks_cpu(void) {
    uint32_t retired;
    __asm volatile ("csrr %0, minstret" : "=r" (retired));
    return retired;
}

#endif

// Right while asked at least once in 2**32 counts (171 s and more).
static uint32_t clock_us, clock_ms;

static void advance(void) {
    static uint32_t last, counts, us;
    uint32_t now = COUNTER;
    counts += now - last;
    last = now;
    uint32_t more = counts / COUNTS_PER_US;
    counts -= more * COUNTS_PER_US;
    clock_us += more;
    us += more;
    clock_ms += us / 1000;
    us %= 1000;
}

mp_uint_t mp_hal_ticks_us(void) {
    advance();
    return clock_us;
}

mp_uint_t mp_hal_ticks_ms(void) {
    advance();
    return clock_ms;
}

// The dates of files: no board here has a calendar, so they count from the start.
uint64_t mp_hal_time_ns(void) {
    return mp_hal_ticks_ms() * (uint64_t)1000000;
}

void mp_hal_delay_us(mp_uint_t us) {
    uint32_t start = mp_hal_ticks_us();
    while (mp_hal_ticks_us() - start < us) {
    }
}

void mp_hal_delay_ms(mp_uint_t ms) {
    uint32_t start = mp_hal_ticks_ms();
    while (mp_hal_ticks_ms() - start < ms) {
        mp_handle_pending(true);
    }
}

void paebiru_board_init(void) {
    mp_stack_set_limit(STACK_LIMIT);
    pyexec_frozen_module("_boot.py", false);
}

// A VM that waits for input asks the UART without end, and each question stops the emulator's
// other thread, which brings the input.  A pause between questions makes uploads faster.
int __real_uart_rx_chr(void);
int __wrap_uart_rx_chr(void) {
    int c = __real_uart_rx_chr();
    if (c < 0) {
        for (volatile int i = 0; i < 2000; i++) {
        }
    }
    return c;
}

// The port's own answers that there is never anything to read.
uintptr_t __wrap_mp_hal_stdio_poll(uintptr_t poll_flags) {
    uintptr_t ready = poll_flags & MP_STREAM_POLL_WR;
    if ((poll_flags & MP_STREAM_POLL_RD) && UART_HAS_INPUT) {
        ready |= MP_STREAM_POLL_RD;
    }
    return ready;
}
