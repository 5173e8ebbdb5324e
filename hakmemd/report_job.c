/* SPDX-License-Identifier: MIT */
/* OpenJobOutput: what came of a job for each process. See report.h. */
#include "report.h"

static void outcome(struct hak_json *json, const struct hak_job_outcome *one)
{
	hak_json_begin(json, NULL, '{');
	hak_json_u64(json, "pid", (uint64_t)one->pid);
	hak_json_string(json, "verdict", hak_wait_verdict_name((enum hak_wait_verdict)one->verdict));
	hak_json_u64(json, "resident_before_bytes", one->before_bytes);
	hak_json_u64(json, "resident_after_bytes", one->after_bytes);
	hak_json_end(json, '}');
}

int hak_report_job(const struct hak_job *job, const struct hak_viewer *viewer)
{
	struct hak_json json;
	int r = hak_report_begin(&json, "hakmem-job");

	if (r < 0)
		return r;
	hak_json_u64(&json, "job", job->id);
	hak_json_string(&json, "kind", "purge");
	hak_json_string(&json, "state", hak_job_state_name(job->state));
	hak_json_string(&json, "target",
			viewer->privileged || viewer->uid == job->uid ? job->target : NULL);
	hak_json_u64(&json, "taken_bytes", job->taken_bytes);
	hak_json_u64(&json, "unanswered", job->unanswered);
	hak_json_begin(&json, "processes", '[');
	for (size_t i = 0; i < job->outcomes; i++)
		if (viewer->privileged || viewer->uid == job->outcome[i].uid)
			outcome(&json, &job->outcome[i]);
	hak_json_end(&json, ']');
	return hak_report_close(&json);
}
