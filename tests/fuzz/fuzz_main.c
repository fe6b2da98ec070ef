/* fuzz_main.c - replay a fuzzer's corpus as a test, with any compiler
 *
 * Linked with one fuzz_NAME.c in the place of libFuzzer. Runs every file of tests/fuzz/corpus/NAME
 * (or those given as arguments) through LLVMFuzzerTestOneInput(), each prefix of a short one too, and
 * reports as TAP. A crash, or a sanitizer's complaint, ends the program: the runner counts that. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/buf.h"
#include "daemon/base/fd.h"
#include "daemon/base/mem.h"

#define INPUT_BYTES_MAX ((size_t)1 << 20)
#define PREFIXES_BYTES_MAX 512 /* up to this size, every prefix is an input as well */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy of exactly size bytes, so that reading beyond them is noticed. */
static void feed(const char *data, size_t size)
{
	auto_free uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		abort();
	if (size)
		memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
}

static int replay(const char *path)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	auto_buf struct buf input = { 0 };

	if (fd < 0)
		return -errno;
	int err = fd_read_all(fd, &input, INPUT_BYTES_MAX);
	if (err < 0)
		return err;
	if (input.len <= PREFIXES_BYTES_MAX)
		for (size_t i = 0; i < input.len; i++)
			feed(input.data, i);
	feed(input.data, input.len);
	return 0;
}

static int replay_directory(const char *path, unsigned *ret_files)
{
	DIR *dir = opendir(path);
	unsigned n = 0;

	if (!dir)
		return -errno;
	for (struct dirent *entry; (entry = readdir(dir));) {
		auto_free char *file = NULL;

		if (entry->d_name[0] == '.')
			continue;
		if (asprintf(&file, "%s/%s", path, entry->d_name) < 0)
			abort();
		int err = replay(file);
		if (err < 0) {
			closedir(dir);
			return err;
		}
		n++;
	}
	closedir(dir);
	*ret_files = n;
	return 0;
}

/* "fuzz_conf" -> tests/fuzz/corpus/conf */
static char *corpus_of(const char *program)
{
	const char *base = strrchr(program, '/');
	char *path;

	base = base ? base + 1 : program;
	if (strncmp(base, "fuzz_", 5) == 0)
		base += 5;
	return asprintf(&path, "tests/fuzz/corpus/%s", base) < 0 ? NULL : path;
}

int main(int argc, char **argv)
{
	auto_free char *corpus = corpus_of(argv[0]);
	unsigned files = 0;
	int err = 0;

	printf("1..1\n");
	fflush(stdout);
	if (!corpus)
		return 1;
	if (argc > 1)
		for (int i = 1; i < argc && err == 0; i++, files++)
			err = replay(argv[i]);
	else
		err = replay_directory(corpus, &files);
	if (err < 0 || files == 0)
		printf("not ok 1 - %s: %s\n", corpus, err < 0 ? strerror(-err) : "no input");
	else
		printf("ok 1 - every input of %s is survived (%u)\n", corpus, files);
	return err < 0 || files == 0;
}
