/* SPDX-License-Identifier: MIT */
/*
 * Which arena a thread or a heap takes runs from. What two CPUs take from one arena goes from core to core,
 * and not its books alone: blocks as well, which one thread wrote and the next one writes. That costs far
 * more than the waits for its lock, which may be few. So it is measured by who had the lock before. The
 * blocks of a slab do not cross with it: they lie in bins for long. So slabs are no reason for another arena,
 * each of which keeps free memory of its own.
 */
#include "ghost.h"
#include "os.h"
#include "superslab_private.h"

enum { CPUS = 256 }; /* with more of them some share an arena */

static struct {
	unsigned count;
	_Atomic uint8_t after[CPUS]; /* the arena of each CPU, and one more; 0: it has none */
} given;

/* Return: one more than its number; 0: the CPU has none. */
static unsigned given_to(unsigned cpu)
{
	/* relaxed: what an arena has is seen under its lock */
	return atomic_load_explicit(&given.after[cpu % CPUS], memory_order_relaxed);
}

/*
 * The first such CPU gets the second arena, the next the first, from which that went, and then each one more.
 * Under the first one's lock, which fork holds as well: no arena is new in the middle of it.
 */
static void give(unsigned cpu)
{
	unsigned after;

	hak_lock_acquire(&hak_arenas[0].lock);
	if (!given_to(cpu)) {
		after = (given.count < 2 ? 1 - given.count : given.count) % HAK_ARENAS + 1;
		given.count++;
		if (hak_arena_count() < after) /* relaxed: a gauge */
			atomic_store_explicit(&hak_arenas_used, after, memory_order_relaxed);
		atomic_store_explicit(&given.after[cpu % CPUS], (uint8_t)after, memory_order_relaxed);
	}
	hak_lock_release(&hak_arenas[0].lock);
}

/* From here on that of the CPU that the thread runs on, if it has one. */
static void follow(struct hak_arena_choice *choice, unsigned cpu)
{
	unsigned after = given_to(cpu);

	choice->cpu = cpu;
	if (after)
		choice->arena = (uint8_t)(after - 1);
}

/* The arena came from another CPU: again and again? */
static bool crosses_often(struct hak_arena_choice *choice)
{
	uint32_t now = hak_os_coarse_msec();

	if (now - choice->since_msec > HAK_CROSSINGS_MSEC) {
		choice->since_msec = now;
		choice->crossings = 0;
	}
	return ++choice->crossings >= HAK_CROSSINGS_MOST;
}

/* Return: the arena, locked. @crossed: it was not a thread on this CPU that had it before. */
static struct hak_arena *lock_number(unsigned number, unsigned cpu, bool *crossed)
{
	struct hak_arena *arena = &hak_arenas[number];

	hak_lock_acquire(&arena->lock);
	*crossed = arena->cpu != cpu;
	arena->cpu = cpu;
	return arena;
}

struct hak_arena *hak_arena_lock(struct hak_arena_choice *choice)
{
	unsigned cpu = (unsigned)hak_os_cpu() + 1; /* 0: unknown */
	struct hak_arena *arena;
	bool crossed;

	if (hak_ghosts_watch())
		return lock_number(0, cpu, &crossed);
	if (choice->cpu != cpu && hak_arena_count() > 1)
		follow(choice, cpu);
	arena = lock_number(choice->arena, cpu, &crossed);
	if (hak_likely(!crossed))
		return arena;
	if (given_to(cpu)) {
		follow(choice, cpu); /* it was given meanwhile: the next run comes from there */
		return arena;
	}
	if (choice->for_slabs || !crosses_often(choice))
		return arena;
	hak_lock_release(&arena->lock);
	give(cpu);
	follow(choice, cpu);
	return lock_number(choice->arena, cpu, &crossed);
}
