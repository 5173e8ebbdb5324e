/* SPDX-License-Identifier: MIT */
/* See executable.h. The file is a stranger's: all offsets and sizes are checked, and little is read. */
#include "executable.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { HEADERS_MOST = 64, NOTES_MOST = 4096, NOTE_ALIGN = 4 };

static bool read_at(int fd, void *ret_bytes, size_t length, uint64_t offset)
{
	return offset <= INT64_MAX && pread(fd, ret_bytes, length, (off_t)offset) == (ssize_t)length;
}

/* Notes of one segment: name size, description size, type, then both, each padded to four bytes. */
static bool find_build_id(const uint8_t *notes, size_t length, uint8_t *ret_build_id)
{
	Elf64_Nhdr note;

	for (size_t at = 0; length - at >= sizeof(note);) {
		size_t name, description, end;

		memcpy(&note, notes + at, sizeof(note));
		if (note.n_namesz > length || note.n_descsz > length)
			return false;
		name = at + sizeof(note);
		description = name + (note.n_namesz + NOTE_ALIGN - 1) / NOTE_ALIGN * NOTE_ALIGN;
		end = description + (note.n_descsz + NOTE_ALIGN - 1) / NOTE_ALIGN * NOTE_ALIGN;
		if (end > length)
			return false;
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
		    memcmp(notes + name, "GNU", 4) == 0 && note.n_descsz) {
			memcpy(ret_build_id, notes + description,
			       note.n_descsz < HAK_BUILD_ID_BYTES ? note.n_descsz : HAK_BUILD_ID_BYTES);
			return true;
		}
		at = end;
	}
	return false;
}

int hak_build_id_read(int fd, uint8_t ret_build_id[HAK_BUILD_ID_BYTES])
{
	Elf64_Ehdr file;

	memset(ret_build_id, 0, HAK_BUILD_ID_BYTES);
	if (!read_at(fd, &file, sizeof(file), 0) || memcmp(file.e_ident, ELFMAG, SELFMAG) != 0 ||
	    file.e_ident[EI_CLASS] != ELFCLASS64 || file.e_phentsize != sizeof(Elf64_Phdr))
		return -ENOEXEC;
	for (uint64_t i = 0; i < file.e_phnum && i < HEADERS_MOST; i++) {
		uint8_t notes[NOTES_MOST];
		Elf64_Phdr segment;
		size_t length;

		if (!read_at(fd, &segment, sizeof(segment), file.e_phoff + i * sizeof(segment)))
			return -ENOEXEC;
		length = segment.p_filesz < sizeof(notes) ? segment.p_filesz : sizeof(notes);
		if (segment.p_type == PT_NOTE && read_at(fd, notes, length, segment.p_offset) &&
		    find_build_id(notes, length, ret_build_id))
			return 0;
	}
	return -ENOENT;
}

/* AT_STATX_DONT_SYNC: what the kernel knows by itself, without asking whoever serves the file system. */
static bool is_local(const char *link)
{
	struct statx file, root;

	return statx(AT_FDCWD, link, AT_STATX_DONT_SYNC, 0, &file) == 0 &&
	       statx(AT_FDCWD, "/", AT_STATX_DONT_SYNC, 0, &root) == 0 &&
	       (file.stx_dev_major != 0 ||
		(file.stx_dev_major == root.stx_dev_major && file.stx_dev_minor == root.stx_dev_minor));
}

void hak_executable_read(pid_t pid, struct hak_executable *ret_executable)
{
	char link[64];
	ssize_t length;
	int fd;

	memset(ret_executable, 0, sizeof(*ret_executable));
	snprintf(link, sizeof(link), "/proc/%d/exe", (int)pid);
	length = readlink(link, ret_executable->path, HAK_EXE_CHARS);
	ret_executable->path[length > 0 ? length : 0] = '\0';
	if (length <= 0 || !is_local(link))
		return;
	fd = open(link, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return;
	(void)hak_build_id_read(fd, ret_executable->build_id); /* none: zeros say so */
	close(fd);
}
