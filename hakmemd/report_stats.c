/* SPDX-License-Identifier: MIT */
/* DumpStats: docs/schema/stats.json describes the result. See report_walk.h. */
#include <string.h>

#include "kernel_support.h"
#include "memory_view.h"
#include "process_check.h"
#include "report_walk.h"

static int64_t per_mille(uint64_t part, uint64_t whole)
{
	return whole ? (int64_t)((__uint128_t)part * 1000 / whole) : 0;
}

/* Null where there was nothing. */
static void rate(struct hak_json *json, const char *key, uint64_t hits, uint64_t all)
{
	if (!all)
		hak_json_null(json, key);
	else
		hak_json_milli(json, key, hits > all ? 1000 : per_mille(hits, all));
}

/* How often the fast ways served: thread bins (no refill was needed) and BigCache. */
static void hit_rates(struct hak_json *json, const uint64_t *counter)
{
	uint64_t large = counter[HAK_COUNTER_bigcache_hits] + counter[HAK_COUNTER_bigcache_misses];
	uint64_t refills = counter[HAK_COUNTER_refill_own_slab] + counter[HAK_COUNTER_refill_remote] +
			   counter[HAK_COUNTER_refill_partial] + counter[HAK_COUNTER_refill_reclaimed] +
			   counter[HAK_COUNTER_refill_new_slab];
	uint64_t allocations = counter[HAK_COUNTER_alloc_count];
	uint64_t small = allocations > large ? allocations - large : 0;

	hak_json_begin(json, "hit_rates", '{');
	rate(json, "bins", small > refills ? small - refills : 0, small);
	rate(json, "bigcache", counter[HAK_COUNTER_bigcache_hits], large);
	hak_json_end(json, '}');
}

/* Which counters and gauges: bits by their numbers. The brief ones are what hakctl's tables and metrics are
 * made of; reading all the others of 10,000 processes cost it a second. */
#define ALL UINT64_MAX
static const uint64_t brief_counters = UINT64_C(1) << HAK_COUNTER_alloc_count |
				       UINT64_C(1) << HAK_COUNTER_alloc_bytes |
				       UINT64_C(1) << HAK_COUNTER_purge_runs;
static const uint64_t brief_gauges =
	UINT64_C(1) << HAK_GAUGE_live_bytes | UINT64_C(1) << HAK_GAUGE_held_bytes |
	UINT64_C(1) << HAK_GAUGE_free_bytes | UINT64_C(1) << HAK_GAUGE_lazily_free_bytes;

static void counters(struct hak_json *json, const uint64_t *counter, uint64_t which)
{
	hak_json_begin(json, "counters", '{');
	for (size_t i = 0; i < HAK_COUNTER_COUNT; i++)
		if (which >> i & 1)
			hak_json_u64(json, hak_counter_name((enum hak_counter)i), counter[i]);
	hak_json_end(json, '}');
}

static void gauges(struct hak_json *json, const uint64_t *gauge, uint64_t which)
{
	hak_json_begin(json, "gauges", '{');
	for (size_t i = 0; i < HAK_GAUGE_COUNT; i++)
		if (which >> i & 1)
			hak_json_u64(json, hak_gauge_name((enum hak_gauge)i), gauge[i]);
	hak_json_end(json, '}');
}

static void memory_in_brief(struct hak_json *json, const struct hak_sample *sample, uint64_t resident_bytes)
{
	struct hak_memory_view view = hak_memory_view_of(sample->gauge, resident_bytes);

	hak_json_begin(json, "memory", '{');
	hak_json_u64(json, "resident_bytes", view.resident);
	hak_json_u64(json, "active_bytes", view.active);
	hak_json_u64(json, "pinned_bytes", view.pinned);
	hak_json_end(json, '}');
}

/* Where its resident memory lies, and what was done about it. */
static void memory(struct hak_json *json, const struct hak_sample *sample, uint64_t resident_bytes)
{
	struct hak_memory_view view = hak_memory_view_of(sample->gauge, resident_bytes);
	const uint64_t *counter = sample->counter;

	hak_json_begin(json, "memory", '{');
	hak_json_string(json, "finding", hak_memory_finding(&view, counter));
	hak_json_u64(json, "resident_bytes", view.resident);
	hak_json_u64(json, "allocated_bytes", view.allocated);
	hak_json_u64(json, "active_bytes", view.active);
	hak_json_u64(json, "lazily_free_bytes", view.lazily_free);
	hak_json_u64(json, "held_bytes", view.held);
	hak_json_u64(json, "held_in_bins_bytes", sample->gauge[HAK_GAUGE_bins_bytes]);
	hak_json_u64(json, "held_large_bytes", sample->gauge[HAK_GAUGE_cache_bytes]);
	hak_json_u64(json, "held_runs_bytes", sample->gauge[HAK_GAUGE_dirty_bytes]);
	hak_json_u64(json, "pinned_bytes", view.pinned);
	hak_json_u64(json, "tables_bytes", view.tables);
	hak_json_u64(json, "other_bytes", view.other);
	hak_json_milli(json, "resident_per_allocated", per_mille(view.resident, view.allocated));
	hak_json_milli(json, "active_per_allocated", per_mille(view.active, view.allocated));
	hak_json_u64(json, "purge_runs", counter[HAK_COUNTER_purge_runs]);
	hak_json_u64(json, "returned_bytes", counter[HAK_COUNTER_returned_bytes]);
	hak_json_u64(json, "returned_bytes_per_call",
		     counter[HAK_COUNTER_returned_calls]
			     ? counter[HAK_COUNTER_returned_bytes] / counter[HAK_COUNTER_returned_calls]
			     : 0);
	hak_json_end(json, '}');
}

static void last_words(struct hak_json *json, const struct hak_last_words *words,
		       const struct hak_viewer *viewer)
{
	if (!words->usec || !(viewer->privileged || viewer->uid == words->uid)) {
		hak_json_null(json, "last_fatal");
		return;
	}
	hak_json_begin(json, "last_fatal", '{');
	hak_json_u64(json, "time_usec", words->usec);
	hak_json_u64(json, "pid", words->pid);
	hak_json_u64(json, "uid", words->uid);
	hak_json_string(json, "program", words->program);
	hak_json_string(json, "unit", *words->unit ? words->unit : NULL);
	hak_json_hex(json, "address", words->address);
	hak_json_string(json, "text", words->text);
	hak_json_end(json, '}');
}

static void kernel_block(struct hak_json *json)
{
	hak_json_begin(json, "kernel", '{');
	for (const struct hak_kernel_feature *feature = hak_kernel_features; feature->name; feature++)
		hak_json_bool(json, feature->name, feature->probe(feature->argument));
	hak_json_end(json, '}');
}

static void reclaim_block(struct hak_json *json, struct hak_reclaim *reclaim)
{
	const struct hak_reclaim_stats *stats = &reclaim->stats;

	hak_json_begin(json, "reclaim", '{');
	hak_json_bool(json, "helper", hak_helper_link_is_there(&reclaim->link));
	hak_json_bool(json, "helper_hangs", reclaim->link.hangs);
	hak_json_u64(json, "requests", stats->requests);
	hak_json_u64(json, "calls", stats->calls);
	hak_json_u64(json, "taken_bytes", stats->advised_bytes);
	hak_json_u64(json, "refused_ranges", stats->refused_ranges);
	hak_json_u64(json, "failed", stats->failed);
	hak_json_string(json, "last_error", stats->last_error ? strerror(-stats->last_error) : NULL);
	hak_json_end(json, '}');
}

static void collapse_block(struct hak_json *json, const struct hak_collapse *collapse)
{
	hak_json_begin(json, "collapse", '{');
	hak_json_u64(json, "requests", collapse->requests);
	hak_json_u64(json, "calls", collapse->calls);
	hak_json_u64(json, "huge_bytes", collapse->huge_bytes);
	hak_json_u64(json, "failed", collapse->failed);
	hak_json_string(json, "last_error", collapse->last_error ? strerror(-collapse->last_error) : NULL);
	hak_json_bool(json, "busy", collapse->busy);
	hak_json_end(json, '}');
}

static void profiles_block(struct hak_json *json, const struct hak_profiles *profiles,
			   const struct hak_viewer *viewer)
{
	hak_json_begin(json, "profiles", '[');
	for (size_t i = 0; viewer->privileged && i < profiles->count; i++) {
		const struct hak_profile *profile = &profiles->profile[i];

		hak_json_begin(json, NULL, '{');
		hak_json_string(json, "target", profile->text);
		hak_json_string(json, "mode", profile->has_mode ? hak_mode_name(profile->mode) : NULL);
		if (profile->has_learning)
			hak_json_bool(json, "learning", profile->learning);
		else
			hak_json_null(json, "learning");
		hak_json_end(json, '}');
	}
	hak_json_end(json, ']');
}

static void daemon_block(struct hak_json *json, struct hak_manager *manager, const struct hak_viewer *viewer)
{
	const struct hak_control_header *header = manager->writer.header;

	hak_json_begin(json, "daemon", '{');
	hak_json_string(json, "version", HAK_VERSION);
	hak_json_string(json, "mode", hak_mode_name(manager->view.choice.mode));
	hak_json_string(json, "mode_source", hak_source_name(manager->view.choice.source));
	hak_json_string(json, "configured_mode", hak_mode_name(manager->view.configured));
	hak_json_bool(json, "panicked", manager->view.panicked);
	hak_json_u64(json, "serial", manager->view.serial);
	hak_json_string(json, "segment_state", hak_view_state_name(&manager->view));
	hak_json_hex(json, "segment_id", header->segment_id);
	/* relaxed: we are its only writer */
	hak_json_u64(json, "heartbeat", atomic_load_explicit(&header->heartbeat, memory_order_relaxed));
	hak_json_string(json, "runtime_dir", manager->options->runtime_dir);
	hak_json_u64(json, "started_usec", manager->started_usec);
	hak_json_u64(json, "processes", manager->registry->process_count);
	hak_json_u64(json, "telemetry_files", manager->registry->count);
	hak_json_u64(json, "telemetry_refused", manager->registry->refused);
	kernel_block(json);
	reclaim_block(json, &manager->reclaim);
	collapse_block(json, &manager->reclaim.collapse);
	(void)hak_profiles_expire(&manager->profiles);
	profiles_block(json, &manager->profiles, viewer);
	last_words(json, &manager->last_words, viewer);
	hak_json_end(json, '}');
}

/* Ended processes, and with them those that live. */
static void totals_block(struct hak_json *json, const struct hak_manager *manager)
{
	uint64_t counter[HAK_COUNTER_COUNT], gauge[HAK_GAUGE_COUNT] = {0};
	uint64_t untracked = manager->tallies.forks_untracked;

	memcpy(counter, manager->tallies.counter, sizeof(counter));
	for (const struct hak_client *client = manager->registry->first; client; client = client->next) {
		untracked += client->file_folded ? 0 : client->forks_untracked + client->unseen;
		HAK_FOREACH_SLOT(slot, client) {
			for (size_t i = 0; slot->sample && i < HAK_COUNTER_COUNT; i++)
				counter[i] += slot->sample->counter[i];
			for (size_t i = 0; slot->sample && i < HAK_GAUGE_COUNT; i++)
				gauge[i] += slot->sample->gauge[i];
		}
	}
	hak_json_begin(json, "totals", '{');
	hak_json_u64(json, "ended_processes", manager->tallies.ended);
	hak_json_u64(json, "forks_untracked", untracked);
	counters(json, counter, ALL);
	gauges(json, gauge, ALL);
	hit_rates(json, counter);
	hak_json_end(json, '}');
}

/* What ended processes came to, by unit; for those who may know of everybody's processes. */
static void ended_units(struct hak_json *json, const struct hak_tallies_units *units,
			const struct hak_viewer *viewer)
{
	hak_json_begin(json, "ended_units", '[');
	for (size_t i = 0; viewer->privileged && i < units->count; i++) {
		const struct hak_tallies_unit *unit = &units->unit[i];

		hak_json_begin(json, NULL, '{');
		hak_json_string(json, "unit", *unit->name ? unit->name : NULL);
		hak_json_u64(json, "processes", unit->ended);
		hak_json_u64(json, "alloc_count", unit->allocations);
		hak_json_u64(json, "purge_runs", unit->purges);
		hak_json_u64(json, "faults", unit->faults);
		hak_json_end(json, '}');
	}
	hak_json_end(json, ']');
}

static void fatal_of(struct hak_json *json, const struct hak_sample *sample, bool sees)
{
	if (!sees || !sample->fatal_usec) {
		hak_json_null(json, "fatal");
		return;
	}
	hak_json_begin(json, "fatal", '{');
	hak_json_u64(json, "time_usec", sample->fatal_usec);
	hak_json_hex(json, "address", sample->fatal_address);
	hak_json_string(json, "text", sample->fatal_text);
	hak_json_end(json, '}');
}

/* What it did and has. */
static void figures(struct hak_report_walk *walk, const struct hak_slot *slot)
{
	uint64_t resident_bytes = hak_process_resident_bytes(slot->pid);
	struct hak_json *json = &walk->json;
	const struct hak_sample *sample = slot->sample;

	counters(json, sample->counter, walk->brief ? brief_counters : ALL);
	gauges(json, sample->gauge, walk->brief ? brief_gauges : ALL);
	hit_rates(json, sample->counter);
	if (walk->brief)
		memory_in_brief(json, sample, resident_bytes);
	else
		memory(json, sample, resident_bytes);
}

static void process(struct hak_report_walk *walk, const struct hak_slot *slot)
{
	const struct hak_manager *manager = walk->manager;
	const struct hak_viewer *viewer = &walk->viewer;
	struct hak_json *json = &walk->json;
	const struct hak_sample *sample = slot->sample;
	bool sees = hak_viewer_sees(viewer, slot->client);
	struct hak_policy policy;

	hak_json_begin(json, NULL, '{');
	hak_report_process(json, slot, viewer);
	if (hak_policy_unpack(sample->policy_word, &policy, NULL) == 0) {
		hak_json_string(json, "mode", hak_mode_name((enum hak_mode)policy.mode));
		hak_report_policy(json, "policy", &policy);
	} else {
		hak_json_null(json, "mode");
		hak_json_null(json, "policy");
	}
	hak_json_string(json, "mode_source",
			sample->pinned & HAK_PIN_MODE ? "environment"
						      : hak_source_name(slot->client->source));
	hak_report_pins(json, "pinned", sample->pinned);
	hak_json_u64(json, "applied_serial", sample->applied_serial);
	hak_json_bool(json, "up_to_date", sample->applied_serial >= manager->view.serial);
	hak_json_u64(json, "started_usec", sample->start_usec);
	hak_json_u64_if(json, "faults", sees, slot->faults);
	hak_json_u64(json, "library_version", slot->client->library_version);
	if (sees) {
		figures(walk, slot);
	} else {
		hak_json_null(json, "memory");
		hak_json_null(json, "counters");
		hak_json_null(json, "gauges");
		hak_json_null(json, "hit_rates");
	}
	fatal_of(json, sample, sees);
	hak_json_end(json, '}');
}

static void begin(struct hak_report_walk *walk)
{
	struct hak_json *json = &walk->json;

	daemon_block(json, walk->manager, &walk->viewer);
	totals_block(json, walk->manager);
	ended_units(json, &walk->manager->tallies.units, &walk->viewer);
}

const struct hak_report_kind hak_report_stats = {.name = "hakmem-stats", .begin = begin, .process = process};
