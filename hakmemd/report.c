/* SPDX-License-Identifier: MIT */
/* The parts that all reports have. See report.h. */
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <sys/mman.h>
#include <unistd.h>

enum { BUFFER_BYTES = 65536 };

int hak_report_begin(struct hak_json *json, const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING), r;

	if (fd < 0)
		return -errno;
	*json = (struct hak_json){.file = fdopen(fd, "w")};
	if (!json->file) {
		r = -errno;
		close(fd);
		return r;
	}
	(void)setvbuf(json->file, NULL, _IOFBF, BUFFER_BYTES);  /* or it goes by 4 KiB */
	(void)__fsetlocking(json->file, FSETLOCKING_BYCALLER); /* it has one thread */
	hak_json_begin(json, NULL, '{');
	hak_json_u64(json, "schema", HAK_REPORT_SCHEMA);
	return 0;
}

/* Two callers may share what we wrote; none may change it. */
static int sealed_copy(int fd)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;

	if (fcntl(fd, F_ADD_SEALS, seals) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return fd < 0 ? -errno : fd;
}

int hak_report_close(struct hak_json *json)
{
	int fd;

	hak_json_end(json, '}');
	putc('\n', json->file);
	fd = fflush(json->file) != 0 || ferror(json->file) ? -EIO : sealed_copy(fileno(json->file));
	(void)fclose(json->file); /* all of it is written */
	return fd;
}

void hak_report_policy(struct hak_json *json, const char *key, const struct hak_policy *policy)
{
	hak_json_begin(json, key, '{');
	hak_json_string(json, "mode", hak_mode_name((enum hak_mode)policy->mode));
	hak_json_string(json, "elo", hak_elo_name((enum hak_elo)policy->elo));
	hak_json_string(json, "free_policy", hak_free_policy_name((enum hak_free_policy)policy->free_policy));
	hak_json_string(json, "thp", hak_thp_name((enum hak_thp)policy->thp));
	hak_json_string(json, "evolution", hak_evolution_name((enum hak_evolution)policy->evolution));
	hak_json_string(json, "log", hak_log_name((enum hak_log)policy->log));
	hak_json_bool(json, "bigcache", policy->bigcache);
	hak_json_bool(json, "batch", policy->batch);
	hak_json_bool(json, "thread_bins", policy->thread_bins);
	hak_json_bool(json, "panic", policy->panic);
	hak_json_u64(json, "strategy", policy->strategy);
	hak_json_end(json, '}');
}

void hak_report_pins(struct hak_json *json, const char *key, uint32_t pinned)
{
	static const struct {
		uint32_t pin;
		const char *name;
	} pins[] = {
		{HAK_PIN_MODE, "mode"},
		{HAK_PIN_THP, "thp"},
		{HAK_PIN_FREE_POLICY, "free_policy"},
		{HAK_PIN_EVOLUTION, "evolution"},
		{HAK_PIN_BIGCACHE, "bigcache"},
		{HAK_PIN_BATCH, "batch"},
		{HAK_PIN_THREAD_BINS, "thread_bins"},
		{HAK_PIN_LOG, "log"},
	};

	hak_json_begin(json, key, '[');
	for (size_t i = 0; i < sizeof(pins) / sizeof(*pins); i++) {
		if (pinned & pins[i].pin)
			hak_json_string(json, NULL, pins[i].name);
	}
	hak_json_end(json, ']');
}

static const char *or_null(const char *text)
{
	return text && *text ? text : NULL;
}

void hak_report_process(struct hak_json *json, const struct hak_slot *slot, const struct hak_viewer *viewer)
{
	const struct hak_client *client = slot->client;
	bool sees = hak_viewer_sees(viewer, client);
	char context[HAK_CONTEXT_HEX_CHARS + 1];

	hak_context_format(&client->context, context);
	hak_json_u64_if(json, "pid", sees, (uint64_t)slot->pid);
	hak_json_string(json, "comm", sees ? or_null(slot->comm) : NULL);
	hak_json_string(json, "exe", sees ? or_null(client->exe) : NULL);
	hak_json_u64_if(json, "uid", sees, client->uid);
	hak_json_string(json, "unit", sees ? or_null(client->place.unit) : NULL);
	hak_json_string(json, "scope", sees ? client->place.scope : NULL);
	hak_json_string(json, "context", context);
	hak_json_bool(json, "redacted", !sees);
	hak_json_bool(json, "verified", slot->phase == HAK_PHASE_LIVE);
	hak_json_u64(json, "slot", slot->index);
}

struct hak_policy hak_report_expected(const struct hak_manager *manager, const struct hak_client *client)
{
	struct hak_policy policy;

	if (client->policy_word && hak_policy_unpack(client->policy_word, &policy, NULL) == 0)
		return policy;
	return manager->view.policy;
}
