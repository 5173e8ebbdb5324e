/* SPDX-License-Identifier: MIT */
/* What manager*.c share; nobody else's. */
#ifndef HAK_MANAGER_PRIVATE_H
#define HAK_MANAGER_PRIVATE_H

#include "manager.h"

enum { HAK_STATE_MODE = 0700 }; /* of the state directory */

/* The mode in force, for everybody: entries first, then the serial. Return: the serial. */
uint64_t hak_manager_publish(struct hak_manager *manager);
/* The view may have changed: look, and tell the bus. */
void hak_manager_tell(struct hak_manager *manager);

/* hak_registry_owner.policy_for */
uint64_t hak_manager_policy_for(void *data, const struct hak_client *client,
				enum hak_policy_source *ret_source);

/* The functions of manager_watch.c for those who watch processes. */
struct hak_registry_owner hak_manager_registry_owner(struct hak_manager *manager);
struct hak_reclaim hak_manager_reclaim(struct hak_manager *manager);

/* The learner's and the registry's parts of it; see manager_learning.c. */
struct hak_learner_owner hak_manager_learner_owner(struct hak_manager *manager);
void hak_manager_collect(void *data, struct hak_client *client);

/* The writing of what processes told; see manager_saving.c. */
int hak_manager_saving_init(struct hak_manager *manager);
void hak_manager_saving_deinit(struct hak_manager *manager);
/* @files: HAK_SAVE_... */
void hak_manager_save(struct hak_manager *manager, unsigned files);
/* Something wants to be saved: soon, or when the batch under way is written. */
void hak_manager_want_saved(struct hak_manager *manager);
/* hak_registry_owner.folded */
void hak_manager_folded(void *data);
/* All that is wanted is saved, and told, when this returns. */
void hak_manager_save_rest(struct hak_manager *manager);

/* A main file that is not there is an empty one, unless --config named it. */
int hak_manager_load_config(struct hak_manager *manager, struct hak_conf *ret_config,
			    struct hak_conf_fault *ret_fault);

#endif
