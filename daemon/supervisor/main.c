/* main.c - foster-supervisor: started by fosterd with fosterd's own arguments */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

#include "daemon/base/log.h"
#include "daemon/base/mem.h"
#include "daemon/supervisor/supervisor.h"

#define DEFAULT_CONFIG FOSTER_SYSCONFDIR "/foster/foster.ini"

/* path as seen from the directory that fosterd was started in. */
static const char *absolute(const char *path)
{
	char directory[4096], *text;

	if (path[0] == '/' || !getcwd(directory, sizeof directory))
		return path;
	if (asprintf(&text, "%s/%s", directory, path) < 0)
		nomem_exit("supervisor");
	return text;
}

static bool parse(int argc, char **argv, struct supervisor_options *o)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "socket", required_argument, NULL, 's' },
		{ "pidfile", required_argument, NULL, 'p' },
		{ "daemonize", no_argument, NULL, 'd' },
		{ "nodaemon", no_argument, NULL, 'n' },
		{ "check", no_argument, NULL, 'C' },
		{ "help-config", no_argument, NULL, 'K' },
		{ "resume", required_argument, NULL, 'R' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "c:s:p:dn", longs, NULL)) != -1) {
		switch (c) {
		case 'c':
			o->config = optarg;
			break;
		case 's':
			o->socket = absolute(optarg);
			break;
		case 'p':
			o->pidfile = absolute(optarg);
			break;
		case 'd':
			o->daemonize = true;
			break;
		case 'n':
			o->nodaemon = true;
			break;
		case 'C':
			o->check = true;
			break;
		case 'K':
			o->help_config = true;
			break;
		case 'R':
			o->resume = optarg;
			break;
		default:
			return false;
		}
	}
	return true;
}

static int check(const char *path)
{
	struct conf_sources *sources = NULL;
	struct conf_diag diag = { 0 };
	struct conf *conf = NULL;
	int r = conf_read(path, (const char *const *)environ, &sources, &diag);

	if (r == 0)
		r = conf_parse(sources, (const char *const *)environ, &conf, &diag);
	for (size_t i = 0; i < diag.n_problems; i++) {
		auto_free char *text = conf_problem_text(&diag.problems[i]);

		if (text)
			fprintf(stderr, "%s%s\n", text, diag.problems[i].fatal ? "" : " (warning)");
	}
	if (r < 0 && !diag.n_problems)
		fprintf(stderr, "fosterd: %s: %s\n", path, strerror(-r));
	if (r == 0)
		printf("%s: good, %zu processes\n", path, conf->n_processes);
	conf_unref(conf);
	conf_sources_free(sources);
	conf_diag_done(&diag);
	return r < 0 ? 2 : 0;
}

/* Each client's connection is a descriptor, and we never fork: take all that we may have. */
static void raise_limit(void)
{
	struct rlimit nofile;

	if (getrlimit(RLIMIT_NOFILE, &nofile) < 0)
		return;
	nofile.rlim_cur = nofile.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &nofile);
}

int main(int argc, char **argv)
{
	struct supervisor_options o = { .config = DEFAULT_CONFIG };

	log_init(NULL);
	if (!parse(argc, argv, &o))
		return 2;
	if (o.help_config) {
		conf_print_keys(stdout);
		return 0;
	}
	if (o.check)
		return check(o.config);
	o.config = absolute(o.config);
	raise_limit();
	signal(SIGPIPE, SIG_IGN);
	return supervisor_run(&o);
}
