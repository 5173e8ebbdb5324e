# SPDX-License-Identifier: MIT
# bash completion of hakctl; verbs and options as 'hakctl help --json' lists them (a test compares).

# What hakmemd knows: "pid", "context" or "unit" of the processes that live. Silent without it.
_hakctl_known() {
	local bus
	for bus in "${COMP_WORDS[@]}"; do
		case $bus in --bus=*) break ;; *) bus= ;; esac
	done
	hakctl ${bus:+"$bus"} --no-pager stats --json 2>/dev/null |
		grep -oE "\"$1\":\"?[^\",]+" | sed 's/.*://; s/"//' | sort -u
}

_hakctl_units() {
	systemctl list-unit-files --no-legend --no-pager --type=service 2>/dev/null | sed 's/[[:space:]].*//'
}

_hakctl_options() {
	local always='--bus= --runtime-dir= --no-pager --help --version'
	case $1 in
	status | get-mode | list-modes | stats | verify | ratings | explain | import | monitor | doctor | help | version) echo "$always --json" ;;
	set-mode) echo "$always --json --wait --reason=" ;;
	hold) echo "$always --reason=" ;;
	freeze | thaw | rollback) echo "$always --reason=" ;;
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
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} verb='' at word=''

	# bash breaks words at '='.
	if [ "$current" = '=' ]; then
		word=$previous current=''
	elif [ "$previous" = '=' ]; then
		word=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	COMPREPLY=()
	for ((at = 1; at < COMP_CWORD; at++)); do
		case ${COMP_WORDS[at]} in
		-* | '=') ;;
		*)
			[ "${COMP_WORDS[at - 1]}" = '=' ] && continue
			verb=${COMP_WORDS[at]}
			break
			;;
		esac
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
	set-mode) word="$modes default" ;;
	hold) word=$modes ;;
	stats | verify | doctor) word=$(_hakctl_known pid) ;;
	purge) word="$(_hakctl_known pid) $(_hakctl_known unit)" ;;
	enable | disable | crashed) word=$(_hakctl_units) ;;
	monitor) word='change process log fatal decision job' ;;
	help) word=$verbs ;;
	*) word='' ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$word" -- "$current")
}

complete -F _hakctl hakctl
