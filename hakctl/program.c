/* SPDX-License-Identifier: MIT */
/* See program.h. */
#include "program.h"

#include <elf.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { SEGMENTS_MOST = 64, NOTES_BYTES = 1024, GO_BUILD_ID = 4 };

struct program {
	bool is_elf; /* what is none is a script, whose interpreter is looked at by nobody */
	bool is_dynamic, is_go;
};

static size_t rounded(size_t bytes)
{
	return (bytes + 3) / 4 * 4;
}

/* Go's linker leaves the build's id in a note of its own, of owner "Go". */
static bool has_go_note(int fd, const Elf64_Phdr *segment)
{
	size_t room = segment->p_filesz < NOTES_BYTES ? segment->p_filesz : NOTES_BYTES, at = 0;
	char notes[NOTES_BYTES];
	ssize_t got = pread(fd, notes, room, (off_t)segment->p_offset);
	Elf64_Nhdr note;

	while (got > 0 && at + sizeof(note) + sizeof("Go") <= (size_t)got) {
		memcpy(&note, notes + at, sizeof(note));
		if (note.n_type == GO_BUILD_ID && memcmp(notes + at + sizeof(note), "Go", sizeof("Go")) == 0)
			return true;
		at += sizeof(note) + rounded(note.n_namesz) + rounded(note.n_descsz);
	}
	return false;
}

static struct program look(int fd)
{
	struct program program = {.is_elf = false};
	Elf64_Ehdr header;
	Elf64_Phdr segment;

	if (pread(fd, &header, sizeof(header), 0) != (ssize_t)sizeof(header) ||
	    memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64)
		return program;
	for (unsigned i = 0; i < header.e_phnum && i < SEGMENTS_MOST; i++) {
		if (pread(fd, &segment, sizeof(segment), (off_t)(header.e_phoff + i * sizeof(segment))) !=
		    (ssize_t)sizeof(segment))
			return program;
		program.is_dynamic |= segment.p_type == PT_INTERP;
		program.is_go |= segment.p_type == PT_NOTE && has_go_note(fd, &segment);
	}
	program.is_elf = true;
	return program;
}

static const char *refusal_of(int fd)
{
	const struct program program = look(fd);
	struct stat status;

	if (fstat(fd, &status) == 0 && status.st_mode & (S_ISUID | S_ISGID))
		return "the program is setuid or setgid: the loader drops every preload silently";
	if (fgetxattr(fd, "security.capability", NULL, 0) > 0)
		return "the program has file capabilities: the loader drops every preload silently";
	if (!program.is_elf || program.is_dynamic) /* of Go's those with parts in C: these call malloc */
		return NULL;
	if (program.is_go)
		return "the program is Go's, which has an allocator of its own and is linked statically: "
		       "there is nothing to preload into";
	return "the program is linked statically: there is nothing to preload into";
}

const char *hak_program_refusal(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	const char *refusal;

	if (fd < 0)
		return NULL;
	refusal = refusal_of(fd);
	close(fd);
	return refusal;
}
