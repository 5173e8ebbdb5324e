/* SPDX-License-Identifier: MIT */
/*
 * Memory for our own tables, far from users' blocks. It is never given back: what is no longer needed is kept
 * by its owner in a list and used again.
 */
#ifndef HAK_META_H
#define HAK_META_H

#include "base.h"

/**
 * hak_meta_alloc() - zeroed, cache-line aligned
 * Threads: any; takes the meta lock. Syscalls: mmap once a MiB. Return: NULL where the OS has no memory.
 */
void *hak_meta_alloc(size_t bytes);

/* Bytes handed out so far; an upper bound of what is resident. */
size_t hak_meta_bytes(void);

void hak_meta_fork_prepare(void);
void hak_meta_fork_parent(void);
void hak_meta_fork_child(void);

#endif
