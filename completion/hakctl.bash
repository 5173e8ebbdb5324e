# SPDX-License-Identifier: MIT
# bash completion of hakctl; verbs and options as 'hakctl help --json' lists them (a test compares).

# Values of a member in what a verb tells, of the bus on this command line. Silent without hakmemd.
_hakctl_values() {
	local bus=
	[[ $COMP_LINE =~ --bus=[^[:space:]]+ ]] && bus=${BASH_REMATCH[0]} # COMP_WORDS has it in pieces
	hakctl ${bus:+"$bus"} --no-pager "$1" --json 2>/dev/null |
		grep -oE "\"$2\":\"?[^\",]+" | sed 's/^"[^"]*":"\?//' | sort -u
}

# "pid", "context" or "unit" of the processes that live.
_hakctl_known() {
	_hakctl_values stats "$1" | grep -v '^null$'
}

# Contexts that have learned, and their programs' names.
_hakctl_learned() {
	_hakctl_values ratings context
	_hakctl_values ratings program
}

_hakctl_targets() {
	_hakctl_known pid
	_hakctl_known unit
	_hakctl_known context
}

_hakctl_units() {
	systemctl list-unit-files --no-legend --no-pager --type=service 2>/dev/null | sed 's/[[:space:]].*//'
}

_hakctl_options() {
	local always='--bus= --runtime-dir= --no-pager --help --version'
	case $1 in
	status | get-mode | list-modes | stats | verify | ratings | explain | monitor | doctor | help | version) echo "$always --json" ;;
	import) echo "$always --json --priors" ;;
	set-mode) echo "$always --json --wait --reason=" ;;
	hold) echo "$always --reason=" ;;
	freeze | thaw | rollback) echo "$always --json --reason=" ;;
	panic) echo "$always --json --reason= --off" ;;
	purge) echo "$always --json --wait --reason= --all" ;;
	top) echo "$always --interval=" ;;
	metrics) echo "$always --format= --output=" ;;
	enable) echo "$always --json --now --check" ;;
	disable) echo "$always --json --all --now --check" ;;
	launch) echo "$always --json --unit= --scope" ;;
	*) echo "$always" ;;
	esac
}

_hakctl() {
	local verbs='status set-mode get-mode list-modes stats top verify ratings explain freeze thaw rollback export import monitor metrics hold panic purge doctor
		enable disable crashed run launch help version'
	local modes='minimal fast balanced learning research'
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} verb='' word='' each at=0 arguments=0

	# bash breaks words at '=' and ':'.
	if [ "$current" = '=' ]; then
		word=$previous current=''
	elif [ "$previous" = '=' ]; then
		word=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	COMPREPLY=()
	for ((each = 1; each < COMP_CWORD; each++)); do
		case ${COMP_WORDS[each]} in -* | '=' | ':') continue ;; esac
		case ${COMP_WORDS[each - 1]} in '=' | ':') continue ;; esac
		[ -n "$verb" ] && arguments=$((arguments + 1)) && continue
		verb=${COMP_WORDS[each]} at=$each
	done
	case $word in
	--bus) mapfile -t COMPREPLY < <(compgen -W 'system session user' -- "$current") && return ;;
	--json) mapfile -t COMPREPLY < <(compgen -W 'short pretty' -- "$current") && return ;;
	--format) mapfile -t COMPREPLY < <(compgen -W 'openmetrics prometheus' -- "$current") && return ;;
	--runtime-dir) mapfile -t COMPREPLY < <(compgen -d -- "$current") && return ;;
	--output) mapfile -t COMPREPLY < <(compgen -f -- "$current") && return ;;
	esac
	# A command that is run has a completion of its own.
	case $verb in
	run | launch | hold)
		if [ "$at" -lt $((COMP_CWORD - 1)) ] || { [ "$verb" != hold ] && [ "$at" -lt "$COMP_CWORD" ]; }; then
			if [ "${current:0:1}" != - ]; then
				mapfile -t COMPREPLY < <(compgen -c -- "$current")
				return
			fi
		fi
		;;
	esac
	if [ "${current:0:1}" = - ]; then
		mapfile -t COMPREPLY < <(compgen -W "$(_hakctl_options "$verb")" -- "$current")
		case ${COMPREPLY[0]-} in *=) [ ${#COMPREPLY[@]} -gt 1 ] || compopt -o nospace ;; esac
		return
	fi
	case $verb in
	'') word=$verbs ;;
	set-mode) if [ $arguments = 0 ]; then word="$modes default"; else word=$(_hakctl_targets); fi ;;
	hold) word=$modes ;;
	stats | verify | doctor) word=$(_hakctl_known pid) ;;
	purge) word=$(_hakctl_targets) ;;
	ratings | freeze | thaw | rollback) word=$(_hakctl_learned) ;;
	explain) word="$(_hakctl_known pid) $(_hakctl_learned)" ;;
	enable | disable | crashed) word=$(_hakctl_units) ;;
	monitor) word='change process log fatal decision job' ;;
	help) word=$verbs ;;
	*) word='' ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$word" -- "$current")
}

complete -F _hakctl hakctl
