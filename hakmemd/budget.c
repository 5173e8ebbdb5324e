/* SPDX-License-Identifier: MIT */
/* See budget.h. */
#include "budget.h"

/* The user's account; else one that was never used, or the longest unused. */
static struct hak_budget_account *account_of(struct hak_budget *budget, uid_t uid, uint64_t now_usec)
{
	struct hak_budget_account *oldest = &budget->account[0];

	for (size_t i = 0; i < HAK_BUDGET_ACCOUNTS; i++) {
		struct hak_budget_account *one = &budget->account[i];

		if (one->used && one->uid == uid)
			return one;
		if (oldest->used && (!one->used || one->last_usec < oldest->last_usec))
			oldest = one;
	}
	*oldest = (struct hak_budget_account){
		.uid = uid, .used = true, .left_usec = HAK_BUDGET_MOST_USEC, .last_usec = now_usec};
	return oldest;
}

static struct hak_budget_account *refilled(struct hak_budget *budget, uid_t uid, uint64_t now_usec)
{
	struct hak_budget_account *account = account_of(budget, uid, now_usec);
	uint64_t passed_usec = now_usec > account->last_usec ? now_usec - account->last_usec : 0;

	/* What fills the account from any depth that one call can dig it is not counted exactly. */
	if (passed_usec > UINT64_C(1) << 40)
		passed_usec = UINT64_C(1) << 40;
	account->left_usec += (int64_t)(passed_usec / HAK_BUDGET_SHARE);
	if (account->left_usec > HAK_BUDGET_MOST_USEC)
		account->left_usec = HAK_BUDGET_MOST_USEC;
	account->last_usec = now_usec;
	return account;
}

bool hak_budget_allows(struct hak_budget *budget, uid_t uid, uint64_t now_usec)
{
	return refilled(budget, uid, now_usec)->left_usec >= 0;
}

void hak_budget_charge(struct hak_budget *budget, uid_t uid, uint64_t began_usec, uint64_t now_usec)
{
	struct hak_budget_account *account = refilled(budget, uid, now_usec);

	if (now_usec > began_usec)
		account->left_usec -= (int64_t)(now_usec - began_usec);
}
