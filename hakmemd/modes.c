/* SPDX-License-Identifier: MIT */
/* See modes.h. */
#include "modes.h"

struct hak_mode_choice hak_modes_global(const struct hak_mode_inputs *inputs)
{
	if (inputs->panicked)
		return (struct hak_mode_choice){HAK_MODE_MINIMAL, HAK_SOURCE_PANIC, NULL, false};
	if (inputs->has_hold)
		return (struct hak_mode_choice){inputs->hold, HAK_SOURCE_HOLD, NULL, false};
	if (inputs->has_runtime)
		return (struct hak_mode_choice){inputs->runtime, HAK_SOURCE_RUNTIME, NULL, false};
	if (inputs->config->has_mode)
		return (struct hak_mode_choice){inputs->config->mode, HAK_SOURCE_CONFIG, NULL, false};
	return (struct hak_mode_choice){(enum hak_mode)HAK_MODE_BUILTIN, HAK_SOURCE_BUILTIN, NULL, false};
}

struct hak_mode_choice hak_modes_process(const struct hak_mode_inputs *inputs, const char *unit,
					 const char *program)
{
	struct hak_mode_choice choice = hak_modes_global(inputs);
	const struct hak_conf_rule *rule;

	if (inputs->profile && choice.source != HAK_SOURCE_PANIC && choice.source != HAK_SOURCE_HOLD)
		return (struct hak_mode_choice){*inputs->profile, HAK_SOURCE_RUNTIME, NULL, true};
	if (choice.source != HAK_SOURCE_CONFIG && choice.source != HAK_SOURCE_BUILTIN)
		return choice;
	rule = hak_conf_match(inputs->config, HAK_CONF_MODE, unit, program);
	if (rule)
		return (struct hak_mode_choice){rule->mode, HAK_SOURCE_RULE, rule, true};
	return choice;
}

struct hak_policy hak_modes_policy(const struct hak_mode_choice *choice)
{
	struct hak_policy policy = hak_policy_of_mode(choice->mode);

	policy.panic = choice->source == HAK_SOURCE_PANIC;
	return policy;
}

const char *hak_source_name(enum hak_policy_source source)
{
	static const char *const names[HAK_SOURCE_COUNT] = {
		[HAK_SOURCE_BUILTIN] = "built-in",  [HAK_SOURCE_LEARNED] = "learned",
		[HAK_SOURCE_CONFIG] = "configured", [HAK_SOURCE_RULE] = "rule",
		[HAK_SOURCE_RUNTIME] = "runtime",   [HAK_SOURCE_HOLD] = "hold",
		[HAK_SOURCE_PANIC] = "panic",
	};

	return (unsigned)source < HAK_SOURCE_COUNT ? names[source] : "unknown";
}
