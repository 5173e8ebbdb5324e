/* SPDX-License-Identifier: MIT */
/* The file of a client, a stranger's: opened, copied, checked, and taken as samples. See client.h. */
#include "client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "helper_protocol.h"

/* One thread reads: these are enough for all clients. Few files have more than a part, so most of it is never
 * touched. */
static struct hak_telemetry_file read_buffer[HAK_TELEMETRY_PARTS], previous_buffer;
static struct hak_key read_key; /* whose accepted content is in it; zero: nobody's */

/* What was read of a slot. */
static struct hak_telemetry_slot *slot_read(unsigned index)
{
	return &read_buffer[index / HAK_TELEMETRY_SLOTS].slot[index % HAK_TELEMETRY_SLOTS];
}

/* The file behind the name, if it is still the one that we know. */
static int open_file(const struct hak_client *client, const struct hak_client_home *home,
		     struct stat *ret_status)
{
	int fd, r;

	/* NONBLOCK: a FIFO of that name must not make us wait for its other end. */
	fd = openat(home->clients_fd, client->name,
		    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return errno == ELOOP || errno == ENXIO ? -EINVAL : -errno;
	r = fstat(fd, ret_status) < 0 ? -errno : 0;
	if (r == 0 && (!S_ISREG(ret_status->st_mode) || ret_status->st_dev != home->device))
		r = -EINVAL;
	if (r == 0 && client->inode &&
	    (ret_status->st_ino != client->inode || ret_status->st_uid != client->uid))
		r = -ENOENT; /* taken away, and another one put in its place */
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

static uint64_t load(const _Atomic uint64_t *value)
{
	return atomic_load_explicit(value, memory_order_relaxed); /* a private copy */
}

static uint32_t load32(const _Atomic uint32_t *value)
{
	return atomic_load_explicit(value, memory_order_relaxed);
}

static void put_record(struct hak_tally_record *record, const struct hak_client_score *from)
{
	for (unsigned i = 0; i < 2; i++)
		atomic_store_explicit(&record->key[i], from->strategy[i], memory_order_relaxed);
	for (unsigned i = 0; i < HAK_OUTCOME_COUNT; i++)
		atomic_store_explicit(&record->outcome[i], from->score.outcome[i], memory_order_relaxed);
	atomic_store_explicit(&record->sum_plus, from->score.plus, memory_order_relaxed);
	atomic_store_explicit(&record->sum_minus, from->score.minus, memory_order_relaxed);
	atomic_store_explicit(&record->sum_squares, from->score.squares, memory_order_relaxed);
}

static void take_record(struct hak_client_score *score, const struct hak_tally_record *from)
{
	for (unsigned i = 0; i < 2; i++)
		score->strategy[i] = load(&from->key[i]);
	for (unsigned i = 0; i < HAK_OUTCOME_COUNT; i++)
		score->score.outcome[i] = load32(&from->outcome[i]);
	score->score.plus = load(&from->sum_plus);
	score->score.minus = load(&from->sum_minus);
	score->score.squares = load(&from->sum_squares);
}

/* Most files tell of no games at all. */
static int take_scores(struct hak_client *client)
{
	size_t count = client->score_count;
	struct hak_client_score *scores = client->scores;

	while (count < HAK_TELEMETRY_TALLIES && load(&read_buffer[0].tally[count].key[0]))
		count++;
	if (count > client->score_count) {
		scores = reallocarray(scores, count, sizeof(*scores));
		if (!scores)
			return -ENOMEM;
		memset(scores + client->score_count, 0, (count - client->score_count) * sizeof(*scores));
		client->scores = scores;
		client->score_count = count;
	}
	for (size_t i = 0; i < count; i++)
		take_record(&scores[i], &read_buffer[0].tally[i]);
	return 0;
}

/* The last accepted copy of a part, as far as hak_telemetry_validate() looks at it. */
static const struct hak_telemetry_file *previous_of(const struct hak_client *client, unsigned part)
{
	struct hak_telemetry_file *file = &previous_buffer;

	if (!client->accepted)
		return NULL;
	memset(file, 0, sizeof(*file));
	if (part == 0) {
		atomic_store_explicit(&file->forks_untracked, client->forks_untracked, memory_order_relaxed);
		for (size_t i = 0; i < client->score_count; i++)
			put_record(&file->tally[i], &client->scores[i]);
	}
	for (size_t i = 0; i < HAK_TELEMETRY_SLOTS; i++) {
		const struct hak_sample *sample = client->part[part]->slot[i].sample;
		struct hak_telemetry_slot *slot = &file->slot[i];

		atomic_store_explicit(&slot->claims, client->part[part]->slot[i].claims,
				      memory_order_relaxed);
		if (!sample)
			continue; /* state EMPTY: there is nothing that could fall */
		atomic_store_explicit(&slot->state, sample->state, memory_order_relaxed);
		slot->log_written = sample->log_written;
		for (size_t j = 0; j < HAK_COUNTER_COUNT; j++)
			atomic_store_explicit(&slot->counter[j], sample->counter[j], memory_order_relaxed);
	}
	return file;
}

static void take_fatal(const struct hak_telemetry_slot *from, struct hak_sample *sample)
{
	if (load32(&from->fatal.written) != 1)
		return;
	sample->fatal_usec = from->fatal.time_usec ? from->fatal.time_usec : 1;
	sample->fatal_address = from->fatal.address;
	memcpy(sample->fatal_text, from->fatal.text, sizeof(sample->fatal_text));
	sample->fatal_text[sizeof(sample->fatal_text) - 1] = '\0';
}

static int take_sample(struct hak_slot *slot, const struct hak_telemetry_slot *from)
{
	struct hak_sample *sample = slot->sample;

	if (!sample) {
		sample = calloc(1, sizeof(*sample));
		if (!sample)
			return -ENOMEM;
		slot->sample = sample;
	}
	sample->start_usec = from->start_usec;
	sample->applied_serial = load(&from->applied_serial);
	sample->policy_word = load(&from->policy_word);
	sample->publishes = load(&from->publishes);
	sample->log_written = from->log_written;
	sample->pinned = from->pinned;
	sample->page_bytes = from->page_bytes;
	sample->inner_pid = from->pid;
	sample->state = load32(&from->state);
	sample->window_ticks = load32(&from->game.window_ticks);
	sample->trial_cpu_usec = load32(&from->game.trial_cpu_usec);
	sample->trial_peak_kib = load32(&from->game.trial_peak_kib);
	for (size_t i = 0; i < HAK_COUNTER_COUNT; i++)
		sample->counter[i] = load(&from->counter[i]);
	for (size_t i = 0; i < HAK_GAUGE_COUNT; i++)
		sample->gauge[i] = load(&from->gauge[i]);
	take_fatal(from, sample);
	return 0;
}

/* @from was validated. */
static int take_slot(struct hak_slot *slot, const struct hak_telemetry_slot *from, unsigned *news)
{
	uint32_t claims = load32(&from->claims);

	if (claims == 0 || claims == slot->folded)
		return 0;
	if (claims != slot->claims || slot->phase == HAK_PHASE_FREE) {
		const struct hak_slot before = *slot;

		*slot = (struct hak_slot){.client = before.client,
					  .index = before.index,
					  .phase = HAK_PHASE_NEW,
					  .claims = claims,
					  .folded = before.folded,
					  .freeing = before.freeing,
					  .freed = before.freed};
		memcpy(slot->comm, before.comm, sizeof(slot->comm)); /* for want of a better name */
		free(before.sample);
		if (slot->client->slots_used <= slot->index)
			slot->client->slots_used = slot->index + 1;
		*news |= HAK_NEWS_CLAIMS;
	}
	if (load32(&from->state) == HAK_SLOT_EMPTY)
		return 0; /* the child is filling it just now */
	if (from->log_written > slot->log_told)
		*news |= HAK_NEWS_LOG;
	return take_sample(slot, from);
}

static void add_cost(struct hak_client_cost *cost, const struct hak_slot *slot)
{
	const struct hak_sample *sample = slot->sample;
	bool is_creator = slot->index == 0 && slot->claims == 1;

	cost->work += sample->counter[is_creator ? HAK_COUNTER_alloc_count : HAK_COUNTER_free_count];
	cost->cpu_usec += sample->trial_cpu_usec;
	if (cost->peak_kib < sample->trial_peak_kib)
		cost->peak_kib = sample->trial_peak_kib;
}

void hak_client_end_cost(struct hak_slot *slot)
{
	if (slot->sample)
		add_cost(&slot->client->run.ended, slot);
}

/* @creator: slot 0 of the file. Who claims it later did not begin with what the creator had. */
static void take_run(struct hak_client *client, const struct hak_telemetry_slot *creator)
{
	struct hak_client_run *run = &client->run;

	if (load32(&creator->claims) == 1 && load32(&creator->state) != HAK_SLOT_EMPTY) {
		run->start_usec = creator->start_usec;
		run->trial = load32(&creator->trial);
	}
	run->cost = run->ended;
	HAK_FOREACH_SLOT(slot, client) {
		if (!slot->sample)
			continue;
		add_cost(&run->cost, slot);
		if (run->mapped_bytes < slot->sample->gauge[HAK_GAUGE_peak_mapped_bytes])
			run->mapped_bytes = slot->sample->gauge[HAK_GAUGE_peak_mapped_bytes];
	}
}

const struct hak_log_line *hak_client_log_line(const struct hak_slot *slot, uint64_t number)
{
	if (memcmp(&read_key, &slot->client->key, sizeof(read_key)) != 0)
		return NULL;
	return &slot_read(slot->index)->log[number % HAK_TELEMETRY_LOG_LINES];
}

/* A slot that ends under us may be claimed anew only after we said so: the old claim's process is still
 * tracked. */
static bool claim_is_premature(const struct hak_client *client)
{
	HAK_FOREACH_SLOT(slot, client)
		if (slot->phase != HAK_PHASE_FREE && load32(&slot_read(slot->index)->claims) != slot->claims)
			return true;
	return false;
}

/* Parts from @first to the one before @end, as they are. */
static int read_parts(int fd, unsigned first, unsigned end, size_t *ret_bytes)
{
	const size_t bytes = sizeof(*read_buffer);
	ssize_t length = pread(fd, &read_buffer[first], (end - first) * bytes, (off_t)(first * bytes));

	read_key = (struct hak_key){{0, 0}};
	if (length < 0)
		return -errno;
	*ret_bytes = (size_t)length;
	return 0;
}

/* The same, made safe to use. */
static int read_copy(int fd, const struct hak_client *client, unsigned first, unsigned end)
{
	size_t left = 0;
	int r = read_parts(fd, first, end, &left);

	for (unsigned i = first; r == 0 && i < end; i++) {
		r = hak_telemetry_validate(&read_buffer[i], left, previous_of(client, i));
		left -= sizeof(*read_buffer);
	}
	return r;
}

static int read_steady_copy(int fd, const struct hak_client *client, unsigned first, unsigned end)
{
	int r = read_copy(fd, client, first, end);

	return r == -ERANGE ? read_copy(fd, client, first, end) : r; /* torn by a claim meanwhile */
}

/* Parts that the file says it has. It never has less; an honest one. */
static uint8_t parts_told(const struct hak_client *client)
{
	uint32_t told = load32(&read_buffer[0].parts_open);

	if (told > HAK_TELEMETRY_PARTS)
		told = HAK_TELEMETRY_PARTS;
	return told > client->part_count ? (uint8_t)told : client->part_count;
}

static int take_file(struct hak_client *client, const struct stat *status, unsigned *news)
{
	if (claim_is_premature(client))
		return -ERANGE;
	client->inode = status->st_ino;
	client->uid = status->st_uid;
	client->accepted = true;
	client->library_version = read_buffer[0].library_version;
	client->forks_untracked = load(&read_buffer[0].forks_untracked);
	if (parts_told(client) > client->parts_told && parts_told(client) > client->part_count)
		*news |= HAK_NEWS_PARTS;
	client->parts_told = parts_told(client);
	for (unsigned i = 0; i < client->part_count * (unsigned)HAK_TELEMETRY_SLOTS; i++) {
		int r = take_slot(hak_client_slot(client, i), slot_read(i), news);

		if (r < 0)
			return r;
	}
	take_run(client, slot_read(0));
	return take_scores(client);
}

int hak_client_read(struct hak_client *client, const struct hak_client_home *home, unsigned *ret_news)
{
	struct stat status;
	unsigned news = 0;
	int fd, r;

	fd = open_file(client, home, &status);
	if (fd < 0)
		return fd;
	client->uid = status.st_uid;
	r = read_steady_copy(fd, client, 0, client->part_count);
	close(fd);
	if (r == 0)
		r = take_file(client, &status, &news);
	if (r == 0)
		read_key = client->key;
	if (ret_news)
		*ret_news = news;
	return r;
}

void hak_client_count_unseen(struct hak_client *client, const struct hak_client_home *home)
{
	const unsigned first = client->part_count, end = client->parts_told;
	struct stat status;
	size_t bytes = 0;
	int fd;

	client->unseen = 0;
	fd = first < end ? open_file(client, home, &status) : -1;
	if (fd < 0)
		return;
	(void)read_parts(fd, first, end, &bytes); /* what cannot be read has nobody in it */
	close(fd);
	for (unsigned i = first; i < end && (i - first + 1) * sizeof(*read_buffer) <= bytes; i++)
		for (unsigned j = 0; j < HAK_TELEMETRY_SLOTS; j++)
			client->unseen += load32(&read_buffer[i].slot[j].claims) != 0;
}

int hak_client_read_line(const struct hak_client *client, const struct hak_client_home *home, unsigned slot,
			 struct hak_client_line *ret_line)
{
	off_t offset = (off_t)hak_telemetry_slot_offset(slot);
	struct hak_telemetry_slot line; /* the first one, whole or torn at words, which delays an answer */
	struct stat status;
	ssize_t length;
	int fd;

	fd = open_file(client, home, &status);
	if (fd < 0)
		return fd;
	length = pread(fd, &line, HAK_SLOT_LINE_BYTES, offset);
	close(fd);
	if (length != HAK_SLOT_LINE_BYTES)
		return -EPROTO;
	*ret_line = (struct hak_client_line){.claims = load32(&line.claims),
					     .applied_serial = load(&line.applied_serial),
					     .pinned = line.pinned,
					     .publishes = load(&line.publishes),
					     .purges_done = load(&line.purges_done)};
	return 0;
}

int hak_client_read_ranges(const struct hak_slot *slot, const struct hak_client_home *home,
			   struct hak_helper_request *ret_request)
{
	const struct hak_client *client = slot->client;
	const struct hak_telemetry_slot *from = slot_read(slot->index);
	unsigned part = slot->index / HAK_TELEMETRY_SLOTS;
	struct stat status;
	int fd, r;

	fd = open_file(client, home, &status);
	if (fd < 0)
		return fd;
	r = read_copy(fd, client, part, part + 1);
	close(fd);
	if (r < 0)
		return r;
	if (load32(&from->claims) != slot->claims)
		return -ENODATA; /* another process by now */
	ret_request->range_count = 0;
	ret_request->slot = slot->index;
	ret_request->ranges_sequence = atomic_load_explicit(&from->ranges_sequence, memory_order_relaxed);
	memcpy(ret_request->name, client->name, sizeof(client->name));
	for (size_t i = 0; i < HAK_TELEMETRY_RANGES; i++) {
		uint64_t word = atomic_load_explicit(&from->range[i], memory_order_relaxed);

		if (word)
			ret_request->range[ret_request->range_count++] = (struct hak_helper_range){
				.start = (word >> HAK_RANGE_PAGES_BITS) * from->page_bytes,
				.bytes = (word & ((UINT64_C(1) << HAK_RANGE_PAGES_BITS) - 1)) *
					 from->page_bytes};
	}
	return 0;
}
