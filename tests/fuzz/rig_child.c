#include "tests/fuzz/rig_child.h"

#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>

#include "daemon/keeper/rawcall.h"

int rig_child_run(void *data)
{
	const struct rig_child *child = data;
	const uint64_t all = UINT64_MAX; /* the kernel's sigset_t */
	long number = child->exits ? 0 : -EINTR;

	rawcall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
	if (rawcall(SYS_getppid) != child->parent)
		number = 0;
	while (number < 0)
		number = rawcall(SYS_rt_sigtimedwait, RAW(&all), 0, 0, sizeof all);
	for (;;)
		rawcall(SYS_exit, number);
}
