#include "tests/fault/soak/soak.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/base/mem.h"

#define LOG_TAIL_BYTES 16384

/* splitmix64, https://prng.di.unimi.it/splitmix64.c */
unsigned soak_random(struct soak *k, unsigned n)
{
	uint64_t z = (k->random += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return (unsigned)((z ^ (z >> 31)) % n);
}

void soak_note(struct soak *k, const char *format, ...)
{
	char *to = k->done[k->n_done++ % SOAK_REMEMBERED];
	int n = snprintf(to, sizeof *k->done,
			 "%8.3f step %u: ", (double)(clock_boot_ns() - k->began_ns) / 1e9,
			 k->steps);
	va_list ap;

	va_start(ap, format);
	vsnprintf(to + n, sizeof *k->done - (size_t)n, format, ap);
	va_end(ap);
}

static void say_log_tail(struct soak *k)
{
	size_t len = 0;
	char *log = run_slurp(soak_path(k, "fosterd.log"), &k->arena, &len);
	char *rest = log ? log + (len > LOG_TAIL_BYTES ? len - LOG_TAIL_BYTES : 0) : NULL;

	for (char *line; rest && (line = strsep(&rest, "\n"));)
		if (*line)
			printf("# log: %s\n", line);
}

void soak_report(struct soak *k)
{
	unsigned first = k->n_done > SOAK_REMEMBERED ? k->n_done - SOAK_REMEMBERED : 0;

	say_log_tail(k);
	for (unsigned i = first; i < k->n_done; i++)
		printf("# %s\n", k->done[i % SOAK_REMEMBERED]);
	printf("# SEED=%llu, %u steps, %u commands, %u kills\n", (unsigned long long)k->seed,
	       k->steps, k->commands, k->faults);
}

void soak_fail(struct soak *k, const char *format, ...)
{
	char why[1024];
	va_list ap;

	va_start(ap, format);
	vsnprintf(why, sizeof why, format, ap);
	va_end(ap);
	soak_note(k, "FAILED: %s", why);
	fixture_fail(k->f, "%s", why); /* the teardown reports */
}

static int ask_once(struct soak *k, const char *method, json_t *parameters, json_t **ret_reply)
{
	int r = 0;

	if (k->calls.fd < 0)
		r = varlink_open(&k->calls, k->f->socket);
	if (r == 0)
		r = varlink_send(&k->calls, method, json_incref(parameters), false, NULL, 0);
	if (r == 0)
		r = varlink_receive(&k->calls, FIXTURE_DEADLINE_MS, ret_reply);
	if (r < 0)
		varlink_close(&k->calls);
	return r;
}

json_t *soak_ask(struct soak *k, const char *method, json_t *parameters)
{
	uint64_t deadline = clock_boot_ns() + FIXTURE_DEADLINE_MS * NS_PER_MS;
	json_t *reply = NULL;
	int r;

	do
		r = ask_once(k, method, parameters, &reply);
	while (r < 0 && r != -ETIMEDOUT && clock_boot_ns() < deadline);
	json_decref(parameters);
	if (r < 0)
		soak_fail(k, "%s: no answer: %s", method, strerror(-r));
	json_array_append_new(k->f->kept, reply);
	return reply;
}

char *soak_config(struct soak *k)
{
	auto_buf struct buf b = { 0 };

	buf_add_str(&b, "[foster]\nwatchdog = 1\nlogfile = @dir@/fosterd.log\n"
			"logfile_maxbytes = 50MB\n[forkserver:py]\ntype = python\n");
	model_write_config(&k->model, &b, "@build@/tests/helpers/soaker", "@dir@/pages",
			   "@dir@/logs");
	char *text = buf_take_str(&b);
	if (!text)
		soak_fail(k, "no memory");
	return text;
}

const char *soak_format(struct soak *k, const char *format, ...)
{
	va_list ap;
	char *text = NULL;
	int n;

	va_start(ap, format);
	n = vasprintf(&text, format, ap);
	va_end(ap);
	char *kept = n < 0 ? NULL : arena_strndup(&k->arena, text, (size_t)n);
	free(text);
	if (!kept)
		soak_fail(k, "no memory");
	return kept;
}

const char *soak_path(struct soak *k, const char *name)
{
	return soak_format(k, "%s/%s", k->f->dir, name);
}
