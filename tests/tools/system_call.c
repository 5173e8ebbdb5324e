/* SPDX-License-Identifier: MIT */
/* system_call NAME: makes one system call, with arguments that it must refuse. Ends with 0 if the kernel
 * answers at all: what a seccomp filter kills does not. */
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
	const char *name;
	long number;
} calls[] = {
	{"ptrace", SYS_ptrace},
	{"process_vm_readv", SYS_process_vm_readv},
	{"process_vm_writev", SYS_process_vm_writev},
	{"pidfd_getfd", SYS_pidfd_getfd},
	{"kcmp", SYS_kcmp},
	{"bpf", SYS_bpf},
	{"mount", SYS_mount},
	{"setuid", SYS_setuid},
	{"process_madvise", SYS_process_madvise},
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc == 2 && i < sizeof(calls) / sizeof(*calls); i++)
		if (strcmp(calls[i].name, argv[1]) == 0) {
			/* Refused, or we are dead. */
			(void)syscall(calls[i].number, -1L, -1L, -1L, -1L, -1L, -1L);
			return 0;
		}
	return 2;
}
