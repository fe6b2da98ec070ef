#!/bin/bash
# e2e_systemd.sh - the installed units under a real systemd: READY and STATUS, stop, restart, reload,
# kill, watchdog, socket activation, journal
set -uo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/e2e/tap.sh
. tests/e2e/tap.sh
# shellcheck source=tests/e2e/systemd-boot.sh
. tests/e2e/systemd-boot.sh
BUILD=${BUILD:-build}

if ! reason=$(boot_possible); then
	skip "a real systemd" "$reason"
	plan
	exit 0
fi

dir=$(mktemp -d /tmp/foster-systemd.XXXXXX)
trap 'boot_stop; rm -rf "$dir"' EXIT
cp -a "$BUILD/stage" "$dir/stage"
mkdir -p "$dir/stage/etc/foster/conf.d" "$dir/stage/opt"
cp "$BUILD/tests/helpers/child" "$dir/stage/opt/child"
cat >"$dir/stage/etc/foster/conf.d/test.ini" <<'END'
[program:tied]
command = /opt/child print tied-began hold
startsecs = 0
stdout_logfile = journal

[program:wild]
command = sh -c 'env -i setsid -f sleep 1234567; exec /opt/child hold'
startsecs = 0

[program:free]
command = /opt/child on 10 7 hold
startsecs = 0
autorestart = false
daemon = false
END
boot_start "$dir/boot" "$dir/stage" || { false; ok "systemd boots"; plan; exit 1; }
why() { boot_run journalctl -b --no-pager -o short-monotonic -n 40 2>/dev/null; }

# ---- helpers ---------------------------------------------------------------------------------------

sd() { boot_run systemctl "$@"; }
ctl() { boot_run fosterctl "$@"; }
property() { sd show -P "$1" "${2:-foster.service}"; }
is() { [ "$1" = "$2" ] || { echo "# '$1' is not '$2'"; return 1; }; }
alive() { boot_run kill -0 "$1" 2>/dev/null; }
await() { # until the command succeeds, 10 s at most
	local i
	for ((i = 0; i < 200; i++)); do
		"$@" && return 0
		sleep 0.05
	done
	echo "# never: $*"
	return 1
}
journal_has() { boot_run journalctl -b --no-pager -o cat "${@:2}" | grep -q -- "$1"; }
status_is() { [ "$(property StatusText)" = "$1" ]; }

# ---- start -----------------------------------------------------------------------------------------

boot_run systemd-analyze verify --recursive-errors=yes /usr/local/lib/systemd/system/foster.service \
	/usr/local/lib/systemd/system/foster.socket
ok "the installed units have no fault"

boot_run systemd-analyze security --offline=true --threshold=91 \
	/usr/local/lib/systemd/system/foster.service >/dev/null
ok "the service is no more exposed than it explains"

sd start foster.service && is "$(property ActiveState)" active && ctl ping >/dev/null
ok "start returns when the control socket answers"

keeper=$(property MainPID)
is "$(ctl pid)" "$keeper"
ok "the main process is the keeper"

await status_is "3 processes are running"
ok "STATUS= says how many run"

is "$(boot_run stat -c %a /run/foster)" 711 && is "$(boot_run stat -c %a /run/foster/foster.sock)" 600
ok "the runtime directory can be entered, the socket is root's"

journal_has 'tied: RUNNING' -u foster.service
ok "fosterd's own log is in the journal"

journal_has tied-began
ok "a child's stream goes to the journal"

priority=$(boot_run journalctl -b -u foster.service -o json --no-pager |
	grep 'tied: RUNNING' | sed -n 's/.*"PRIORITY":"\([0-9]\)".*/\1/p')
is "$priority" 6
ok "a line of the log has its priority"

ctl run -u nobody -- env NOTIFY_SOCKET=/run/systemd/notify systemd-notify --status=a-lie STOPPING=1
await journal_has 'reception only permitted for main PID' && status_is "3 processes are running" &&
	is "$(property ActiveState)" active
ok "a child of another user cannot speak for fosterd"

# ---- cgroups ---------------------------------------------------------------------------------------

delegated=/sys/fs/cgroup/system.slice/foster.service
cgroup_of() { boot_run sed -n "s|^0::|/sys/fs/cgroup|p" "/proc/$1/cgroup"; }

cgroup_of "$(ctl pid tied)" | grep -qE '/foster\.service/tied\.[0-9a-f]{16}$' &&
	ctl show tied | grep -q '^tree  *its cgroup'
ok "a process has a cgroup of its own, and show says so"

old=$(cgroup_of "$(ctl pid tied)")
ctl -q restart tied && new=$(cgroup_of "$(ctl pid tied)") && [ "$new" != "$old" ] &&
	! boot_run test -e "$old" && boot_run test -e "$new"
ok "a new life has a new one, and the old one is gone"

old=$new
boot_run kill -KILL "$(ctl pid tied)"
is_elsewhere() { [ "$(cgroup_of "$(ctl pid tied)")" != "$old" ]; }
await is_elsewhere &&
	await boot_run sh -c "! test -e '$old'"
ok "so has one that follows by order"

await boot_run pgrep -f 'sleep 1234567' >/dev/null && ctl -q stop wild &&
	! boot_run pgrep -f 'sleep 1234567' && [ -z "$(boot_run sh -c "ls -d $delegated/wild.*" 2>/dev/null)" ]
ok "a stop kills even who has left session, group and environment behind"
ctl -q start wild

# ---- reload ----------------------------------------------------------------------------------------

tied=$(ctl pid tied)
boot_run sh -c 'printf "[program:new]\ncommand = /opt/child hold\nstartsecs = 0\n" >/etc/foster/conf.d/new.ini'
sd reload foster.service && await boot_run fosterctl -q status new && is "$(ctl pid tied)" "$tied"
ok "reload applies what changed and leaves the rest"

boot_run sh -c 'echo "[program:" >/etc/foster/conf.d/bad.ini'
! sd reload foster.service 2>/dev/null && is "$(property ActiveState)" active && is "$(ctl pid tied)" "$tied"
ok "a reload of a bad file fails and changes nothing"
boot_run rm /etc/foster/conf.d/bad.ini /etc/foster/conf.d/new.ini
sd reload foster.service

# ---- the parts die ---------------------------------------------------------------------------------

boot_run kill -9 "$(ctl pid supervisor)"
await ctl -q ping && is "$(property MainPID)" "$keeper" && is "$(ctl pid tied)" "$tied"
ok "a killed supervisor is no event to systemd"

# ---- stop, restart, kill: what is no daemon runs on and is adopted ---------------------------------

stored() { property NFileDescriptorStore; }
stored_is() { is "$(stored)" "$1"; }

is "$(stored)" 1
ok "the pidfd of the one that is no daemon is in the descriptor store"

free=$(ctl pid free)
sd stop foster.service && is "$(property Result)" success && ! alive "$tied" && alive "$free"
ok "stop ends the daemon processes and leaves the others"

boot_run test -d /run/foster
ok "the runtime directory stays"

sd start foster.service && is "$(ctl pid free)" "$free" && alive "$(ctl pid tied)" && stored_is 1
ok "the next start adopts them, and starts the daemon processes anew"

adopted() { is "$(ctl pid free)" "$free" && ctl show free | grep -q '^adopted  *yes'; }
for how in restart 'kill --kill-who=main --signal=KILL'; do
	keeper=$(property MainPID)
	tied=$(ctl pid tied)
	replaced() { [ "$(property MainPID)" != "$keeper" ] && ctl -q ping 2>/dev/null; }
	# shellcheck disable=SC2086 # one word an option
	sd $how foster.service
	await replaced && ! alive "$tied" && alive "$(ctl pid tied)" && adopted && stored_is 1
	ok "after systemctl ${how%% *} daemon processes are new, the others the same"
done

# Who it is, and how it ended, is known without any file of ours.
boot_run systemctl kill --kill-who=main --signal=STOP foster.service
boot_run rm -rf /run/foster/table
keeper=$(property MainPID)
boot_run kill -KILL "$keeper"
await replaced && adopted
ok "identity does not depend on files"

boot_run kill -STOP "$(property MainPID)"
keeper=$(property MainPID)
boot_run kill -USR1 "$free"
await boot_run sh -c "! kill -0 $free 2>/dev/null"
boot_run kill -KILL "$keeper"
await replaced && is "$(ctl poll free)" 7 && await stored_is 0
ok "one that ended, and was reaped by systemd, while nobody was there: its status is known"

ctl -q start free && is "$(boot_run sed -n 's/^PPid:\t//p' "/proc/$(ctl pid free)/status")" "$(property MainPID)" &&
	await stored_is 1
ok "its next life is fosterd's own child again"

keeper=$(property MainPID)
free=$(ctl pid free)
tied=$(ctl pid tied)
supervisor=$(ctl pid supervisor)
ctl -q upgrade && is "$(property MainPID)" "$keeper" && is "$(property ActiveState)" active &&
	is "$(ctl pid tied)" "$tied" && is "$(ctl pid free)" "$free" && [ "$(ctl pid supervisor)" != "$supervisor" ]
ok "an upgrade is no event to systemd"

free=$(ctl pid free)
sd restart foster.service && adopted && stored_is 1
ok "and its descriptor store is still right"

# Without --kill-who=main the signal is for every process of the unit.
keeper=$(property MainPID)
free=$(ctl pid free)
tied=$(ctl pid tied)
sd kill --signal=KILL foster.service
await replaced && alive "$(ctl pid tied)" && ! alive "$free" && ! alive "$tied" && is "$(ctl poll free)" -9 &&
	await stored_is 0
ok "killed with all of its processes, it comes back and tells how they ended"
ctl -q start free

# ---- watchdog --------------------------------------------------------------------------------------

boot_run mkdir -p /etc/systemd/system/foster.service.d
boot_run sh -c 'printf "[Service]\nWatchdogSec=1\nTimeoutAbortSec=1\n" >/etc/systemd/system/foster.service.d/watchdog.conf'
sd daemon-reload
sd restart foster.service
keeper=$(property MainPID)
sleep 2.5 # as long as it would take to notice that it is not
is "$(property MainPID)" "$keeper"
ok "the watchdog is fed"

boot_run kill -STOP "$keeper"
await replaced && await journal_has 'Watchdog timeout' -u foster.service
ok "a keeper that hangs is replaced by systemd"

boot_run sh -c 'printf "[foster]\nwatchdog = 0.3\n[include]\nfiles = conf.d/*.ini\n" >/etc/foster/foster.ini'
sd restart foster.service
keeper=$(property MainPID)
supervisor=$(ctl pid supervisor)
boot_run kill -STOP "$supervisor"
other_supervisor() { [ "$(ctl pid supervisor 2>/dev/null)" != "$supervisor" ]; }
await other_supervisor && is "$(property MainPID)" "$keeper"
ok "a supervisor that hangs is replaced by the keeper, before systemd sees anything"
boot_run rm -r /etc/systemd/system/foster.service.d
sd daemon-reload

# ---- socket activation -----------------------------------------------------------------------------

sd stop foster.service
sd start foster.socket && is "$(property ActiveState foster.socket)" active &&
	is "$(property ActiveState)" inactive
ok "the socket listens before fosterd runs"

is "$(ctl ping)" pong && is "$(property ActiveState)" active
ok "the first client starts fosterd and is served"

inode=$(boot_run stat -c %i /run/foster/foster.sock)
sd restart foster.service
is "$(boot_run stat -c %i /run/foster/foster.sock)" "$inode" && is "$(ctl ping)" pong
ok "the socket is the same after a restart"

sd stop foster.socket foster.service 2>/dev/null
is "$(property Result)" success
ok "both stop"

for pid in $(boot_run pgrep -x child); do boot_run kill -9 "$pid"; done
boot_run sh -c '! pgrep foster'
ok "nothing is left"

plan
