/* SPDX-License-Identifier: MIT */
/* See collapse.h. */
#include "collapse.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "log.h"
#include "policy.h"

/* One process that the helper is at, piece by piece; outlives the slot. */
struct hak_collapse_asked {
	struct hak_collapse *collapse;
	LIST_ENTRY(hak_collapse_asked) link;
	uint64_t huge_bytes;
	struct hak_helper_request request;
};

static void forget(struct hak_collapse_asked *asked)
{
	LIST_REMOVE(asked, link);
	free(asked);
}

static void note_failure(struct hak_collapse_asked *asked, int error)
{
	struct hak_collapse *collapse = asked->collapse;

	collapse->failed++;
	if (error == -ESRCH || hak_helper_is_lost(error)) /* it may just have ended */
		return;
	if (error != collapse->last_error)
		hak_log(LOG_WARNING, "hakmem-helper cannot make huge pages in pid %d: %s",
			(int)asked->request.pid, strerror(-error));
	collapse->last_error = error;
	/* EINVAL is one process's: PR_SET_THP_DISABLE; what the kernel does not know is probed for. */
	collapse->refused = error == -EPERM || error == -ENOSYS;
}

static void on_answer(void *data, const struct hak_helper_reply *reply)
{
	struct hak_collapse_asked *asked = data;
	struct hak_collapse *collapse = asked->collapse;

	collapse->calls += reply->calls;
	collapse->huge_bytes += reply->advised_bytes;
	asked->huge_bytes += reply->advised_bytes;
	if (reply->error < 0) {
		note_failure(asked, reply->error);
	} else if (reply->next > asked->request.from && !collapse->busy) { /* khugepaged finds the rest */
		asked->request.from = reply->next;
		if (hak_helper_link_send(collapse->link, &asked->request, on_answer, asked) == 0)
			return;
	} else if (asked->huge_bytes) {
		hak_log(LOG_INFO,
			"made huge pages of %" PRIu64 " MiB in pid %d: its policy has become THP on",
			asked->huge_bytes >> 20, (int)asked->request.pid);
	}
	forget(asked);
}

static bool is_due(const struct hak_collapse *collapse, const struct hak_slot *slot)
{
	struct hak_policy policy;

	return !collapse->refused && !collapse->busy && hak_slot_has_process(slot) &&
	       slot->pid > 0 && slot->sample->policy_word != slot->collapsed_word &&
	       hak_policy_unpack(slot->sample->policy_word, &policy, NULL) == 0 && policy.thp == HAK_THP_ON;
}

void hak_collapse_look_at(struct hak_collapse *collapse, struct hak_slot *slot)
{
	struct hak_collapse_asked *asked;

	if (!is_due(collapse, slot) || !hak_helper_link_is_there(collapse->link))
		return;
	asked = calloc(1, sizeof(*asked));
	if (!asked)
		return; /* later */
	asked->collapse = collapse;
	asked->request.version = HAK_HELPER_VERSION;
	asked->request.kind = HAK_HELPER_COLLAPSE;
	asked->request.pid = slot->pid;
	if (hak_client_read_ranges(slot, collapse->home, &asked->request) < 0 ||
	    hak_helper_link_send(collapse->link, &asked->request, on_answer, asked) < 0) {
		free(asked);
		return;
	}
	LIST_INSERT_HEAD(&collapse->asked, asked, link);
	collapse->requests++;
	slot->collapsed_word = slot->sample->policy_word;
}

void hak_collapse_init(struct hak_collapse *collapse, struct hak_helper_link *link,
		       const struct hak_client_home *home)
{
	*collapse = (struct hak_collapse){.link = link, .home = home};
}

void hak_collapse_deinit(struct hak_collapse *collapse)
{
	while (!LIST_EMPTY(&collapse->asked))
		forget(LIST_FIRST(&collapse->asked));
}
