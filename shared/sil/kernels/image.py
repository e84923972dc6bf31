"""A picture to eight by eight blocks, and which way it brightens."""

from sil.compat import ptr8, ptr32


def add(src: ptr8, start: int, n: int, width: int, height: int, position: int, sums: ptr32) -> int:
    """Add `n` pixels src[start:] to the 64 block sums; return the position behind them.

    The picture comes row by row; its pixel `position` is the first of these.  A pixel (x, y)
    is in block x * 8 // width of row y * 8 // height; both sides are 8..1024.
    """
    i = int(start)
    end = i + n
    p = int(position)
    y = p // width
    x = p % width
    while i < end:
        block = (y * 8 // height) * 8 + x * 8 // width
        sums[block] = (sums[block] & 0x3FFFFFFF) + (src[i] & 0xFF)
        i += 1
        p += 1
        x += 1
        if x == width:
            x = 0
            y += 1
    return p


def means(sums: ptr32, width: int, height: int, invert: int, out: ptr8) -> int:
    """Write the 64 means of a whole picture, rounded; return their sum.  The sums are cleared.

    With `invert` 255 the picture is turned into its negative, with 0 it stays.
    """
    total = 0
    b = 0
    while b < 64:
        row = b >> 3
        column = b & 7
        high = ((row + 1) * height + 7) // 8 - (row * height + 7) // 8
        wide = ((column + 1) * width + 7) // 8 - (column * width + 7) // 8
        count = high * wide
        mean = ((sums[b] & 0x3FFFFFFF) + (count >> 1)) // count
        mean = mean ^ invert
        out[b] = mean & 0xFF
        total += mean & 0xFF
        sums[b] = 0
        b += 1
    return total


def brightens(blocks: ptr8, counts: ptr32) -> int:
    """Return the direction, of 16, in which most of an 8 by 8 picture brightens; 0 right, 4 up.

    Each inner block votes with the size of its gradient; `counts` is room for 16 sums.  A
    picture without any gradient gives 0.
    """
    b = 0
    while b < 16:
        counts[b] = 0
        b += 1
    b = 9
    while b < 55:
        column = b & 7
        if column != 0 and column != 7:
            gx = (blocks[b + 1] & 0xFF) - (blocks[b - 1] & 0xFF)
            gy = (blocks[b - 8] & 0xFF) - (blocks[b + 8] & 0xFF)
            x = gx
            if x < 0:
                x = -x
            y = gy
            if y < 0:
                y = -y
            # tan(pi/16) = 0.19891, tan(3*pi/16) = 0.66818, in Q14
            step = 2
            if y << 14 < x * 3259:
                step = 0
            elif y << 14 < x * 10947:
                step = 1
            elif x << 14 < y * 3259:
                step = 4
            elif x << 14 < y * 10947:
                step = 3
            if gx < 0:
                step = 8 - step
            if gy < 0:
                step = 16 - step
            step = step & 15
            counts[step] = (counts[step] & 0x3FFFFFFF) + x + y
        b += 1
    best = 0
    most = 0
    b = 0
    while b < 16:
        count = counts[b] & 0x3FFFFFFF
        if count > most:
            most = count
            best = b
        b += 1
    return best
