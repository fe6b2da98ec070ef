# shellcheck shell=bash
# systemd-boot.sh - boot this machine's own systemd as PID 1 of namespaces of a test's own
#
#   boot_possible            succeeds, or says on stdout why not
#   boot_start DIR STAGE     boot; DIR (empty) holds all that belongs to it, the files below STAGE are
#                            laid over the root directory
#   boot_run COMMAND...      run a command in there
#   boot_stop                power off, and leave nothing: no process, mount or cgroup
#
# systemd sees a copy-on-write view of this machine's root directory, in which no unit of this machine
# is enabled, with its own processes, mounts, hostname, loopback network and cgroup. What is written
# there vanishes at boot_stop. On this machine exist, for that time, DIR and one cgroup.

boot_dir=
boot_pid=

boot_cgroup_root() {
	awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts
}

boot_possible() {
	local tool
	[ "$(id -u)" = 0 ] || { echo "needs root"; return 1; }
	for tool in unshare nsenter setpriv pivot_root; do
		command -v $tool >/dev/null || { echo "needs $tool"; return 1; }
	done
	[ -x /lib/systemd/systemd ] || { echo "needs systemd"; return 1; }
	[ -x /usr/bin/dbus-daemon ] || { echo "needs dbus"; return 1; }
	grep -qw overlay /proc/filesystems || { echo "needs overlayfs"; return 1; }
	[ -n "$(boot_cgroup_root)" ] || { echo "needs a cgroup2 hierarchy"; return 1; }
	unshare --mount --uts --ipc --net --pid --cgroup --fork true 2>/dev/null ||
		{ echo "needs the right to make namespaces"; return 1; }
}

# Run as PID 1 of the new namespaces: lay out the root directory, become systemd. Arguments: directory
# for the layers, stage.
boot_inner() {
	set -eu
	local layers=$1 stage=$2 root=$1/root entry name
	mount -t tmpfs -o mode=755 layers "$layers"
	mkdir "$layers/upper" "$layers/work" "$root"
	mount -t overlay -o "lowerdir=/,upperdir=$layers/upper,workdir=$layers/work" root "$root"
	mkdir -p "$root"/{run,tmp,dev,proc,sys,var/tmp}
	mount -t tmpfs -o mode=755,nosuid,nodev run "$root/run"
	mount -t tmpfs -o mode=1777 tmp "$root/tmp"
	mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
	mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$root/sys"
	mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 "$root/sys/fs/cgroup"
	boot_devices "$root"
	boot_units "$root"
	cp -a "$stage/." "$root/"
	hostname foster-test
	ip link set lo up 2>/dev/null || :
	cd "$root"
	mkdir -p .old
	pivot_root . .old
	umount -l /.old
	exec env -i container=foster-test PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
		setpriv --bounding-set -sys_time,-sys_module,-sys_rawio,-syslog \
		/lib/systemd/systemd --unit=foster-test.target >/dev/null 2>&1 </dev/null
}

boot_devices() { # root
	local dev=$1/dev name
	mount -t tmpfs -o mode=755 dev "$dev"
	mkdir "$dev/pts" "$dev/shm"
	for name in null zero full random urandom tty; do
		: >"$dev/$name"
		mount --bind "/dev/$name" "$dev/$name"
	done
	mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$dev/pts"
	mount -t tmpfs -o mode=1777 shm "$dev/shm"
	ln -s pts/ptmx "$dev/ptmx"
	ln -s /proc/self/fd "$dev/fd"
	ln -s /proc/self/fd/0 "$dev/stdin"
	ln -s /proc/self/fd/1 "$dev/stdout"
	ln -s /proc/self/fd/2 "$dev/stderr"
}

# Of this machine's units only journald and dbus are left; everything else that the stock targets pull
# in is masked. A machine id must be there: without one systemd applies presets, and starts a lot.
boot_units() { # root
	local root=$1 etc=$1/etc/systemd/system target entry name
	rm -rf "$root/etc/systemd/system" "$root/etc/systemd/user"
	mkdir -p "$etc" "$root/etc/systemd/system-generators" "$root/etc/systemd/system.conf.d"
	: >"$root/etc/fstab"
	rm -f "$root/etc/machine-id"
	tr -d - </proc/sys/kernel/random/uuid >"$root/etc/machine-id"
	for target in sysinit sockets local-fs timers multi-user basic graphical; do
		for entry in "$root/lib/systemd/system/$target.target.wants"/*; do
			name=${entry##*/}
			case $name in
			systemd-journald*.socket | systemd-journald.service | dbus.s* | *.target) ;;
			*) ln -sf /dev/null "$etc/$name" ;;
			esac
		done
	done
	for name in systemd-journald-audit.socket systemd-udevd.service systemd-udevd-kernel.socket \
		systemd-udevd-control.socket systemd-logind.service systemd-remount-fs.service \
		systemd-update-utmp.service systemd-firstboot.service console-getty.service; do
		ln -sf /dev/null "$etc/$name"
	done
	for entry in "$root"/lib/systemd/system-generators/*; do
		ln -sf /dev/null "$root/etc/systemd/system-generators/${entry##*/}"
	done
	printf '[Journal]\nStorage=volatile\nRateLimitIntervalSec=0\nReadKMsg=no\nAudit=no\n' \
		>"$root/etc/systemd/journald.conf"
	printf '[Unit]\nRequires=basic.target dbus.socket\nAfter=basic.target dbus.socket\nAllowIsolate=yes\n' \
		>"$etc/foster-test.target"
	printf '[Manager]\nDefaultTimeoutStopSec=10s\nShowStatus=no\nCrashReboot=no\n' \
		>"$root/etc/systemd/system.conf.d/foster-test.conf"
}

boot_start() { # directory, stage
	boot_dir=$1
	local stage=$2 outer i
	boot_cgroup=$(boot_cgroup_root)/foster-test-$$
	mkdir -p "$boot_dir/layers" "$boot_cgroup"
	(
		# From inside the new cgroup, so that the cgroup namespace is rooted there.
		echo "$BASHPID" >"$boot_cgroup/cgroup.procs"
		export -f boot_inner boot_devices boot_units
		exec setsid unshare --mount --uts --ipc --net --pid --cgroup --fork --kill-child \
			--propagation private bash -c 'boot_inner "$@"' inner "$boot_dir/layers" "$stage"
	) >"$boot_dir/log" 2>&1 &
	outer=$!
	for ((i = 0; i < 600; i++)); do
		sleep 0.05
		boot_pid=$(cat "/proc/$outer/task/$outer/children" 2>/dev/null) || break
		boot_pid=${boot_pid%% *}
		[ -S "/proc/${boot_pid:-none}/root/run/systemd/private" ] || continue
		case $(boot_run systemctl is-system-running 2>/dev/null) in
		running | degraded) return 0 ;;
		esac
	done
	cat "$boot_dir/log"
	echo "systemd does not come up"
	return 1
}

boot_run() {
	nsenter -t "$boot_pid" -m -u -i -n -p -C -r -w -- \
		env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 "$@"
}

boot_stop() {
	local i
	[ -n "$boot_dir" ] || return 0
	if [ -n "$boot_pid" ] && [ -d "/proc/$boot_pid" ]; then
		kill -s RTMIN+4 "$boot_pid" 2>/dev/null || : # poweroff.target
		for ((i = 0; i < 200; i++)); do
			[ -d "/proc/$boot_pid" ] || break
			sleep 0.05
		done
		kill -KILL "$boot_pid" 2>/dev/null || :
	fi
	for ((i = 0; i < 100; i++)); do
		find "$boot_cgroup" -depth -type d -exec rmdir {} + 2>/dev/null || :
		[ -d "$boot_cgroup" ] || break
		sleep 0.05
	done
	rm -rf --one-file-system "$boot_dir"
	boot_dir=
}
