# bash completion for fosterctl(1)                                       -*- shell-script -*-
#
# Names come from the running fosterd, by the socket that the command line names.

_fosterctl_names()
{
	local socket=() i

	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-s | --socket) socket=(-s "${COMP_WORDS[i + 1]}") ;;
		--) break ;;
		esac
	done
	timeout 2 fosterctl "${socket[@]}" -o plain status 2>/dev/null | while read -r name _; do
		printf '%s\n' "$name"
	done
}

# The index of the command among COMP_WORDS, or nothing when there is none yet.
_fosterctl_command()
{
	local i

	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-s | --socket | -o | --output) ((i++)) ;;
		-*) ;;
		*)
			echo "$i"
			return
			;;
		esac
	done
}

# Replies from words, one a line; process names may hold ':', which readline takes for a break.
_fosterctl_reply()
{
	local cur=$1 line

	COMPREPLY=()
	while IFS= read -r line; do
		COMPREPLY+=("$line")
	done < <(compgen -W "$2" -- "$cur")
	if declare -F __ltrim_colon_completions >/dev/null; then
		__ltrim_colon_completions "$cur"
	fi
}

_fosterctl_options()
{
	local define='-e --env -d --directory -u --user --start-method --daemon --no-daemon --parent
		--timeout --set'

	case $1 in
	'') echo "-s --socket -o --output -q --quiet -h --help --version" ;;
	start) echo "-s -o -q -h --socket --output --quiet --help $define --same-env --same-dir" ;;
	run) echo "-s -o -q -h --socket --output --quiet --help $define -T --no-tty --name" ;;
	wait) echo "-s -o -q -h --socket --output --quiet --help --timeout --any" ;;
	tail) echo "-s -o -q -h --socket --output --quiet --help -f --follow -n --lines" ;;
	shutdown) echo "-s -o -q -h --socket --output --quiet --help --no-wait" ;;
	upgrade) echo "-s -o -q -h --socket --output --quiet --help --binary" ;;
	*) echo "-s -o -q -h --socket --output --quiet --help" ;;
	esac
}

_fosterctl_signals()
{
	local name

	for name in $(compgen -A signal); do
		echo "${name#SIG}"
	done
}

# What the argument of an option may be. Returns 1 when prev is no option with an argument.
_fosterctl_option_argument()
{
	local prev=$1 cur=$2

	case $prev in
	-s | --socket | --binary) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	-d | --directory) mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
	-u | --user) mapfile -t COMPREPLY < <(compgen -u -- "$cur") ;;
	-o | --output) _fosterctl_reply "$cur" "table plain json" ;;
	--start-method) _fosterctl_reply "$cur" "fork spawn forkserver" ;;
	--parent) _fosterctl_reply "$cur" "none $(_fosterctl_names)" ;;
	-e | --env | -n | --lines | --set | --timeout | --name) COMPREPLY=() ;;
	*) return 1 ;;
	esac
}

_fosterctl_operand()
{
	local command=$1 at=$2 cur=$3

	case $command in
	status | poll | wait | stop | terminate | kill | restart | show | why | forget | events | start)
		_fosterctl_reply "$cur" "all $(_fosterctl_names)"
		;;
	pid) _fosterctl_reply "$cur" "supervisor logger $(_fosterctl_names)" ;;
	tail) _fosterctl_reply "$cur" "stdout stderr $(_fosterctl_names)" ;;
	signal)
		if ((COMP_CWORD == at + 1)); then
			_fosterctl_reply "$cur" "$(_fosterctl_signals)"
		else
			_fosterctl_reply "$cur" "all $(_fosterctl_names)"
		fi
		;;
	update) _fosterctl_reply "$cur" "$(_fosterctl_names | sed 's/:.*//' | sort -u)" ;;
	check) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	help) _fosterctl_reply "$cur" "$_fosterctl_commands" ;;
	*) COMPREPLY=() ;;
	esac
}

_fosterctl_commands='status start run poll wait stop terminate kill restart signal pid show tree why
	forget tail events check reread update reload ping pong version shutdown upgrade help'

_fosterctl()
{
	local cur prev words cword at command i

	if declare -F _get_comp_words_by_ref >/dev/null; then
		_get_comp_words_by_ref -n : cur prev words cword
		COMP_WORDS=("${words[@]}")
		COMP_CWORD=$cword
	else
		cur=${COMP_WORDS[COMP_CWORD]}
		prev=${COMP_WORDS[COMP_CWORD - 1]}
	fi
	COMPREPLY=()
	at=$(_fosterctl_command)
	command=${at:+${COMP_WORDS[at]}}

	# Behind "--" stands a command of its own.
	for ((i = 1; i < COMP_CWORD; i++)); do
		if [[ ${COMP_WORDS[i]} == -- ]]; then
			if ((i == COMP_CWORD - 1)); then
				mapfile -t COMPREPLY < <(compgen -c -- "$cur")
			else
				mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			fi
			return
		fi
	done
	_fosterctl_option_argument "$prev" "$cur" && return
	if [[ $cur == -* ]]; then
		_fosterctl_reply "$cur" "$(_fosterctl_options "$command")"
	elif [[ -z $command ]]; then
		_fosterctl_reply "$cur" "$_fosterctl_commands"
	else
		_fosterctl_operand "$command" "$at" "$cur"
	fi
}

complete -F _fosterctl fosterctl
