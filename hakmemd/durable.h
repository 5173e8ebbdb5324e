/* SPDX-License-Identifier: MIT */
/*
 * Writes that wait for the disk while the event loop goes on: a thread makes them, a batch at a time.
 *
 *	idle -> hak_durable_begin() -> under way -> written -> done(), in the loop -> idle
 *
 * So what ends while a batch is under way shares the next one, however slow the disk is. Who reads telemetry
 * has to be there while a process lives: one that lives for 0.1 s has gone after a wait of 0.2.
 *
 * The thread is made for the first batch. It touches the batch while that is under way, the loop's thread
 * before and after; `state` says which, under `lock`.
 */
#ifndef HAK_DURABLE_H
#define HAK_DURABLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

enum { HAK_DURABLE_NAME_CHARS = 63 };

/* To be replaced, as hak_file_replace() does, or appended to, as hak_file_append() does. */
struct hak_durable_file {
	int directory_fd; /* borrowed */
	char name[HAK_DURABLE_NAME_CHARS + 1];
	char *text; /* zero-terminated; the batch's, freed with it */
	char removes[HAK_DURABLE_NAME_CHARS + 1]; /* what is of no use once this is written; "": nothing is */
	bool appends;
	bool syncs;      /* what is appended; what replaces a file always is */
	uint64_t offset; /* where it is appended */
	void *data;      /* the caller's */
	int result;      /* 0, or why not */
};

struct hak_durable_batch {
	struct hak_durable_file *files; /* the batch's, freed with it */
	size_t file_count;
};

enum hak_durable_state { HAK_DURABLE_IDLE, HAK_DURABLE_UNDER_WAY, HAK_DURABLE_WRITTEN };

struct hak_durable {
	pthread_mutex_t lock;
	pthread_cond_t changed; /* state or is_over */
	enum hak_durable_state state;
	bool is_over;
	struct hak_durable_batch batch;
	/* The loop's thread's alone. */
	bool has_thread;
	pthread_t thread;
	int event_fd; /* readable: a batch is written */
	sd_event_source *source;
	void (*done)(void *data, const struct hak_durable_batch *batch);
	void *data;
};

/* What the thread does with each. */
void hak_durable_write(struct hak_durable_file *file);

/* @file's text becomes the batch's. Return: false: no memory, and the text is freed. */
bool hak_durable_add(struct hak_durable_batch *batch, const struct hak_durable_file *file);

/* @done: is called by the loop, and may not begin the next batch. Return: 0, or why not. */
int hak_durable_init(struct hak_durable *durable, sd_event *event,
		     void (*done)(void *data, const struct hak_durable_batch *batch), void *data);
/* A batch under way is waited for. Not initialised, but zeroed: nothing. */
void hak_durable_deinit(struct hak_durable *durable);

/* May a batch begin? */
bool hak_durable_is_idle(struct hak_durable *durable);
/* It takes the batch over. Without a thread (no memory) it is written before this returns. */
void hak_durable_begin(struct hak_durable *durable, const struct hak_durable_batch *batch);

/* Until the batch under way is written, and done() was called. Not from within what the loop does with what
 * done() takes away. */
void hak_durable_finish(struct hak_durable *durable);

#endif
