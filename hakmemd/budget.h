/* SPDX-License-Identifier: MIT */
/*
 * How much of the daemon's time each user may have for answers whose cost grows with the number of processes
 * (DumpStats, ListProcesses, Verify, Explain, ...): a quarter of it in the long run, half a second at once.
 * What a call cost is measured and taken from its caller's account; while that is overdrawn, such calls are
 * refused (RateLimited), so that a flood of one user's starves nobody. Pure: the time is the caller's to say.
 */
#ifndef HAK_BUDGET_H
#define HAK_BUDGET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	HAK_BUDGET_ACCOUNTS = 64, /* the longest unused gives way */
	HAK_BUDGET_SHARE = 4,     /* one over: of the time that passes */
	HAK_BUDGET_MOST_USEC = 500000,
};

struct hak_budget_account {
	uid_t uid;
	bool used;
	int64_t left_usec;  /* negative: overdrawn */
	uint64_t last_usec; /* when that was so */
};

struct hak_budget {
	struct hak_budget_account account[HAK_BUDGET_ACCOUNTS];
};

/* May @uid have another answer now? */
bool hak_budget_allows(struct hak_budget *budget, uid_t uid, uint64_t now_usec);

/* It had one, which took from @began_usec to @now_usec. */
void hak_budget_charge(struct hak_budget *budget, uid_t uid, uint64_t began_usec, uint64_t now_usec);

#endif
