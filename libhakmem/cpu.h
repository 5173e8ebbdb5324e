/* SPDX-License-Identifier: MIT */
/* The one instruction that C has no name for. */
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

#endif
