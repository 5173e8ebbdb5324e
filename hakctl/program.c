/* SPDX-License-Identifier: MIT */
/* See program.h. */
#include "program.h"

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* Dynamically linked? What is no ELF file is a script, whose interpreter is. */
static bool is_static(int fd)
{
	Elf64_Ehdr header;
	Elf64_Phdr segment;

	if (pread(fd, &header, sizeof(header), 0) != (ssize_t)sizeof(header) ||
	    memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64)
		return false;
	for (unsigned i = 0; i < header.e_phnum; i++) {
		if (pread(fd, &segment, sizeof(segment), (off_t)(header.e_phoff + i * sizeof(segment))) !=
		    (ssize_t)sizeof(segment))
			return false;
		if (segment.p_type == PT_INTERP)
			return false;
	}
	return true;
}

const char *hak_program_refusal(int fd)
{
	struct stat status;

	if (fstat(fd, &status) == 0 && status.st_mode & (S_ISUID | S_ISGID))
		return "the program is setuid or setgid: the loader drops every preload silently";
	if (fgetxattr(fd, "security.capability", NULL, 0) > 0)
		return "the program has file capabilities: the loader drops every preload silently";
	if (is_static(fd))
		return "the program is linked statically (Go programs mostly are): there is nothing to "
		       "preload "
		       "into";
	return NULL;
}
