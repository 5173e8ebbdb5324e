/* SPDX-License-Identifier: MIT */
#include "fatal.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base.h"
#include "telemetry.h"
#include "text.h"

static _Atomic(struct hak_fatal_record *) fatal_record;

void hak_fatal_set_record(struct hak_fatal_record *record)
{
	/* release: pairs with the acquire in leave_record(), which may run in any thread */
	atomic_store_explicit(&fatal_record, record, memory_order_release);
}

static void leave_record(const void *address, const char *line, size_t length)
{
	/* acquire: pairs with the release in hak_fatal_set_record() */
	struct hak_fatal_record *record = atomic_load_explicit(&fatal_record, memory_order_acquire);
	struct timespec now = {0};

	if (!record)
		return;
	(void)clock_gettime(CLOCK_REALTIME_COARSE, &now); /* cannot fail; zero would only blur the time */
	record->time_usec = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
	record->address = (uintptr_t)address;
	record->pid = (uint32_t)getpid();
	if (length > sizeof(record->text) - 1)
		length = sizeof(record->text) - 1;
	memcpy(record->text, line, length);
	record->text[length] = '\0';
	/* release: the daemon believes the record once it reads 1 here */
	atomic_store_explicit(&record->written, 1, memory_order_release);
}

static _Noreturn void say_and_abort(const void *address, struct hak_text *text)
{
	leave_record(address, text->start, text->used_bytes);
	text->start[text->used_bytes++] = '\n';
	hak_text_say(text); /* where stderr is closed or full the abort itself still speaks */
	syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), SIGABRT);
	abort(); /* SIGABRT was blocked, ignored or handled: libc insists */
}

_Noreturn void hak_fatal(const char *function, const void *address, const char *fault)
{
	char buffer[256];
	struct hak_text text;

	hak_text_init(&text, buffer, sizeof(buffer) - 1);
	hak_text_add(&text, "hakmem: ");
	hak_text_add(&text, function);
	hak_text_add(&text, "(0x");
	hak_text_add_unsigned(&text, (uintptr_t)address, 16);
	hak_text_add(&text, "): ");
	hak_text_add(&text, fault);
	say_and_abort(address, &text);
}

_Noreturn void hak_assert_failed(const char *condition, const char *file, int line)
{
	char buffer[256];
	struct hak_text text;

	hak_text_init(&text, buffer, sizeof(buffer) - 1);
	hak_text_add(&text, "hakmem: ");
	hak_text_add(&text, file);
	hak_text_add(&text, ":");
	hak_text_add_unsigned(&text, (unsigned)line, 10);
	hak_text_add(&text, ": does not hold: ");
	hak_text_add(&text, condition);
	say_and_abort(NULL, &text);
}
