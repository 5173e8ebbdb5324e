/* SPDX-License-Identifier: MIT */
/* The instructions that C has no name for. */
#ifndef HAK_CPU_H
#define HAK_CPU_H

/* Tells the processor that this is a spin loop. */
static inline void hak_cpu_relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

/*
 * To write to a cold line soon: it comes with the right to do so, whoever has it. Baseline x86-64 has no such
 * instruction, and the compiler's prefetch would be one for reading: nothing to a line of ours that others
 * have read. All processors know it but Intel's before Broadwell (2014), where it does nothing.
 */
static inline void hak_cpu_prefetch_for_write(const void *line)
{
#if defined(__x86_64__)
	__asm__ volatile("prefetchw %0" : : "m"(*(const char *)line));
#else
	__builtin_prefetch(line, 1);
#endif
}

#endif
