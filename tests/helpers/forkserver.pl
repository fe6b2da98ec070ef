#!/usr/bin/perl
# forkserver.pl - a forkserver in Perl, written from daemon/forkserver/README.md: the proof that the
# page is enough. It executes programs (it has no entry to offer) and stays the parent of its children.
# Core modules only; SCM_RIGHTS, pidfds and waitid(2) by syscall(), for 64-bit machines.
use strict;
use warnings;
use Fcntl;
use POSIX ();
require 'sys/syscall.ph';

use constant { LINK => 3, SPAWN => 4, REAP => 128, HELLO => 129, FORKED => 130, FAILED => 131, ENDED => 132 };
use constant { SESSION => 1, GROUP => 2, DIES => 4, NO_NEW_PRIVS => 8, TTY => 64, DIRECTORY_FD => 128,
	IDS => 512 };
use constant { FORK => 2, SETSID => 4, SET_TTY => 5, STDIO => 6, LIMITS => 8, GROUPS => 9, GID => 10,
	UID => 11, CHDIR => 12, ENTRY => 14, EXEC => 15 };

my %child; # "slot incarnation" => { pid, pidfd, dies, report (handle), status }

sub address { unpack 'J', pack 'P', $_[0] }

# struct msghdr around the two buffers; $iov must live as long.
my $iov;
sub msghdr {
	$iov = pack 'JJ', address($_[0]), length $_[0];
	pack 'JLx4JJJJLx4', 0, 0, address($iov), 1, length $_[1] ? address($_[1]) : 0, length $_[1], 0;
}

sub say_to_keeper {
	my ($type, $key, $body, @fds) = @_;
	my $data = pack('LSSSSLQQ', 32 + length $body, $type, 1, scalar @fds, 0, split(/ /, $key), 0) . $body;
	$data .= "\0" x (-length($data) % 8);
	my $control = @fds ? pack('QllLx4', 20, 1, 1, $fds[0]) : ''; # at most one: a pidfd
	my $message = msghdr($data, $control);
	while (syscall(&SYS_sendmsg, LINK, $message, 0x4000) < 0) { # MSG_NOSIGNAL
		exit 1 unless $!{EAGAIN} || $!{EINTR};
		select undef, my $writable = pack('b*', '0001'), undef, undef;
	}
}

sub forked {
	my ($key) = @_;
	say_to_keeper(FORKED, $key, pack('l', $child{$key}{pid}), $child{$key}{pidfd});
}

# One message of the keeper.
sub request {
	my ($type, $key, $body, @fds) = @_;
	if ($type == REAP && defined $child{$key}{status}) {
		waitpid $child{$key}{pid}, 0;
		POSIX::close(delete($child{$key})->{pidfd});
	} elsif ($type == SPAWN) {
		spawn($key, $body, @fds);
	}
	delete $child{$key} unless $child{$key}{pid};
	POSIX::close($_) for @fds;
}

sub spawn {
	my ($key, $body, @fds) = @_;
	my %plan;
	(@plan{qw(flags server uid gid n_groups umask n_path n_argv n_env soft hard)}) =
		unpack 'LLLLLlx4LLLx8QQ', $body;
	$plan{groups} = substr $body, 192, 4 * $plan{n_groups};
	($plan{directory}, my $entry, my @strings) = split /\0/, substr($body, 192 + 4 * $plan{n_groups}), -1;
	return say_to_keeper(FAILED, $key, pack('Ll', ENTRY, 0) . "Perl has no entries here\0") unless $plan{n_path};
	$plan{paths} = [splice @strings, 0, $plan{n_path}];
	$plan{argv} = [splice @strings, 0, $plan{n_argv}];
	$plan{env} = [splice @strings, 0, $plan{n_env}];
	pipe my $report, my $write or die; # close-on-exec, as all above 2
	my $pid = fork;
	return say_to_keeper(FAILED, $key, pack('Ll', FORK, $! + 0) . "\0") unless defined $pid;
	if (!$pid) {
		my $step = carry_out(\%plan, @fds);
		syswrite $write, pack 'Ll', $step, $! + 0;
		POSIX::_exit(127);
	}
	my $pidfd = syscall 434, $pid, 0; # pidfd_open(2)
	$child{$key} = { pid => $pid, pidfd => $pidfd, report => $report, dies => $plan{flags} & DIES };
}

# In the child: the plan, in order. Returns the step that failed, with $! set.
sub carry_out {
	my ($plan, @fds) = @_;
	my $flags = $plan->{flags};
	return SETSID if $flags & SESSION ? POSIX::setsid() < 0 : $flags & GROUP && !POSIX::setpgid(0, 0);
	$SIG{$_} = 'DEFAULT' for grep { !/^(?:NUM\d+|KILL|STOP|RT.*|ZERO)$/ } keys %SIG;
	for (0 .. 2) { POSIX::dup2($fds[$_], $_) // return STDIO }
	return SET_TTY if $flags & TTY && syscall(&SYS_ioctl, 0, 0x540E, 0) < 0;
	return LIMITS if $plan->{hard} && syscall(&SYS_prlimit64, 0, 7, pack('QQ', @$plan{qw(soft hard)}), 0) < 0;
	if ($flags & IDS) {
		return GROUPS if syscall(&SYS_setgroups, $plan->{n_groups}, $plan->{groups}) < 0;
		return GID if syscall(&SYS_setresgid, ($plan->{gid}) x 3) < 0;
		return UID if syscall(&SYS_setresuid, ($plan->{uid}) x 3) < 0;
	}
	umask $plan->{umask} if $plan->{umask} >= 0;
	return CHDIR if $flags & DIRECTORY_FD ? syscall(&SYS_fchdir, $fds[3]) < 0
		: length $plan->{directory} && !chdir $plan->{directory};
	return LIMITS if $flags & NO_NEW_PRIVS && syscall(&SYS_prctl, 38, 1, 0, 0, 0) < 0;
	$ENV{$_->[0]} = $_->[1] for map { [split /=/, $_, 2] } @{$plan->{env}};
	my $remembered = POSIX::ENOENT;
	for my $path (@{$plan->{paths}}) {
		no warnings 'exec';
		exec {$path} @{$plan->{argv}};
		$remembered = $! + 0 if $!{EACCES};
		return EXEC unless $!{EACCES} || $!{ENOENT} || $!{ENOTDIR};
	}
	$! = $remembered;
	return EXEC;
}

# The report pipe is readable: what failed, or its end: executed.
sub report {
	my ($key) = @_;
	my $n = sysread delete($child{$key}{report}), my $said, 8;
	return forked($key) unless $n;
	say_to_keeper(FAILED, $key, $said . "\0");
	my $failed = delete $child{$key};
	waitpid $failed->{pid}, 0;
	POSIX::close($failed->{pidfd});
}

# It has ended: tell, and leave it to be reaped.
sub ended {
	my ($key) = @_;
	my ($info, $usage) = ("\0" x 128, "\0" x 144);
	syscall &SYS_waitid, 3, $child{$key}{pidfd}, $info, 0x01000004, $usage; # P_PIDFD, WEXITED | WNOWAIT
	my ($code, $value) = unpack 'x8lx12l', $info;
	$child{$key}{status} = $code == 1 ? $value << 8 : $value | ($code == 3 ? 0x80 : 0);
	my @times = unpack 'qqqqq', $usage;
	say_to_keeper(ENDED, $key, pack 'lLQQQ', $child{$key}{status}, 0,
		$times[0] * 1000000 + $times[1], $times[2] * 1000000 + $times[3], $times[4]);
}

sub receive {
	my ($data, $control) = ("\0" x 65536, "\0" x 256);
	my $message = msghdr($data, $control);
	my $n = syscall &SYS_recvmsg, LINK, $message, 0x40000000; # MSG_CMSG_CLOEXEC
	return if $n < 0 && ($!{EAGAIN} || $!{EINTR});
	if ($n <= 0) { # the keeper is gone
		kill 9, $_->{pid} for grep { $_->{dies} && !defined $_->{status} } values %child;
		exit 0;
	}
	my $length = unpack('x40Q', $message) ? unpack('Q', $control) : 16;
	my @fds = unpack 'l*', substr $control, 16, $length - 16;
	for (my $at = 0; $at < $n;) {
		my ($size, $type, undef, $n_fds, $in_memfd, $slot, $incarnation) = unpack 'LSSSSLQ', substr $data, $at, 32;
		my @own = splice @fds, 0, $n_fds;
		my $body = substr $data, $at + 32, $size - 32;
		if ($in_memfd) {
			open my $memfd, '<&=', shift @own or die;
			sysseek $memfd, 0, 0;
			sysread $memfd, $body, -s $memfd;
		}
		request($type, "$slot $incarnation", $body, @own);
		$at += $size + -$size % 8;
	}
}

open my $link, '+<&=', LINK or die "descriptor 3 is no link: fosterd starts me\n";
fcntl $link, F_SETFD, FD_CLOEXEC;
say_to_keeper(HELLO, '4294967295 0', pack 'LL', 1, 1);
while (1) {
	my $ready = '';
	vec($ready, LINK, 1) = 1;
	vec($ready, fileno $_->{report}, 1) = 1 for grep { $_->{report} } values %child;
	vec($ready, $_->{pidfd}, 1) = 1 for grep { !$_->{report} && !defined $_->{status} } values %child;
	next if select($ready, undef, undef, undef) < 0;
	for my $key (keys %child) {
		my $c = $child{$key};
		if ($c->{report}) {
			report($key) if vec $ready, fileno $c->{report}, 1;
		} elsif (!defined $c->{status}) {
			ended($key) if vec $ready, $c->{pidfd}, 1;
		}
	}
	receive() if vec $ready, LINK, 1;
}
