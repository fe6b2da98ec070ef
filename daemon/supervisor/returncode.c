#include "daemon/supervisor/returncode.h"

#include <stdio.h>
#include <sys/wait.h>

#include "daemon/base/sig.h"

int returncode_of(int status)
{
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

bool returncode_is_expected(int status, const uint8_t exitcodes[32])
{
	int code = WEXITSTATUS(status);

	return WIFEXITED(status) && exitcodes[code / 8] & 1 << code % 8;
}

int returncode_for_shell(int returncode)
{
	return returncode < 0 ? 128 - returncode : returncode;
}

void returncode_describe(int status, char *text, int size)
{
	if (WIFSIGNALED(status))
		snprintf(text, (size_t)size, "killed by %s%s", sig_name(WTERMSIG(status)),
			 WCOREDUMP(status) ? " (core dumped)" : "");
	else
		snprintf(text, (size_t)size, "exited with status %d", WEXITSTATUS(status));
}
