# SPDX-License-Identifier: MIT
"""What libhakmem knows about an address, and about the heap as a whole, from a live process or a core.

    (gdb) source hakmem.py              (the packages have gdb load it by itself)
    (gdb) hak block ADDRESS
    (gdb) hak heap

Needs the library's debugging symbols (the package libhakmem0-dbgsym, or a build with -g). Calls nothing in
the program, changes nothing, and believes nothing: a core is of a process whose heap may be damaged.
"""
import gdb

ALIGN_SHIFT, GRAIN_SHIFT, OWNER_SHIFT, UNIT_SHIFT = 4, 12, 20, 21
UNIT_BYTES = 1 << UNIT_SHIFT
GRAIN_BYTES = 1 << GRAIN_SHIFT
LARGE_BLOCK_OWNERS = 1 << 17  # how far below an address the start of its mapping is looked for


def value(expression):
    return gdb.parse_and_eval(expression)


def number(expression):
    """An integer of the program; atomic ones are cast, as gdb prints them as structures in places."""
    return int(value(expression))


def library_variable(name, of_file):
    """A variable of the library, static ones by the file that has them."""
    symbol = gdb.lookup_global_symbol(name) or gdb.lookup_static_symbol(name)
    if symbol is None:
        return value(f"'{of_file}'::{name}")
    return symbol.value()


class Heap:
    """The tables that libhakmem keeps (pagemap.h, superslab.h, thread.h)."""

    def __init__(self):
        try:
            pagemap = library_variable("hak_pagemap", "pagemap.c")
        except gdb.error as error:
            raise gdb.GdbError(f"no libhakmem with debugging symbols in this process ({error})")
        self.base = int(pagemap["base"])
        self.limit = int(pagemap["limit"]) << ALIGN_SHIFT
        self.classes = pagemap["classes"].cast(gdb.lookup_type("unsigned char").pointer())
        self.owners = pagemap["owners"].cast(gdb.lookup_type("unsigned long").pointer())
        self.sizes = library_variable("hak_size_class", "sizeclass.c")
        self.large = number("(int)HAK_CLASS_LARGE")
        self.mosaic = number("(int)HAK_CLASS_MOSAIC")
        self.superslab_type = gdb.lookup_type("struct hak_superslab").pointer()
        self.mapping_type = gdb.lookup_type("struct hak_mapping").pointer()

    def class_of_size(self, size):
        return next((c for c in range(1, self.large) if int(self.sizes[c]["block_bytes"]) == size), 0)

    def covers(self, address):
        return 0 <= address - self.base < self.limit

    def class_at(self, address):
        return int(self.classes[(address - self.base) >> GRAIN_SHIFT])

    def owner(self, address):
        return int(self.owners[(address - self.base) >> OWNER_SHIFT])

    def superslab(self, entry):
        return gdb.Value(entry).cast(self.superslab_type).dereference()

    def mapping(self, entry):
        return gdb.Value(entry & ~1).cast(self.mapping_type).dereference()

    def threads(self):
        """Those that have bins, or had them: (number, struct hak_thread)."""
        thread = library_variable("threads", "thread.c")["all"]
        thread = thread.cast(gdb.lookup_type("struct hak_thread").pointer())
        count = 0
        while int(thread):
            yield count, thread.dereference()
            thread = thread["next"].cast(thread.type)
            count += 1

    def all_owners(self):
        """Every superslab, and every mapping of a large block, tagged."""
        last = 0
        for half in range(self.limit >> OWNER_SHIFT):
            entry = int(self.owners[half])
            if entry and entry != last:  # a superslab owns both halves of a unit
                yield entry
            last = entry

    def mapping_around(self, address):
        """The mapping of the large block that reaches to the address; None without one."""
        start = (address - self.base) >> OWNER_SHIFT
        for half in range(start, max(-1, start - LARGE_BLOCK_OWNERS), -1):
            entry = int(self.owners[half])
            if not entry:
                continue
            if not entry & 1:
                return None
            mapping = self.mapping(entry)
            begin = int(mapping["base"])
            if begin <= address:  # else it begins behind it in the same half
                return mapping if address < begin + int(mapping["mapped_bytes"]) else None
        return None


def bins_of(thread, size_class):
    bottom, top = int(thread["bottom"][size_class]), int(thread["top"][size_class])
    slots = thread["bottom"][size_class].cast(gdb.lookup_type("unsigned long").pointer())
    for index in range(min(max(0, (top - bottom) // 8), 1 << 16)):
        yield int(slots[index])


def in_a_bin(heap, block, *size_classes):
    """Number of the thread in whose bin of one of these classes a free block waits; None: in none."""
    for count, thread in heap.threads():
        if any(block in bins_of(thread, size_class) for size_class in size_classes):
            return count
    return None


def runs(superslab):
    """Descriptors of the runs of a superslab, in order of address."""
    grain = 0
    while grain < 512:
        if not int(superslab["used"][grain // 64]) >> grain % 64 & 1:
            grain += 1
            continue
        slab = superslab["slab"][int(superslab["run_slab"][grain])]
        yield slab
        grain += max(1, int(slab["grains"]))


def pieces_of_mosaic(superslab, slab):
    """(address, bytes, is free) of every block and every free run of a slab of many classes."""
    base, cells = int(slab["base"]), int(slab["capacity"])
    words, first = superslab["cells"], (base & (UNIT_BYTES - 1)) // 16 // 64
    free = sum(int(words[first + i]["free"]) << 64 * i for i in range(cells // 64))
    last = sum(int(words[first + i]["last"]) << 64 * i for i in range(cells // 64))
    cell = 0
    while cell < cells:
        start, is_free = cell, bool(free >> cell & 1)
        while cell < cells and bool(free >> cell & 1) == is_free and (is_free or not last >> cell & 1):
            cell += 1
        cell += not is_free
        yield base + start * 16, (cell - start) * 16, is_free


def describe_in_mosaic(heap, superslab, slab, address):
    base = int(slab["base"])
    for block, size, is_free in pieces_of_mosaic(superslab, slab):
        if block <= address < block + size:
            break
    if is_free:
        return f"free memory of the slab of many sizes at {base:#x}"
    where = f"block {block:#x} of {size} bytes"
    if address != block:
        where += f", at its byte {address - block}"
    where += f" (slab of many sizes {base:#x})"
    thread = in_a_bin(heap, block, heap.class_of_size(size), heap.mosaic)
    if thread is not None:
        return where + f": free, in the bin of thread structure {thread}"
    return where + ": in the program's hands"


def is_set(slab, index):
    return bool(int(slab["bits"][index // 64]) >> index % 64 & 1)


def describe_small(heap, slab, address):
    size_class = int(slab["size_class"])
    size = int(heap.sizes[size_class]["block_bytes"])
    base = int(slab["base"])
    index = (address - base) // size
    if index >= int(slab["capacity"]):
        return f"in the unused end of the slab at {base:#x} (blocks of {size} bytes)"
    block = base + index * size
    where = f"block {block:#x} of {size} bytes"
    if address != block:
        where += f", at its byte {address - block}"
    where += f" (slab {base:#x}, block {index} of {int(slab['capacity'])})"
    if index >= int(slab["carved"]):
        return where + ": never handed out"
    if is_set(slab, index):
        return where + ": free, on its slab"
    thread = in_a_bin(heap, block, size_class)
    if thread is not None:
        return where + f": free, in the bin of thread structure {thread}"
    return where + ": in the program's hands"


def describe_in_superslab(heap, superslab, address):
    grain = (address & (UNIT_BYTES - 1)) >> GRAIN_SHIFT
    if not int(superslab["used"][grain // 64]) >> grain % 64 & 1:
        state = next((name for name in ("dirty", "lazy", "purged")
                      if int(superslab[name][grain // 64]) >> grain % 64 & 1), "never used")
        words = {"dirty": "resident, perhaps", "lazy": "given back by MADV_FREE", "purged": "given back"}
        return f"free memory of the superslab at {int(superslab['base']):#x}: {words.get(state, state)}"
    start = int(superslab["base"])
    slab = next(run for run in runs(superslab)
                if (int(run["base"]) - start >> GRAIN_SHIFT) + int(run["grains"]) > grain)
    if int(slab["size_class"]) == heap.mosaic:
        return describe_in_mosaic(heap, superslab, slab, address)
    if int(slab["size_class"]) != heap.large:
        return describe_small(heap, slab, address)
    base, size = int(slab["base"]), int(slab["grains"]) * GRAIN_BYTES
    state = "in the program's hands" if heap.class_at(base) == heap.large else "freed, kept for reuse"
    return f"large block {base:#x} of {size} bytes, at its byte {address - base}: {state}"


def describe(heap, address):
    if not heap.covers(address):
        return "not hakmem's: outside its window"
    entry = heap.owner(address)
    if entry and not entry & 1:
        return describe_in_superslab(heap, heap.superslab(entry), address)
    mapping = heap.mapping_around(address)
    if mapping is None:
        return "not hakmem's: nothing is mapped there"
    block, size = int(mapping["block"]), int(mapping["block_bytes"])
    live = heap.class_at(block) == heap.large
    if not block <= address < block + size:
        return f"beside the large block {block:#x} of {size} bytes, in its mapping"
    return (f"large block {block:#x} of {size} bytes, at its byte {address - block}, in a mapping of its own"
            + (": in the program's hands" if live else ": freed"))


class HakCommand(gdb.Command):
    """Commands that know libhakmem: hak block ADDRESS, hak heap."""

    def __init__(self):
        super().__init__("hak", gdb.COMMAND_DATA, prefix=True)


class BlockCommand(gdb.Command):
    """hak block ADDRESS: which block of libhakmem's an address lies in, and whether it is live."""

    def __init__(self):
        super().__init__("hak block", gdb.COMMAND_DATA, gdb.COMPLETE_EXPRESSION)

    def invoke(self, argument, _):
        if not argument:
            raise gdb.GdbError("write hak block ADDRESS")
        address = int(value(f"(unsigned long)({argument})"))
        print(f"{address:#x}: {describe(Heap(), address)}")


class HeapCommand(gdb.Command):
    """hak heap: what libhakmem has, by size of block."""

    def __init__(self):
        super().__init__("hak heap", gdb.COMMAND_DATA)

    def invoke(self, *_):
        heap = Heap()
        slabs, out, waiting = {}, {}, {}
        unsorted = {block for _, thread in heap.threads() for block in bins_of(thread, heap.mosaic)}
        superslabs = mosaics = free_grains = large_runs = large_run_bytes = mappings = mapping_bytes = 0
        for entry in heap.all_owners():
            if entry & 1:
                mappings += 1
                mapping_bytes += int(heap.mapping(entry)["block_bytes"])
                continue
            superslab = heap.superslab(entry)
            superslabs += 1
            free_grains += int(superslab["free_grains"])
            for slab in runs(superslab):
                size_class = int(slab["size_class"])
                if size_class == heap.large:
                    large_runs += 1
                    large_run_bytes += int(slab["grains"]) * GRAIN_BYTES
                    continue
                if size_class == heap.mosaic:
                    mosaics += 1
                    for block, size, is_free in pieces_of_mosaic(superslab, slab):
                        if not is_free:
                            size_class = heap.class_of_size(size)
                            slabs.setdefault(size_class, 0)
                            out[size_class] = out.get(size_class, 0) + 1
                            waiting[size_class] = waiting.get(size_class, 0) + (block in unsorted)
                    continue
                slabs[size_class] = slabs.get(size_class, 0) + 1
                taken = int(slab["carved"]) - int(slab["free"])
                out[size_class] = out.get(size_class, 0) + taken
        for _, thread in heap.threads():
            for size_class in slabs:
                found = sum(1 for _ in bins_of(thread, size_class))
                waiting[size_class] = waiting.get(size_class, 0) + found
        print(f"{'block bytes':>12}{'slabs':>8}{'live':>10}{'in bins':>10}{'live bytes':>14}")
        total = 0
        for size_class in sorted(slabs):
            size = int(heap.sizes[size_class]["block_bytes"])
            live = out[size_class] - waiting[size_class]
            total += live * size
            print(f"{size:>12}{slabs[size_class]:>8}{live:>10}{waiting[size_class]:>10}{live * size:>14}")
        print(f"small blocks: {total} bytes live; {mosaics} slabs of many sizes")
        print(f"large blocks: {large_runs} runs, {large_run_bytes} bytes; "
              f"{mappings} mappings, {mapping_bytes} bytes")
        print(f"superslabs: {superslabs}, of {UNIT_BYTES} bytes each, {free_grains * GRAIN_BYTES} bytes free")


HakCommand()
BlockCommand()
HeapCommand()
