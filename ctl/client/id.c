#include "ctl/client/id.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "ctl/client/output.h"

int id_new(char id[ID_TEXT_BYTES])
{
	unsigned char random[ID_TEXT_BYTES / 2];

	if (getrandom(random, sizeof random, 0) != sizeof random) {
		int err = errno;

		complain("cannot get random bytes: %s", strerror(err));
		return -err;
	}
	for (size_t i = 0; i < sizeof random; i++)
		snprintf(id + 2 * i, 3, "%02x", random[i]);
	return 0;
}
