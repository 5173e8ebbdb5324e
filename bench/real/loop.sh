#!/bin/bash
# SPDX-License-Identifier: MIT
# bash: variables, arrays, patterns and subshells, as scripts around services use them.
part=$1
declare -A seen
for ((i = 0; i < 16000 / part; i++)); do
	word="item-$((i * 7919 % 1009)).log"
	seen[${word%.log}]=$((${seen[${word%.log}]:-0} + ${#word}))
	((i % 400)) || total=$(printf '%s\n' "${!seen[@]}" |
		while read -r line; do echo "${line//-/ }"; done | tail -1)
done
echo "${#seen[@]} $total ${seen[item-77]}"
