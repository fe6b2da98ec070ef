#include "ctl/client/lines.h"

#include <errno.h>
#include <sys/param.h>
#include <unistd.h>

#define BLOCK_BYTES 16384

/* The next block that ends at `end`, read whole; a file that shrank meanwhile gives zeroes. */
static ssize_t read_block(int fd, off_t end, char *block)
{
	off_t begin = MAX(end - BLOCK_BYTES, (off_t)0);
	ssize_t n;

	do
		n = pread(fd, block, (size_t)(end - begin), begin);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

off_t lines_tail(int fd, off_t size, long n)
{
	char block[BLOCK_BYTES];
	off_t end = size;

	if (n <= 0)
		return size;
	while (end > 0) {
		off_t begin = MAX(end - BLOCK_BYTES, (off_t)0);
		ssize_t len = read_block(fd, end, block);

		if (len < 0)
			return len;
		/* The end of line that ends the file ends its last line; it begins none. */
		for (ssize_t i = len - 1; i >= 0; i--)
			if (block[i] == '\n' && begin + i + 1 < size && n-- == 1)
				return begin + i + 1;
		end = begin;
	}
	return 0;
}
