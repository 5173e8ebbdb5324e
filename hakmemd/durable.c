/* SPDX-License-Identifier: MIT */
/* See durable.h. */
#include "durable.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "file_replace.h"

void hak_durable_write(struct hak_durable_file *file)
{
	size_t length = strlen(file->text);

	file->result = file->appends ? hak_file_append(file->directory_fd, file->name, file->offset,
						       file->text, length, file->syncs)
				     : hak_file_replace(file->directory_fd, file->name, file->text, length);
	if (file->result == 0 && *file->removes)
		(void)unlinkat(file->directory_fd, file->removes, 0); /* who named it bears that it stays */
}

static void write_batch(struct hak_durable_batch *batch)
{
	for (size_t i = 0; i < batch->file_count; i++)
		hak_durable_write(&batch->files[i]);
}

static void free_batch(struct hak_durable_batch *batch)
{
	for (size_t i = 0; i < batch->file_count; i++)
		free(batch->files[i].text);
	free(batch->files);
	*batch = (struct hak_durable_batch){.files = NULL};
}

/* Under the lock. */
static void tell_written(struct hak_durable *durable)
{
	const uint64_t one = 1;

	durable->state = HAK_DURABLE_WRITTEN;
	(void)pthread_cond_broadcast(&durable->changed);
	/* Eight bytes into a counter that is read at each batch: cannot fail, and nothing waits for it. */
	(void)!write(durable->event_fd, &one, sizeof(one));
}

static void *run(void *data)
{
	struct hak_durable *durable = data;

	(void)pthread_setname_np(pthread_self(), "hakmemd-disk"); /* for people */
	(void)pthread_mutex_lock(&durable->lock); /* a normal one, not ours yet: cannot fail */
	for (;;) {
		while (durable->state != HAK_DURABLE_UNDER_WAY && !durable->is_over)
			(void)pthread_cond_wait(&durable->changed, &durable->lock);
		if (durable->state != HAK_DURABLE_UNDER_WAY)
			break;
		(void)pthread_mutex_unlock(&durable->lock);
		write_batch(&durable->batch);
		(void)pthread_mutex_lock(&durable->lock);
		tell_written(durable);
	}
	(void)pthread_mutex_unlock(&durable->lock);
	return NULL;
}

static enum hak_durable_state state_of(struct hak_durable *durable)
{
	enum hak_durable_state state;

	(void)pthread_mutex_lock(&durable->lock);
	state = durable->state;
	(void)pthread_mutex_unlock(&durable->lock);
	return state;
}

static void deliver(struct hak_durable *durable)
{
	if (state_of(durable) != HAK_DURABLE_WRITTEN)
		return; /* hak_durable_finish() came before */
	durable->done(durable->data, &durable->batch);
	free_batch(&durable->batch);
	(void)pthread_mutex_lock(&durable->lock);
	durable->state = HAK_DURABLE_IDLE;
	(void)pthread_mutex_unlock(&durable->lock);
}

static int on_written(sd_event_source *source, int fd, uint32_t events, void *data)
{
	uint64_t count;

	(void)!read(fd, &count, sizeof(count)); /* it is not readable any more then */
	deliver(data);
	return 0;
}

bool hak_durable_add(struct hak_durable_batch *batch, const struct hak_durable_file *file)
{
	struct hak_durable_file *grown = reallocarray(batch->files, batch->file_count + 1, sizeof(*grown));

	if (!grown) {
		free(file->text);
		return false;
	}
	batch->files = grown;
	grown[batch->file_count++] = *file;
	return true;
}

int hak_durable_init(struct hak_durable *durable, sd_event *event,
		     void (*done)(void *data, const struct hak_durable_batch *batch), void *data)
{
	int r;

	*durable = (struct hak_durable){.done = done, .data = data};
	durable->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (durable->event_fd < 0)
		return -errno;
	(void)pthread_mutex_init(&durable->lock, NULL); /* default attributes: cannot fail */
	(void)pthread_cond_init(&durable->changed, NULL);
	r = sd_event_add_io(event, &durable->source, durable->event_fd, EPOLLIN, on_written, durable);
	if (r < 0)
		hak_durable_deinit(durable);
	return r < 0 ? r : 0;
}

void hak_durable_deinit(struct hak_durable *durable)
{
	if (!durable->done)
		return;
	sd_event_source_disable_unref(durable->source);
	if (durable->has_thread) {
		(void)pthread_mutex_lock(&durable->lock);
		durable->is_over = true;
		(void)pthread_cond_broadcast(&durable->changed);
		(void)pthread_mutex_unlock(&durable->lock);
		(void)pthread_join(durable->thread, NULL); /* ours, joined once: cannot fail */
	}
	free_batch(&durable->batch);
	(void)pthread_cond_destroy(&durable->changed);
	(void)pthread_mutex_destroy(&durable->lock);
	close(durable->event_fd);
	*durable = (struct hak_durable){.event_fd = -1};
}

bool hak_durable_is_idle(struct hak_durable *durable)
{
	return state_of(durable) == HAK_DURABLE_IDLE;
}

void hak_durable_begin(struct hak_durable *durable, const struct hak_durable_batch *batch)
{
	if (!durable->has_thread)
		durable->has_thread = pthread_create(&durable->thread, NULL, run, durable) == 0;
	(void)pthread_mutex_lock(&durable->lock);
	durable->batch = *batch;
	durable->state = HAK_DURABLE_UNDER_WAY;
	if (!durable->has_thread) {
		write_batch(&durable->batch);
		tell_written(durable);
	}
	(void)pthread_cond_broadcast(&durable->changed);
	(void)pthread_mutex_unlock(&durable->lock);
}

void hak_durable_finish(struct hak_durable *durable)
{
	(void)pthread_mutex_lock(&durable->lock);
	while (durable->state == HAK_DURABLE_UNDER_WAY)
		(void)pthread_cond_wait(&durable->changed, &durable->lock);
	(void)pthread_mutex_unlock(&durable->lock);
	deliver(durable);
}
